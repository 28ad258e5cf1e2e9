local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local examples = posix.getcwd() .. "/examples/"

local function demo(name, dir)
  return process.start { "lua5.4", examples .. name, cwd = dir }
end

local function read_update(child, first_line)
  local version = child:match(first_line)
  child:match("^    header +{ header_code = 4392, time_stamp = [%d.]+ }$")
  local fields = {}
  for _, name in ipairs { "data_int", "data_string", "data_xy", "multi_pts" } do
    fields[name] = child:match("^    " .. name .. " +(.+)$")
  end
  return version, fields
end

local function interrupt(child)
  child:kill(posix.SIGINT)
  local line
  repeat line = child:line() until not line or line:match("^stopped")
  assert.matches("^stopped after %d+ updates$", line)
  child:join()
end

describe("the demos", function()
  it("show in the reader, which is started first, what the editor writes, and end at Ctrl-C", function()
    local dir = tmpdir()
    local reader = demo("demo_reader.lua", dir)
    reader:expect "waiting for demo_editor.lua"
    local editor = demo("demo_editor.lua", dir)
    local path = editor:match("^writing to (.*/%.mmap/DemoMmapStructure_%.mmap)$")
    reader:expect("reading " .. path)
    for _ = 1, 2 do
      local written, fields = read_update(editor, "version (%d+), a locked update of %d+ micro")
      assert.same({ written, fields }, { read_update(reader, "version (%d+), seen %d+ micro") })
    end
    interrupt(reader)
    interrupt(editor)
  end)

  it("end at Ctrl-C while the reader waits for the segment", function()
    local reader = demo("demo_reader.lua", tmpdir())
    reader:expect "waiting for demo_editor.lua"
    interrupt(reader)
  end)
end)

describe("the event loops", function()
  for _, name in ipairs { "loop_luv.lua", "loop_cqueues.lua" } do
    it("follow two segments and a timer: " .. name, function()
      local loop = process.start { "lua5.4", examples .. name, tmpdir() }
      loop:expect("tick 1")
      loop:expect("engine: 900 rpm at version 1")
      loop:expect("tick 2")
      loop:expect("cabin: 21.5 degrees at version 1")
      loop:expect("tick 3")
      loop:expect("engine: 3000 rpm at version 2")
      loop:expect("tick 4")
      loop:expect("done")
      loop:join()
    end)
  end
end)

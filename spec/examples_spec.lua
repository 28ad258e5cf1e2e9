local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local examples = posix.getcwd() .. "/examples/"

local function demo(name, dir)
  return process.start { process.LUA, examples .. name, cwd = dir }
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
      local loop = process.start { process.LUA, examples .. name, tmpdir() }
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

describe("the chat", function()
  local dir
  before_each(function() dir = tmpdir() end)

  local function say(name)
    return process.start { process.LUA, examples .. "chat/say.lua", name, dir }
  end

  local function listen(number)
    local listener = process.start { process.LUA, examples .. "chat/listen.lua", dir, number }
    listener:expect "listening"
    return listener
  end

  -- Has a writer send lines and end.
  local function send(writer, lines)
    for _, line in ipairs(lines) do writer:send(line) end
    writer:close_input()
  end

  -- The lines that a listener prints up to the message "end".
  local function heard(listener)
    local lines = {}
    repeat
      lines[#lines + 1] = assert(listener:line())
    until lines[#lines]:find ": end$"
    listener:kill()
    return lines
  end

  it("brings every message to every listener once and in order, also when writers are killed", function()
    local listeners = { listen(), listen() }
    local stopped = listen()
    stopped:stop()
    local writers, lines = { say "ada", say "bob", say "cyd" }, {}
    for i = 1, 200 do lines[i] = "message " .. i end
    for _, writer in ipairs(writers) do send(writer, lines) end

    local dead = say "dan"
    local half = process.start { process.LUA, "-e", ([[
      package.path = %q .. package.path
      local view = require "message"("editor", %q):lock()
      view.from, view.text = "eve", "half a message"
      print "changed"
      io.stdout:flush()
      io.read()
    ]]):format(examples .. "chat/?.lua;", dir) }
    half:expect "changed"
    half:kill()
    half:wait()
    for i = 1, 200 do dead:send("message " .. i) end
    local first = {}
    repeat
      first[#first + 1] = listeners[1]:line()
    until first[#first]:find "dan: message 10$"
    dead:kill()
    dead:wait()
    for _, writer in ipairs(writers) do writer:join() end
    stopped:continue()
    local last_writer = say "ada"
    send(last_writer, { "end" })
    last_writer:join()

    local all = heard(listeners[1])
    all = table.move(all, 1, #all, #first + 1, first)
    assert.same(all, heard(listeners[2]))
    assert.same(all, heard(stopped))
    assert.same(all, heard(listen "0"))
    local last = { ada = 0, bob = 0, cyd = 0, dan = 0 }
    for i = 1, #all - 1 do
      local number, name, message = all[i]:match "^(%d+) (%l+): message (%d+)$"
      assert.equal(i, tonumber(number), all[i])
      last[name] = last[name] + 1
      assert.equal(last[name], tonumber(message), all[i])
    end
    assert.same({ 200, 200, 200 }, { last.ada, last.bob, last.cyd })
    assert.is_true(last.dan >= 10)
  end)

  it("refuses a message that is too long, and goes on", function()
    local writer, listener = say "ada", listen()
    send(writer, { ("x"):rep(201), ("y"):rep(200), "end" })
    writer:match "ChatMessage.text: 'x+...' has 201 bytes, char%[200%] holds 200"
    writer:join()
    assert.same({ "1 ada: " .. ("y"):rep(200), "2 ada: end" }, heard(listener))
  end)
end)

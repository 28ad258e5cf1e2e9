--- Runs the commands of docs/cli.md.
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local cli_doc = {}

local ROOT <const> = posix.getcwd()

local DEFINE <const> = [[
  local ipmmap = require "ipmmap"
  local file = ".mmap/Weather_oslo.mmap"
  local editor = assert(ipmmap.editor(ipmmap.describe(file), { tag = "oslo" }))
]]

-- Processes that run beside the commands of a block. A line <!-- name --> before the block names
-- one.
local COMPANIONS <const> = {
  holder = DEFINE .. [[
    local _ <close> = editor:lock()
    print("ready")
    io.read()
  ]],
  writer = DEFINE .. [[
    print("ready")
    for i = 1, math.huge do
      editor:write("celsius", i / 4)
      ipmmap.sleep(0.02)
    end
  ]],
}

local function companion(name, dir)
  if not name then return end
  local child = process.start { process.LUA, ROOT .. "/spec/helper/child.lua", COMPANIONS[name],
    cwd = dir }
  child:expect("ready")
  return child
end

local function run(command, dir)
  local child = process.start { "sh", "-c", command, cwd = dir }
  local lines = {}
  for line in function() return child:line() end do lines[#lines + 1] = line .. "\n" end
  child:wait()
  return table.concat(lines)
end

--- Makes a directory with the command ipmmap, which the interpreter of the specs runs.
function cli_doc.command_directory()
  local dir = tmpdir()
  shell.run(([[printf '#!/bin/sh\nexec %s %s/bin/ipmmap "$@"\n' >%s/ipmmap && chmod +x %s/ipmmap]])
    :format(process.LUA, ROOT, dir, dir))
  return dir
end

--- Runs each command and calls visit(command, output in the document, output of this run).
function cli_doc.each(text, visit)
  local dir = tmpdir()
  posix.setenv("PATH", cli_doc.command_directory() .. ":" .. os.getenv("PATH"))
  process.start { process.LUA, "-e", text:match("\n```lua\n(.-)\n```\n"), cwd = dir }:join()
  for directive, block in text:gmatch("\n([^\n]*)\n```console\n(.-)```\n") do
    local child = companion(directive:match("<!%-%- (%w+) %-%->"), dir)
    for command, written in ("\n" .. block):gsub("\n%$ ", "\0"):gmatch("%z([^\n%z]*)\n?(%Z*)") do
      local now = run(command, dir):gsub(dir:gsub("%p", "%%%0"), "/home/ada/weather")
      if written ~= "" and not written:find("\n$") then written = written .. "\n" end
      visit(command, written, now)
    end
    if child then child:kill() end
  end
end

return cli_doc

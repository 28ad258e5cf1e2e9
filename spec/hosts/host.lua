--- Starts programs that embed Lua, for the specs of this directory.
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local shell = require "spec.helper.shell"

local DEADLINE <const> = 120 -- seconds

local host = {}

host.root = posix.getcwd()
host.unpacked = host.root .. "/build/hosts/root"
host.lua_path = ("%s/lua/?.lua;%s/lua/?/init.lua;;"):format(host.root, host.root)
host.lua_cpath = host.root .. "/build/?.so;;"

--- The reason why tests are skipped, if one of these programs is not there.
function host.missing(...)
  for _, program in ipairs { ... } do
    if not shell.try("command -v " .. shell.quote(program)) then
      return program .. " is not there: make hosts installs it"
    end
  end
end

--- Starts a program in which LuaJIT finds this library. `env` has more variables, as "NAME=value".
function host.start(argv, env)
  local all = { "env", "LUA_PATH=" .. host.lua_path, "LUA_CPATH=" .. host.lua_cpath }
  table.move(env or {}, 1, #(env or {}), #all + 1, all)
  table.move(argv, 1, #argv, #all + 1, all)
  all.cwd = argv.cwd
  return process.start(all)
end

--- Starts an X server without a screen, which writes what it would show to a file in a directory.
-- Returns it, and the name of the display.
function host.screen(dir)
  local server = process.start {
    "Xvfb", "-displayfd", "1", "-screen", "0", "480x320x24", "-fbdir", dir, "-nolisten", "tcp",
  }
  return server, ":" .. server:match "^%d+$"
end

--- Kills programs that the test has started.
function host.kill(programs)
  for _, program in ipairs(programs) do
    program:kill()
    program:wait()
  end
end

--- Waits until a function returns a true value, for so many seconds at most. Returns that value.
function host.comes(seconds, look)
  local deadline = ipmmap.now() + seconds
  repeat
    local found = look()
    if found then return found end
    ipmmap.sleep(0.02)
  until ipmmap.now() > deadline
end

--- Waits until a function returns a true value. Raises an error if that takes very long.
function host.await(what, look)
  return host.comes(DEADLINE, look) or error(("not within %d seconds: %s"):format(DEADLINE, what), 2)
end

function host.read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

function host.write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

--- Replaces a text, which must be there once.
function host.replace(text, old, new)
  local first, last = text:find(old, 1, true)
  assert(first and not text:find(old, last + 1, true), old)
  return text:sub(1, first - 1) .. new .. text:sub(last + 1)
end

return host

--- Runs `ipmmap share` and `ipmmap follow` for the specs, and waits for what they do.
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local status = require "ipmmap_share.status"

local share_command = {}

local COMMAND <const> = posix.getcwd() .. "/bin/ipmmap"
local PATIENCE <const> = 20 -- seconds

--- Whether there is a redis-server to test with, and lua-cqueues and lua-luaossl.
function share_command.are_possible()
  local has_server = os.execute "command -v redis-server >/dev/null 2>&1"
  return has_server and pcall(require, "cqueues") and pcall(require, "openssl")
end

--- Starts the command, whose output is for the test to read.
-- @tparam {string,...} argv its arguments; `cwd`
-- @treturn Child
function share_command.start(argv)
  return process.start(table.move(argv, 1, #argv, 3,
    { process.LUA, COMMAND, cwd = argv.cwd }))
end

--- Ends a command in order.
-- @treturn integer its exit status
function share_command.stop(child)
  child:kill(posix.SIGTERM)
  local how, code = child:wait()
  assert(how == "exit", "it was ended by a signal")
  return code
end

--- Waits until a segment has a role in a directory.
-- @tparam string name `<Struct>_<tag>`
-- @tparam string role of ShareStatus
-- @tparam[opt] string home that it must have, too
function share_command.await(dir, name, role, home)
  local reader <close> = assert(ipmmap.reader(status.Struct,
    { mmap_dir = dir, tag = name, wait = PATIENCE, follow = true }))
  local deadline = os.time() + PATIENCE
  while true do
    local now, version = reader:versioned_snapshot()
    if now.role == role and (not home or now.home == home) then return end
    local left = deadline - os.time()
    if left <= 0 or not reader:wait(version, left) then
      error(("%s is %s and not %s in %s: %s"):format(name, now.role, role, dir, now.error), 2)
    end
  end
end

--- Waits until a handle's field has a value.
function share_command.await_value(handle, path, value)
  local deadline = os.time() + PATIENCE
  while true do
    local version = handle:version()
    local now = handle:read(path)
    if now == value then return end
    local left = deadline - os.time()
    if left <= 0 or not handle:wait(version, left) then
      error(("%s is %s and not %s"):format(path, tostring(now), tostring(value)), 2)
    end
  end
end

return share_command

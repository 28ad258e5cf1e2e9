--- A real redis-server for the tests, which can be killed and started again. Its directory is on a
-- disk, where it waits for its writes.
local free_port = require "spec.helper.free_port"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local shell = require "spec.helper.shell"

local server = {}
server.__index = server

local SLICE <const> = 0.01 -- seconds between two looks
local PATIENCE <const> = 2000 -- looks

local function join(...)
  local all = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
  return all
end

--- Starts a server.
-- @tparam table options `within`: the start of a command line that runs it in a namespace; `bind`:
-- an address; `sync`: appendfsync, default `"everysec"`; `more`: a list of other arguments
function server.start(options)
  local self = setmetatable({
    dir = shell.run("mktemp -d"):match "[^\n]+", port = free_port(),
    within = options.within or {}, bind = options.bind or "127.0.0.1",
    sync = options.sync or "everysec", more = options.more or {},
  }, server)
  self:restart()
  return self
end

--- Starts the process, and returns when it answers and has read its files.
function server:restart()
  self.child = process.start(join(self.within, {
    "sh", "-c", 'exec "$@" >>"$0" 2>&1', self.dir .. "/log", "redis-server",
    "--port", tostring(self.port), "--bind", self.bind, "--protected-mode", "no",
    "--dir", self.dir, "--appendonly", "yes", "--appendfsync", self.sync, "--save", "",
    "--auto-aof-rewrite-percentage", "0",
  }, self.more))
  for _ = 1, PATIENCE do
    if self:call "PING" == "PONG" then return end
    posix.poll(self.child.from, SLICE)
  end
  error("the server does not answer; its log is " .. self.dir .. "/log")
end

function server:kill()
  self.child:kill()
  self.child:wait()
end

--- Kills the process, and removes its directory.
function server:close()
  if not self.child.how then self:kill() end
  shell.run("rm -rf " .. shell.quote(self.dir))
end

--- Runs a command of the server by redis-cli. Returns the answer as text: elements are lines.
function server:call(...)
  local words = join(self.within, { "timeout", "10", "redis-cli", "-h",
    self.bind == "0.0.0.0" and "127.0.0.1" or self.bind, "-p", tostring(self.port), "--raw" },
    { ... })
  for i, word in ipairs(words) do words[i] = shell.quote(tostring(word)) end
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>&1"))
  local answer = pipe:read "a"
  pipe:close()
  return (answer:gsub("\n$", "", 1))
end

--- A number in the server's INFO.
function server:info(name)
  local text = self:call("INFO", "all")
  return tonumber(text:match("\n" .. name .. ":([%d.]+)"))
end

return server

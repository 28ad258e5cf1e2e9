--- A real redis-server on a port of 127.0.0.1, with its data in a directory of its own.
local certificates = require "spec.helper.certificates"
local free_port = require "spec.helper.free_port"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local redis = require "ipmmap_share.redis"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"
local url = require "ipmmap_share.url"

local redis_server = {}

local READY, IN_USE = "Ready to accept connections", "bind: Address already in use"
local DEADLINE = 30 -- seconds
local POLL = 0.001 -- seconds

local Server = {}
Server.__index = Server

local made -- the directory of this process's certificates

--- The directory of the certificates that `spec.helper.certificates` makes.
function redis_server.certificates()
  if not made then
    made = tmpdir()
    certificates(made)
  end
  return made
end

local function configuration(options, port, dir)
  local lines = {
    "bind 127.0.0.1", "dir " .. dir, "logfile redis.log", 'save ""',
    options.appendfsync and "appendonly yes\nappendfsync " .. options.appendfsync or "",
    options.password and "requirepass " .. options.password or "",
    table.concat(options.config or {}, "\n"),
  }
  if options.tls then
    local at = redis_server.certificates()
    local name = options.tls == true and "server" or options.tls
    lines[#lines + 1] = ("port 0\ntls-port %d\ntls-cert-file %s/%s.pem\ntls-key-file %s/%s.key\n"
                         .. "tls-ca-cert-file %s/ca.pem"):format(port, at, name, at, name, at)
  else
    lines[#lines + 1] = ("port %d"):format(port)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function address_of(options, port)
  local address = { host = "127.0.0.1", port = port, db = 0, tls = options.tls ~= nil,
                    password = options.password }
  if options.tls then
    local at = redis_server.certificates()
    address.ca = at .. "/ca.pem"
    address.cert, address.key = at .. "/client.pem", at .. "/client.key"
  end
  return address
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

--- Starts a server, and returns when it answers.
-- @tparam[opt] table options
-- @tparam[opt] string options.appendfsync `"always"` or `"everysec"`: keeps the data in a file
-- @tparam[opt] string options.password of the default user
-- @tparam[opt] boolean|string options.tls TLS alone, with clients' certificates; a string: with the
--   server's certificate of that name, see `spec.helper.certificates`
-- @tparam[opt] table options.config more lines of redis.conf, such as `user` of an ACL
-- @treturn Server `port`; `dir`; `address`: what `redis.connect` takes; `url`
function redis_server.start(options)
  options = options or {}
  local self = setmetatable({ dir = tmpdir() }, Server)
  repeat
    self.port = free_port()
    write(self.dir .. "/redis.conf", configuration(options, self.port, self.dir))
  until self:start()
  self.address = address_of(options, self.port)
  self.url = url.show(self.address)
  return self
end

--- What the server logged since it was started.
function Server:log()
  local file = io.open(self.dir .. "/redis.log")
  if not file then return "" end
  file:seek("set", self.logged)
  local text = file:read("*a")
  file:close()
  return text
end

--- Starts a server that ended, on the same port and in the same directory.
-- @treturn boolean false if another program has the port
function Server:start()
  self.logged = 0
  self.logged = #self:log()
  self.child = process.start { "redis-server", self.dir .. "/redis.conf" }
  for _ = 1, DEADLINE / POLL do
    local log = self:log()
    if log:find(READY, 1, true) then return true end
    if log:find(IN_USE, 1, true) then return false end
    local has_ended = posix.poll(self.child.from, POLL)
    if has_ended then error("redis-server ended:\n" .. (self.child:line() or "") .. self:log()) end
  end
  error("redis-server was not ready in time:\n" .. self:log())
end

--- Kills the server (SIGKILL), and returns when it has ended.
function Server:kill()
  self.child:kill()
  self.child:wait()
end

--- Removes the data of a server that ended.
function Server:forget()
  shell.run(("rm -rf %s/appendonlydir %s/dump.rdb"):format(self.dir, self.dir))
end

--- Stops the server's process (SIGSTOP), and returns when it has stopped.
function Server:stop()
  self.child:stop()
end

--- Lets a stopped server go on.
function Server:continue()
  self.child:continue()
end

--- A new connection as the default user.
function Server:connect()
  return assert(redis.connect(self.address, DEADLINE))
end

return redis_server

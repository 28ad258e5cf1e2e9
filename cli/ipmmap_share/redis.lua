--- A client of Redis: one connection.
-- Inside a cqueue only the calling coroutine waits; outside of one the process does. After anything
-- but a complete reply the connection is closed, so that no call gets the reply of another one.
local needed = require "ipmmap_share.needed"
local resp = require "ipmmap_share.resp"
local tls = require "ipmmap_share.tls"
local url = require "ipmmap_share.url"

local cqueues, errno, condition, sockets -- set by connect

local redis = {}

local LIMIT = 64 * 2 ^ 20 -- bytes
local LONGEST_LINE = 64 * 2 ^ 10

local Connection = {}
Connection.__index = Connection

local function failure(self, message, code) return nil, self.name .. ": " .. message, code end

local function lost(why)
  return why and why ~= errno.EPIPE and errno.strerror(why) or "the server closed the connection"
end

local function left(self) return math.max(0, self.deadline - cqueues.monotime()) end

local function receive(self, what)
  local data, why = self.socket:xread(what, "b", left(self))
  if data and (#data == what or what == "*L" and data:find("\n$") or #data == LONGEST_LINE) then
    return data
  end -- Else what is there of it, if the connection ended.
  if why == errno.ETIMEDOUT then return nil, "the server did not answer in time", "timeout" end
  local message = lost(why)
  if not self.is_known then
    message = message .. "; " .. (self.tls and tls.refused or "it may want TLS, which is rediss://")
  end
  return nil, message, "system"
end

local function exchange(self, request, count)
  if self.is_known then
    local early = self.socket:recv(-1, "b")
    if early then return failure(self, "the server sent more than it was asked for", "corrupt") end
  end
  local sent, why = self.socket:xwrite(request, "bn", left(self))
  if not sent and why == errno.ETIMEDOUT then
    return failure(self, "the server did not take the call in time", "timeout")
  end -- After another error: the server may have said why before it closed the connection.
  local function take(what) return receive(self, what) end
  local replies, budget, refusal, refused = {}, self.limit, nil, nil
  for i = 1, count do
    local reply, message, more = resp.read(take, budget)
    if reply == nil then return failure(self, message, more) end
    replies[i], budget = reply, more
    if message and not refusal then refusal, refused = message, i end
  end
  self.is_known = true
  if refusal then return nil, refusal, "server", refused end
  return replies
end

-- Sends calls, and waits for their replies. Calls of other coroutines go before, one by one.
local function run(self, request, count, seconds)
  local deadline = cqueues.monotime() + seconds
  while self.is_busy and not self.closed do
    if cqueues.monotime() >= deadline then
      return failure(self, "other calls took too long, and this one was not sent", "timeout")
    end
    self.turn:wait(deadline - cqueues.monotime())
  end
  if self.closed then return nil, self.closed, "system" end
  self.is_busy, self.deadline = true, deadline
  local fine, replies, message, code, refused = pcall(exchange, self, request, count)
  self.is_busy = false
  self.turn:signal()
  if fine and self.closed then replies, message, code = nil, self.closed, "system" end -- by `close`
  if not fine or not replies and code ~= "server" then
    self.closed = tostring(fine and message or replies)
    self.socket:close()
  end
  if not fine then error(replies, 0) end
  return replies, message, code, refused
end

local function call(self, seconds, ...)
  local request = resp.encode { n = select("#", ...), ... }
  local replies, message, code = run(self, request, 1, seconds)
  if not replies then return nil, message, code end
  return replies[1]
end

--- Calls a command of the server.
-- @tparam string|integer ... its name and arguments
-- @treturn[1] string|integer|table|boolean the reply; false is null
-- @return[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"server"`: the reply or a part of it is an error, with this message;
--   `"timeout"`: no reply within `self.timeout` seconds; `"system"`: the connection is lost;
--   `"corrupt"`: a malformed reply, or one of more than `self.limit` bytes. After all but "server"
--   `self.closed` is set, a message, and nobody knows whether the server did it. But a call that
--   was not sent, as those of others took too long, leaves the connection open: `"timeout"`.
function Connection:call(...)
  return call(self, self.timeout, ...)
end

--- As `call`, for a command that the server may answer `seconds` later than others.
function Connection:block(seconds, ...)
  return call(self, self.timeout + seconds, ...)
end

--- Sends several calls at once.
-- @tparam table calls a list of lists: a name and arguments
-- @treturn[1] table the list of replies
-- @return[2] nil
-- @treturn[2] string message
-- @treturn[2] string code, as for `call`; after `"server"` the other calls were made as well
-- @treturn[2] integer the call that the server refused first
function Connection:pipeline(calls)
  local parts = {}
  for i, each in ipairs(calls) do parts[i] = resp.encode(each) end
  return run(self, table.concat(parts), #calls, self.timeout)
end

--- Closes the connection. A call of another coroutine that waits for its reply fails.
function Connection:close()
  self.closed = self.closed or self.name .. ": the connection was closed"
  if self.is_busy then self.socket:shutdown("rw") else self.socket:close() end
end

local function open(self, address)
  local socket, why = sockets.connect { host = address.host, port = address.port, nodelay = true }
  if not socket then return failure(self, errno.strerror(why), "system") end
  self.socket = socket
  socket:onerror(function(_, _, number) return number end)
  socket:setmaxline(LONGEST_LINE, LONGEST_LINE)
  local connected, reason = socket:connect(left(self))
  if connected then return true end
  if reason == errno.ETIMEDOUT then return failure(self, "no connection in time", "timeout") end
  return failure(self, errno.strerror(reason), "system")
end

-- A call that must be answered with OK.
local function demand(self, ...)
  local reply, message, code = call(self, left(self), ...)
  if reply == "OK" then return true end
  if reply ~= nil then return failure(self, "the server sent a malformed reply", "corrupt") end
  if code ~= "server" then return nil, message, code end
  return failure(self, message, code)
end

local function begin(self, address)
  local fine, message, code = open(self, address)
  if fine and address.tls then
    fine, message, code = tls.start(self.socket, address, left(self))
    if not fine then return failure(self, message, code) end
  end
  if fine and (address.user or address.password) then
    local password = address.password or ""
    fine, message, code = demand(self, "AUTH", address.user or "default", password)
    if message and password ~= "" and message:find(password, 1, true) then
      message = self.name .. ": the server refused the password, in a message that contains it"
    end
  end
  if fine and address.db > 0 then fine, message, code = demand(self, "SELECT", address.db) end
  if fine then
    fine, message, code = demand(self, "CLIENT", "SETNAME", "ipmmap")
    if code == "server" and message:find(": NOPERM", 1, true) then return true end -- it has no name
  end
  return fine, message, code
end

--- Connects to a server, and logs in.
-- @tparam table address see `url.options`
-- @tparam number timeout seconds for this, and for each call
-- @treturn[1] Connection `timeout` and `limit` may be changed
-- @return[2] nil
-- @treturn[2] string message
-- @treturn[2] string code, as for `call`
function redis.connect(address, timeout)
  local fine, message, code
  cqueues, message, code = needed "cqueues"
  if not cqueues then return nil, message, code end
  errno, sockets = require "cqueues.errno", require "cqueues.socket"
  condition = require "cqueues.condition"
  local self = setmetatable({
    name = url.show(address), tls = address.tls, timeout = timeout, limit = LIMIT,
    deadline = cqueues.monotime() + timeout, turn = condition.new(),
  }, Connection)
  fine, message, code = begin(self, address)
  if fine then return self end
  if self.socket then self.socket:close() end
  return nil, message, code
end

return redis

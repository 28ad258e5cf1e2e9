--- A connection to the server that is made again after it was lost, with pauses that grow.
local trouble = require "ipmmap_share.trouble"

local link = {}

local FIRST <const>, LONGEST <const> = 0.1, 5 -- seconds of a pause, at most

local Link = {}
Link.__index = Link

--- @param open a function that connects: it returns a store; or nil, message, code
-- @param[opt] longest seconds of a pause, at most
function link.new(open, longest)
  longest = math.min(longest or LONGEST, LONGEST)
  return setmetatable({ open = open, longest = longest, failures = 0 }, Link)
end

local function fail(self, message, code)
  self.failures = self.failures + 1
  trouble.raise_remote(code, "%s", message)
end

--- Connects, if there is no connection. A failure is raised, with `is_remote` set.
function Link:connect()
  if self.store or self.is_closed then return end
  local store, message, code = self.open()
  if not store then fail(self, message, code) end
  self.store = store
  if self.is_closed then self:close() end
end

--- Calls a method of the store, and connects first if there is no connection.
-- @param method its name
-- @return what it returned. A failure is raised, with `is_remote` set
function Link:call(method, ...)
  self:connect()
  local store = self.store
  if not store then trouble.raise("closed", "the connection was closed") end
  local results = table.pack(store[method](store, ...))
  if results[1] == nil and results[2] ~= nil then
    if store:closed() then self:drop() end
    fail(self, results[2], results[3])
  end
  return table.unpack(results, 1, results.n)
end

--- Says that the work goes on: the next pause is short again.
function Link:worked()
  self.failures, self.has_worked = 0, true
end

--- How many seconds to wait before the next attempt. It is random, so that not all who lost the
-- server come back at once.
function Link:pause()
  local most = math.min(self.longest, FIRST * 2.0 ^ (self.failures - 1))
  return most * (0.5 + math.random() / 2)
end

--- Closes the connection, so that the next call makes a new one.
function Link:drop()
  local store = self.store
  self.store = nil
  if store then store:close() end
end

--- Closes the connection for good. A call in another coroutine fails.
function Link:close()
  self.is_closed = true
  self:drop()
end

return link

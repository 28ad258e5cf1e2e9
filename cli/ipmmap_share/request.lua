--- An edit's way to the home: it is sent until the home has taken it, and applied once at most.
-- The home notes in the server that it takes an edit, before it applies it. So an edit without such
-- a note was not applied, and after the edit's time, by the server's clock, it never will be. A
-- server that was restarted or replaced may have lost notes; then an edit is not sent again, and
-- can be unknown.
local edits_store = require "ipmmap_share.edits_store"
local needed = require "ipmmap_share.needed"
local store = require "ipmmap_share.store"

local request = {}

local FIRST_PAUSE <const>, LONGEST_PAUSE <const> = 0.02, 0.5 -- seconds, between connections
local MARGIN <const> = 1 -- seconds to wait for an answer after the edit's time
local LEAST_BLOCK <const> = 0.01 -- seconds
local ID_BYTES <const> = 16

local Requests = {}
Requests.__index = Requests

--- Prepares to send edits of a segment.
-- @param address of the server, as url.options returns it
-- @param name `<Struct>_<tag>`
-- @param timeout seconds for each call
-- @return an object with the methods below; or nil, message, code
function request.new(address, name, timeout)
  local cqueues, message, code = needed "cqueues"
  if not cqueues then return nil, message, code end
  return setmetatable({ address = address, name = name, timeout = timeout, cqueues = cqueues },
    Requests)
end

--- Connects to the server, if there is no connection.
-- @return true; or nil, message, code
function Requests:connect()
  if self.store and not self.store:closed() then return true end
  self:close()
  local opened, message, code = store.open(self.address, self.name, self.timeout)
  if not opened then return nil, message, code end
  self.store = opened
  self.server, message, code = opened:server()
  if self.server then return true end
  self:close()
  return nil, message, code
end

function Requests:close()
  if self.store then self.store:close() end
  self.store = nil
end

local function is_lost(code) return code == "system" or code == "timeout" end

local function new_id()
  local file <close> = assert(io.open("/dev/urandom", "rb"))
  return (file:read(ID_BYTES):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- What is known about an edit on its way: `edit`, as store:send takes it; `deadline`, by the local
-- clock; `server`, the one that may have got the edit, or nil; `is_taken`; `last`, the id of the
-- last reply.

-- Reads what is new in the replies.
-- @return the final reply; false if there is none; or nil, message, code
local function look(self, sent, block)
  local replies, message, code = self.store:replies(sent.edit.id, sent.last, block)
  if not replies then return nil, message, code end
  for _, reply in ipairs(replies) do
    if reply.result ~= "taken" then return reply end
    sent.is_taken, sent.last = true, reply.at
  end
  return false
end

-- Sends the edit, unless it was taken or the notes about it may be lost.
-- @return true; or nil, message, code
local function send(self, sent, now)
  local was_sent = sent.server ~= nil
  if sent.is_taken or now >= sent.edit.expires or was_sent and sent.server ~= self.server then
    return true
  end
  sent.server, sent.edit.server = self.server, self.server
  local added, message, code = self.store:send(sent.edit)
  if added then return true end
  if not is_lost(code) and not was_sent then sent.server = nil end
  return nil, message, code
end

-- Waits for the answer on one connection.
-- @return the final reply; false if the edit's time is over; or nil, message, code
local function await(self, sent, now)
  local expires = sent.edit.expires
  while true do
    local left = (expires - now) / 1000 + (sent.is_taken and MARGIN or 0)
    local reply, message, code = look(self, sent, math.max(left, LEAST_BLOCK))
    if reply or reply == nil then return reply, message, code end
    now, message, code = self.store:time()
    if not now then return nil, message, code end
    if now > expires + (sent.is_taken and MARGIN * 1000 or 0) then
      local was_taken = sent.is_taken
      reply, message, code = look(self, sent, 0)
      if reply or reply == nil or was_taken == sent.is_taken then return reply, message, code end
    elseif self.cqueues.monotime() > sent.deadline + 2 * MARGIN then
      sent.is_late = true
      return false
    end
  end
end

-- One attempt on one connection; returns as `await`.
local function attempt(self, sent)
  local connected, message, code = self:connect()
  if not connected then return nil, message, code end
  local now
  now, message, code = self.store:time()
  if not now then return nil, message, code end
  if not sent.edit.expires then
    local left = sent.deadline - self.cqueues.monotime()
    sent.edit.expires = now + math.max(0, math.floor(left * 1000))
  end
  local reply
  reply, message, code = look(self, sent, 0)
  if reply or reply == nil then return reply, message, code end
  local fine
  fine, message, code = send(self, sent, now)
  if not fine then return nil, message, code end
  return await(self, sent, now)
end

local function unknown(self, why)
  return nil, ("%s: it is not known whether the edit was applied: %s"):format(self.name, why),
    "unknown"
end

-- The outcome of an edit that was not answered in time.
-- @param message, code of the last failure, if there was one
local function give_up(self, sent, message, code)
  if sent.is_taken then
    return unknown(self, "the home took it and did not answer")
  elseif not sent.server and message then
    return nil, message, code
  elseif not sent.server then
    return nil, ("%s: the edit was not sent in time"):format(self.name), "timeout"
  elseif message then
    return unknown(self, message)
  elseif sent.is_late then
    return unknown(self, "the server's clock was set back meanwhile")
  elseif sent.server ~= self.server then
    return unknown(self, "the server was restarted or replaced meanwhile")
  end
  return nil, ("%s: no home took the edit in time, and none will: does `ipmmap share` run there?")
    :format(self.name), "timeout"
end

--- Sends an edit, and waits for the answer of the home.
-- @param edit `base`, `expect` and `patch`, as store:send takes them
-- @param deadline by cqueues.monotime
-- @return the final reply, as of store:replies: `result` is "applied", "conflict" or "refused"
-- @return[2] nil, message, code: `timeout`: it was not applied, and will not be; `unknown`; or the
-- code of the failure that kept it from being sent
function Requests:run(edit, deadline)
  local bytes = #edit.expect + #edit.patch
  if bytes > edits_store.LARGEST then
    return nil, ("%s: an edit of %d bytes, and a server takes %d at most"):format(self.name, bytes,
      edits_store.LARGEST), "refused"
  end
  edit.id = new_id()
  local sent, pause = { edit = edit, deadline = deadline, last = "0" }, FIRST_PAUSE
  while true do
    local reply, message, code = attempt(self, sent)
    if reply then return reply end
    local is_over = self.cqueues.monotime() >= deadline + (sent.server and MARGIN or 0)
    if reply == false or is_over or not is_lost(code) then
      return give_up(self, sent, message, code)
    end
    self.cqueues.sleep(pause)
    pause = math.min(2 * pause, LONGEST_PAUSE)
  end
end

return request

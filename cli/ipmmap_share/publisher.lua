--- What a home publishes: the commits of its segment's feed, in order. Nothing is lost if a call is
-- not answered: what was taken from the feed is kept until it is known to be stored.
local ipmmap = require "ipmmap"
local position = require "ipmmap_share.position"
local trouble = require "ipmmap_share.trouble"

local publisher = {}

-- Of one call; a single commit may have more.
local MOST_COMMITS <const>, MOST_BYTES <const> = 256, 262144
local SECOND <const> = 1e9 -- nanoseconds

local Publisher = {}
Publisher.__index = Publisher

--- @param handle of the segment
-- @param S its struct
-- @param link the connection to the server
-- @param keep called between the calls of a large commit, so that the lease does not end meanwhile;
-- returns true, or raises a failure
function publisher.new(handle, S, link, keep)
  return setmetatable({
    handle = handle, S = S, link = link, keep = keep,
    stored = nil,   -- the position that the server has; nil: the whole state is to be sent
    told = nil,     -- the version here that was taken from the feed last
    queue = {},     -- what was taken, and is not known to be stored
    in_doubt = nil, -- { position, count }: the first `count` of the queue were sent, not answered
    bytes = 0,      -- of all patches that were sent
  }, Publisher)
end

function Publisher:close()
  if self.feed then self.feed:close() end
  self.feed = nil
end

-- Where to begin ---------------------------------------------------------------------------------

--- Begins with the commits after a version whose state the server has.
-- @param stored its position there
-- @param version its number here
function Publisher:begin(stored, version)
  self:close()
  self.feed, self.queue, self.in_doubt = self.handle:feed(version), {}, nil
  self.stored, self.told = stored, version
  self.is_sure = self.handle:version() == version -- the feed begins with just that state
end

--- Begins with the whole state.
function Publisher:begin_afresh()
  self:close()
  self.queue, self.in_doubt, self.stored, self.told = {}, nil, nil, nil
end

-- What was sent last is stored.
local function settle(self)
  local doubt = self.in_doubt
  self.stored, self.in_doubt = doubt.position, nil
  self.queue = table.move(self.queue, doubt.count + 1, #self.queue, 1, {})
end

--- Goes on after a failure.
-- @param stored the position that the server has now
-- @return whether it is one that this publisher knows, so that it can go on there
function Publisher:resume(stored)
  if not self.stored then return false end
  if self.in_doubt and position.equal(stored, self.in_doubt.position) then settle(self) end
  return position.equal(stored, self.stored)
end

--- Whether all commits up to a version are stored.
function Publisher:has(version)
  return self.stored ~= nil and (self.stored.version >= version
    or #self.queue == 0 and self.told >= version)
end

--- Whether what the server has is the state of a version here.
function Publisher:covers(version)
  return self.stored ~= nil and #self.queue == 0 and self.told == version
end

-- From the feed ----------------------------------------------------------------------------------

local function nanoseconds(seconds)
  return math.floor((seconds > 0 and seconds or ipmmap.now()) * SECOND)
end

-- The next commit; nil if there is none. If the feed could not begin at the version that it was to,
-- what has changed since is not known, and the whole state is to be sent.
local function next_commit(self)
  local value, version, missed = self.feed:next(0)
  if not value then
    if missed ~= "timeout" then trouble.raise(missed, "%s", version) end
    return nil
  end
  local time = self.feed:time()
  if not self.is_sure and time == 0 then
    self:begin_afresh()
    return nil
  end
  self.is_sure, self.told = true, version
  return { version = version, time = nanoseconds(time), patch = self.feed:patch() }
end

-- Takes commits until there are enough for a call.
local function take(self)
  local bytes = 0
  while #self.queue < MOST_COMMITS and bytes < MOST_BYTES do
    local commit = next_commit(self)
    if not commit then return end
    self.queue[#self.queue + 1] = commit
    bytes = bytes + #commit.patch
  end
end

-- To the server ----------------------------------------------------------------------------------

-- Raises a failure unless the server has done what it was asked to.
local function expect_done(answer)
  if answer == "lost" then trouble.raise("lost", "the lease has ended") end
  if answer ~= "ok" and answer ~= "again" then
    trouble.raise("behind", "the server has another state than it had")
  end
end

-- Begins a feed. Returns the whole state with which it begins, its version and its time.
local function take_state(self)
  local at = self.handle:version()
  self.feed = self.handle:feed(at)
  local value, version = self.handle:versioned_snapshot()
  local time = self.handle:info().last_commit or 0
  if version ~= at then -- commits came meanwhile: begin with one of them
    value, version = self.feed:next(0)
    time = self.feed:time()
  end
  return ipmmap.bytes(value), version, time
end

local function send_state(self, lease)
  self:close()
  local bytes, version, time = take_state(self)
  expect_done(self.link:call("commit_fresh", lease, {
    version = version, time = nanoseconds(time), state = bytes, schema = tostring(self.S),
    feed = self.handle:info().feed,
  }, self.keep))
  self.stored, self.told, self.is_sure = { epoch = lease.epoch, version = version }, version, true
  self.bytes = self.bytes + #bytes
end

-- The beginning of the queue that is sent in one call, and its bytes: one commit that is large, or
-- all before such a one.
local function first_part(queue)
  local part, bytes = { queue[1] }, #queue[1].patch
  for i = 2, #queue do
    if bytes + #queue[i].patch > MOST_BYTES then break end
    part[i], bytes = queue[i], bytes + #queue[i].patch
  end
  return part, bytes
end

local function send_queue(self, lease)
  local part, bytes = first_part(self.queue)
  local last = part[#part]
  self.in_doubt = {
    position = { epoch = lease.epoch, version = last.version }, count = #part,
  }
  local answer, at
  if bytes > MOST_BYTES then
    answer, at = self.link:call("commit_large", lease, self.stored, last, self.S.size, self.keep)
  else
    answer, at = self.link:call("commit", lease, self.stored, part)
  end
  if answer == "behind" and not at then -- what the server has is damaged
    self:begin_afresh()
    return
  end
  expect_done(answer)
  settle(self)
  self.bytes = self.bytes + bytes
end

--- Publishes what there is, in one call, or in several if it is large.
-- @param lease { token, epoch }
-- @return whether there was anything
function Publisher:step(lease)
  if not self.stored then
    send_state(self, lease)
    return true
  end
  if #self.queue == 0 then take(self) end
  if not self.stored then return true end -- the feed could not tell what has changed
  if #self.queue == 0 and self.stored.epoch ~= lease.epoch then
    -- What a home says first in its epoch, though nothing has changed.
    self.queue[1] = { version = self.told, time = nanoseconds(0), patch = "" }
  end
  if #self.queue == 0 then return false end
  send_queue(self, lease)
  return true
end

return publisher

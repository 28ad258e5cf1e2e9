--- The home of a segment: publishes its commits, keeps its lease, and serves edits from elsewhere.
local cqueues = require "cqueues"
local hold = require "ipmmap_share.hold"
local ipmmap = require "ipmmap"
local trouble = require "ipmmap_share.trouble"

local home = {}

local RENEW <const>, LIVE <const> = 1 / 3, 0.8 -- parts of the lease's time
local LOOK <const> = 1 -- seconds between two looks at the segment, though no commit was notified
local LOOK_OFTEN <const> = 0.02 -- the same if the system notifies of no commit
local PAST <const> = 1e-8 -- seconds after the boot: a deadline that has passed
local LAST_WORDS <const> = 5 -- seconds to publish what is left, at the end

-- The lease --------------------------------------------------------------------------------------

-- Moves the deadline, until which editors here may commit: it is before the end of the lease, which
-- begins when the server gets the call, and so after `sent`.
local function extend(member, sent)
  local lease = member.lease
  lease.deadline, lease.renew_at = sent + LIVE * member.ttl, sent + RENEW * member.ttl
  local share = member.handle:share()
  if share.place == "home" and share.epoch == lease.epoch and share.token == lease.token then
    share.deadline = lease.deadline
    member.handle:set_share(share)
  end
end

--- A lease that was granted.
-- @param sent when it was asked for, by ipmmap.boottime()
function home.lease(member, token, epoch, sent)
  member.lease, member.has_lost = { token = token, epoch = epoch }, false
  extend(member, sent)
end

--- Renews the lease if it is time to; not after `leave`.
-- @return true. If the lease has ended, the failure `lost` is raised
function home.keep(member)
  if ipmmap.boottime() >= member.lease.renew_at and not member.lease.is_over then
    home.renew(member)
  end
  return true
end

--- Renews the lease.
-- @return true. If the lease has ended, the failure `lost` is raised
function home.renew(member)
  local sent = ipmmap.boottime()
  if not member.link:call("renew", member.lease, member.ttl) then
    trouble.raise("lost", "the lease has ended")
  end
  member:worked()
  extend(member, sent)
  return true
end

--- Ends editing here, with the lease still held: moves the deadline to the past, and waits for an
-- editor that is in its commit.
-- @param[opt] meanwhile as for `hold`
-- @return true; or nil if `meanwhile` has ended the wait
function home.freeze(handle, meanwhile)
  local share = handle:share()
  if share.deadline then -- it is of this boot; otherwise nobody may commit anyhow
    share.deadline = PAST
    handle:set_share(share)
  end
  return hold(handle, function() return true end, meanwhile)
end

--- Makes this machine the home, by the lease that it has: its editors may commit from then on.
function home.settle(member)
  local handle = member.handle
  local was, version = handle:share(), handle:version()
  hold(handle, function()
    local now = handle:share()
    if now.place ~= was.place or now.epoch ~= was.epoch
       or now.place == "replica" and handle:version() ~= version then
      trouble.raise("moved", "another process has changed the segment")
    end
    handle:set_share {
      place = "home", epoch = member.lease.epoch, token = member.lease.token,
      deadline = member.lease.deadline,
    }
    return true
  end, member.go_on)
end

-- The work ---------------------------------------------------------------------------------------

local function tell(member)
  local version = member.handle:version()
  local stored = member.publisher.stored
  member.voice:tell {
    role = "home", epoch = member.lease.epoch, version = version, home = member.machine,
    home_version = version, lag = stored and math.max(0, version - stored.version) or version,
    bytes_out = member.bytes_out + member.publisher.bytes,
  }
end

-- Sleeps until a commit, a wake-up, or the next thing to do.
local function wait(member)
  local left = member.lease.renew_at - ipmmap.boottime()
  local most = math.max(0, math.min(left, member.descriptor and LOOK or LOOK_OFTEN))
  if member.descriptor then
    cqueues.poll(member.bell, member.descriptor, most)
  else
    cqueues.poll(member.bell, most)
  end
end

-- Publishes and renews, until the member is stopping or something fails.
local function work(member)
  while not member.is_stopping do
    home.keep(member)
    if member.descriptor then member.handle:drain() end
    if member.is_refused then tell(member) end -- how many commits wait
    if member.publisher:step(member.lease) then
      member.bell:signal() -- for the edits that wait for this
      member.is_refused = false
      member:worked()
      tell(member)
    else
      tell(member)
      wait(member)
    end
  end
end

--- Is the home, until the member is stopping. Everything else that ends it is raised.
function home.serve(member)
  member:listen()
  member.edits:start(member:new_link())
  local results = table.pack(pcall(work, member))
  member.edits:stop()
  if not results[1] then error(results[2], 0) end
end

-- Makes a home whose commits are all published a replica, which then follows others without a join.
local function retire(member, meanwhile)
  local handle, published = member.handle, member.publisher
  return hold(handle, function()
    local version = handle:version()
    if published:covers(version) then
      local stored = published.stored
      handle:set_share {
        place = "replica", epoch = stored.epoch, ahead = version - stored.version,
      }
    end
    return true
  end, meanwhile)
end

--- Gives the lease back. A home ends editing before, publishes the rest, and becomes a replica.
-- What cannot be done within a few seconds is left: the lease then ends by itself.
function home.leave(member)
  local lease, ending = member.lease, cqueues.monotime() + math.min(LAST_WORDS, member.ttl)
  local function is_late() return cqueues.monotime() > ending end
  lease.is_over = true -- from now on it is not renewed
  local share = member.handle:share()
  if share.place == "home" then
    if not home.freeze(member.handle, is_late) then return end
    if share.epoch == lease.epoch then
      while member.publisher:step(lease) do
        if is_late() then return end
      end
      if not retire(member, is_late) then return end
    end
  end
  member.lease = nil
  member.link:call("release", lease)
end

return home

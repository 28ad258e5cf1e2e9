--- A replica follows its home.
local cqueues = require "cqueues"
local home = require "ipmmap_share.home"
local ipmmap = require "ipmmap"
local position = require "ipmmap_share.position"
local replica = require "ipmmap_share.replica"

local BLOCK <const> = 10 -- seconds of a wait for commits, at most

local function tell(member, at, meta)
  local lag, age = 0, 0
  if meta and position.compare(meta, at) > 0 then
    lag = meta.epoch == at.epoch and meta.version - at.version or 1
    age = math.max(0, ipmmap.now() - meta.time / 1e9)
  end
  member.voice:tell {
    role = "replica", epoch = at.epoch, version = member.handle:version(),
    home_version = meta and meta.version or at.version, lag = lag, lag_seconds = age,
    bytes_in = member.bytes_in,
  }
end

-- Takes commits over. Returns false if one does not follow.
local function take(member, entries)
  for _, entry in ipairs(entries) do
    if not replica.take(member.handle, entry, member.go_on) then return false end
    member.bytes_in = member.bytes_in + #entry.patch
  end
  return true
end

-- Asks who the home is, once for each epoch.
local function tell_home(member, epoch)
  local holder = member.home_epoch ~= epoch and member.link:call("holder")
  if holder then
    member.home_epoch = epoch
    member.voice:tell { home = holder.machine }
  end
end

-- The log has no more, and the server has what the replica has, or less.
local function look_around(member, at, meta)
  if not meta or position.compare(meta, at) < 0 then
    member.voice:tell { role = "waiting", connected = true }
    member.voice:once("the server has %s, and this replica has %s: waiting for a home",
      meta and position.show(meta) or "nothing", position.show(at))
  else
    member:worked()
    tell(member, at, meta)
  end
  tell_home(member, at.epoch)
end

-- How long to wait for commits. It is random, so that followers do not all ask at once.
local function wait_time(member)
  return member.is_standby and member.ttl / 10 or BLOCK * (0.75 + math.random() / 4)
end

--- Follows, until the replica must join anew, or may become the home, or the member is stopping.
-- @return the next state
return function(member)
  local handle = member.handle
  local seconds = 0 -- to wait for the next commit
  local looked, is_behind = -math.huge, false -- whether the server has more than the log told
  while not member.is_stopping do
    handle:drain() -- raises `replaced` if the file is no longer there
    local share = handle:share()
    if share.epoch == 0 then return "join" end
    if member.lease then home.keep(member) end
    local at = position.of(share, handle:version())
    local entries = member:wait_for("entries", at, seconds)
    seconds = member.lease and 0 or wait_time(member)
    if #entries > 0 then
      if not take(member, entries) then return "join" end
      member:worked()
      tell(member, entries[#entries])
      tell_home(member, entries[#entries].epoch)
      looked, is_behind, member.has_followed = -math.huge, false, true
    elseif cqueues.monotime() - looked >= member.ttl then
      local meta = member.link:call("meta")
      if meta and position.compare(meta, at) > 0 then
        if is_behind then return "join" end
        seconds, is_behind = 0, true
      else
        looked, is_behind, member.has_followed = cqueues.monotime(), false, true
        if member.lease then return "settle" end
        look_around(member, at, meta)
      end
    end
    if not is_behind and #entries == 0 and member.is_standby
       and ipmmap.boottime() >= member.claim_at then
      return "claim"
    end
  end
end

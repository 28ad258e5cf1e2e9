--- A replica follows its home.
local home = require "ipmmap_share.home"
local ipmmap = require "ipmmap"
local position = require "ipmmap_share.position"
local replica = require "ipmmap_share.replica"

local BLOCK <const> = 2 -- seconds of a wait for commits
local FULL <const> = 100 -- so many commits at once mean that there are more

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
    if not replica.take(member.handle, entry) then return false end
    member.bytes_in = member.bytes_in + #entry.patch
  end
  return true
end

local function wait_time(member)
  if member.lease then return 0 end
  return member.is_standby and member.ttl / 10 or BLOCK
end

-- There was no commit, and `meta` is not after the replica's position. Returns the next state; nil to
-- go on.
local function look_around(member, at, meta)
  if member.lease then return "settle" end
  if not meta or position.compare(meta, at) < 0 then
    member.voice:tell { role = "waiting" }
    member.voice:once("the server has %s, and this replica has %s: waiting for a home",
      meta and position.show(meta) or "nothing", position.show(at))
  else
    member.voice:fine()
    tell(member, at, meta)
  end
  if member.home_epoch ~= at.epoch then
    local holder = member.link:call("holder")
    if holder then
      member.home_epoch = at.epoch
      member.voice:tell { home = holder.machine }
    end
  end
  if member.is_standby and ipmmap.boottime() >= member.claim_at then return "claim" end
end

--- Follows, until the replica must join anew, or may become the home, or the member is stopping.
-- @return the next state
return function(member)
  local handle, is_behind = member.handle, false -- whether the server has more than the log told
  while not member.is_stopping do
    local share = handle:share()
    if share.epoch == 0 then return "join" end
    if member.lease then home.keep(member) end
    local at = position.of(share, handle:version())
    local entries = member:wait_for("entries", at, is_behind and 0 or wait_time(member))
    member.link:worked()
    if #entries > 0 then
      is_behind = false
      if not take(member, entries) then return "join" end
      member.voice:fine()
      if member.voice:is_due() then
        tell(member, entries[#entries], #entries >= FULL and member.link:call("meta") or nil)
      end
    else
      local meta = member.link:call("meta")
      local is_after = meta and position.compare(meta, at) > 0
      if is_after and is_behind then return "join" end
      is_behind = is_after
      local next_state = not is_after and look_around(member, at, meta)
      if next_state then return next_state end
    end
  end
end

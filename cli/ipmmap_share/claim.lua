--- How a machine becomes the home of a segment: it asks for the lease, and then compares what it
-- has with what is stored.
local home = require "ipmmap_share.home"
local ipmmap = require "ipmmap"
local position = require "ipmmap_share.position"
local publisher = require "ipmmap_share.publisher"
local trouble = require "ipmmap_share.trouble"

local claim = {}

local function new_token()
  local token = math.random(0) -- 64 random bits
  return token ~= 0 and token or new_token()
end

local function refuse(format, ...) trouble.raise("refused", format, ...) end

-- A segment that was never shared does not replace what is stored.
local function refuse_stranger(member, meta)
  refuse("the server has a segment of that name already, with %s; --force replaces it by %s",
    position.show(meta), member.handle:info().path)
end

-- The lease is another's.
local function wait_for(member, share, holder)
  if share.place == "home" then
    -- The lease alone takes nothing away: the server may have lost its last seconds. But who has
    -- published since is the home.
    local meta = member.link:call("meta")
    local here = position.of(share, member.handle:version())
    if meta and position.compare(meta, here) > 0 then return "resign" end
  elseif share.place == "replica" and member.is_standby then
    member.claim_at = ipmmap.boottime() + math.min(holder.seconds, member.ttl / 10)
    return "follow"
  elseif holder.machine ~= member.machine then
    refuse("its home is %s", holder.machine)
  end
  member.voice:tell { role = "waiting", home = holder.machine, connected = true }
  member.voice:once("the lease is that of %s; waiting", holder.machine)
  member:rest(math.min(holder.seconds, member.ttl / 4))
  return "claim"
end

-- The server has restarted, and may have forgotten a lease that is in use.
local function wait_in_grace(member, share, seconds)
  if share.place == "replica" and member.is_standby then
    member.claim_at = ipmmap.boottime() + seconds
    return "follow"
  end
  member.voice:tell { role = "waiting", connected = true }
  member.voice:once("the server has restarted: waiting until no lease from before can be in use")
  member:rest(math.min(seconds, member.ttl / 4))
  return "claim"
end

--- Asks for the lease, or renews it if the connection was lost.
function claim.ask(member)
  if member.lease then
    home.renew(member)
    return "settle"
  end
  -- A server that restarts ends its connections. So one that gets this request has not restarted
  -- since the deadline was looked at.
  member.link:connect()
  local share, sent = member.handle:share(), ipmmap.boottime()
  if share.place == "unshared" and not member.is_forced then
    local meta = member.link:call("meta")
    if meta then refuse_stranger(member, meta) end
  end
  -- The file's own lease may go on only while it is certainly this machine's. Once it was lost, its
  -- token is that of another process, which has a copy of the file, or of none.
  local lives = share.place == "home" and (share.deadline or 0) > sent
  local token = lives and not member.has_lost and share.token or new_token()
  local word, detail = member.link:call("acquire", {
    token = token, machine = member.machine, ttl = member.ttl, min_epoch = share.epoch,
    claim = lives and "held" or share.place == "home" and "last" or nil,
  })
  if word == "held" then return wait_for(member, share, detail) end
  if word == "grace" then return wait_in_grace(member, share, detail) end
  home.lease(member, token, detail, sent)
  return "settle"
end

-- What is here, compared with what the server has: -1, 0, 1; nil if it has nothing, or what it has
-- does not count.
local function compare(member, share, version, meta)
  if not meta or member.is_forced then
    if share.place == "replica" and share.epoch == 0 and not member.is_forced then
      refuse("the server has nothing, and this replica was not whole yet; --force publishes it as "
        .. "it is")
    end
    return nil
  end
  if share.place == "unshared" then refuse_stranger(member, meta) end
  return position.compare(position.of(share, version), meta)
end

--- Becomes the home with the lease that was granted, unless the server has a later state.
function claim.settle(member)
  home.keep(member)
  local meta = member.link:call("meta")
  local share, version = member.handle:share(), member.handle:version()
  local order = compare(member, share, version, meta)
  if order == -1 then return share.place == "home" and "resign" or "follow" end
  member.publisher = member.publisher or publisher.new(member.handle, member.S, member.link,
    function() return home.keep(member) end)
  -- What follows the stored state is sent; otherwise the whole state.
  if not order then
    member.publisher:begin_afresh()
  elseif not member.publisher:resume(meta) then
    local follows = order == 0 or share.place == "home" and share.epoch == meta.epoch
    if follows and member.link:call("schema") == tostring(member.S) then
      member.publisher:begin(meta, order == 0 and version or meta.version + share.ahead)
    else
      member.publisher:begin_afresh()
    end
  end
  home.settle(member)
  member.is_forced = false
  member:worked()
  if not member.is_refused then member.voice:say("%s is the home", member.machine) end
  return "home"
end

return claim

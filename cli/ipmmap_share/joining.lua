--- A replica reads the whole state, because it has none yet, or because the log does not lead from
-- its own state to that of its home.
local file = require "ipmmap_share.file"
local join = require "ipmmap_share.join"
local position = require "ipmmap_share.position"
local trouble = require "ipmmap_share.trouble"

local BLOCK <const> = 10 -- seconds of a wait for a home's first commit, at most
local SHORT <const>, LONG <const> = 0.05, 2 -- seconds between two attempts

-- Fetches the state. Nil if there is none, or if the member is stopping.
local function fetch(member)
  local pause = SHORT
  while not member.is_stopping do
    local fetched, message = join.fetch(member.link, member.go_on)
    if fetched ~= nil then return fetched or nil end
    -- Soon after a large commit that is no failure.
    if pause == LONG then member.voice:report { message = message } end
    member:rest(pause)
    member.go_on()
    pause = math.min(2 * pause, LONG)
  end
end

-- The struct of a schema in the server, and the options that open its segment here.
local function describe(member, schema)
  local S, tag = join.describe(schema, member.name)
  return S, {
    mmap_dir = member.dir, tag = tag,
    lock_dir = member.options.lock_dir, trust = member.options.trust,
  }
end

-- Opens the segment by the server's schema, so that another layout is found before the state is
-- fetched: the failure `layout` names the first difference.
local function prepare(member)
  local schema = member.handle and member.link:call("schema")
  if not schema or schema == tostring(member.S) then return end
  local S, options = describe(member, schema)
  member:take_handle(file.open_as(S, options), S)
end

local function install(member, fetched)
  local S, options = describe(member, fetched.schema)
  if member.handle then
    join.value(S, fetched.bytes) -- raises if it is malformed
  else
    member:take_handle(trouble.check(join.create(S, fetched, options)), S)
  end
  join.install(member.handle, fetched, member.go_on)
end

--- Reads the state and stores it.
-- @return the next state of the member
return function(member)
  member.voice:tell { role = "joining" }
  prepare(member)
  local fetched = fetch(member)
  if not fetched then
    if member.lease then return "settle" end
    member.voice:tell { role = "waiting", connected = true }
    member.voice:once("the server has nothing of that name yet: waiting for a home")
    member:wait_for("entries", { epoch = 0, version = 0 }, BLOCK)
    member:rest(SHORT)
    return "join"
  end
  if member.handle and fetched.schema ~= tostring(member.S) then return "join" end
  install(member, fetched)
  member.joins, member.bytes_in = member.joins + 1, member.bytes_in + #fetched.bytes
  member.voice:tell { joins = member.joins, bytes_in = member.bytes_in }
  member:worked()
  member.voice:say("joined at %s", position.show(fetched))
  return member.lease and "settle" or "follow"
end

--- Segments in a real Redis server, for the specs of shared segments.
local store = require "ipmmap_share.store"

local share = {}

local DEADLINE = 30 -- seconds

local count = 0

--- A name that no other test has.
function share.name()
  count = count + 1
  return ("Game_%d"):format(count)
end

--- A new connection to a server, for a segment.
-- @param server of spec.helper.redis_server
-- @tparam[opt] string name as `<Struct>_<tag>`; nil: a new one
-- @tparam[opt] string user of an ACL, without a password
-- @treturn Store with the `name`
function share.open(server, name, user)
  local address = setmetatable({ user = user }, { __index = server.address })
  local opened = assert(store.open(address, name or share.name(), DEADLINE))
  opened.name = opened.prefix:match("{(.-)}")
  return opened
end

--- The lease, taken whatever the server was before.
-- @tparam Store opened
-- @tparam[opt] integer token
-- @tparam[opt] number ttl seconds
-- @treturn table
function share.lease(opened, token, ttl)
  local word, epoch = opened:acquire {
    token = token or 7, machine = "here", ttl = ttl or DEADLINE, min_epoch = 0, claim = "held",
  }
  assert(word == "granted", word)
  return { token = token or 7, epoch = epoch }
end

--- Takes the lease of a new segment, and makes its first commit.
-- @treturn table the lease
function share.found(opened, state, version)
  local lease = share.lease(opened)
  local fresh = { version = version or 1, time = 1000, state = state, schema = "struct", feed = 0 }
  assert(opened:commit_fresh(lease, fresh) == "ok")
  return lease
end

-- What a key has, as one text. The order of a hash's fields, also in its dump, means nothing.
local function contents(connection, key)
  if assert(connection:call("TYPE", key)) ~= "hash" then
    return ("%q"):format(assert(connection:call("DUMP", key)))
  end
  local list, fields = assert(connection:call("HGETALL", key)), {}
  for i = 1, #list, 2 do fields[#fields + 1] = ("%q = %q"):format(list[i], list[i + 1]) end
  table.sort(fields)
  return table.concat(fields, ", ")
end

--- All that a server has of a segment, as one text.
function share.dump(opened)
  local keys = assert(opened.connection:call("KEYS", opened.prefix .. "*"))
  table.sort(keys)
  local parts = {}
  for i, key in ipairs(keys) do
    parts[i] = ("%q: %s"):format(key, contents(opened.connection, key))
  end
  return table.concat(parts, "\n")
end

--- The state that a server has.
function share.state(opened)
  return assert(opened.connection:call("GET", opened.keys.state))
end

--- Returns when that many seconds have passed in the server.
function share.wait(opened, seconds)
  local key = opened.prefix .. "nothing"
  assert(opened.connection:block(seconds, "XREAD", "BLOCK", math.ceil(seconds * 1000) + 1,
                                 "STREAMS", key, "0") == false)
end

return share

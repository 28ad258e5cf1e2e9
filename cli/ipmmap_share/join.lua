--- Fetches the whole state of a segment while its home goes on, and makes it that of the replica.
local ipmmap = require "ipmmap"
local patch = require "ipmmap_share.patch"
local position = require "ipmmap_share.position"
local replica = require "ipmmap_share.replica"
local segment = require "ipmmap_cli.segment"
local trouble = require "ipmmap_share.trouble"

local join = {}

local LARGEST_RING <const> = 1 << 30 -- bytes; a larger one is not made here

-- Applies the entries of the log after a position to the pieces, up to another position at least.
-- Returns the last entry; or nil if the log does not have them all.
local function catch_up(link, pieces, size, from, to)
  local last = from
  while position.compare(last, to) < 0 do
    local entries = link:call("entries", last, 0)
    if #entries == 0 then return nil end
    for _, entry in ipairs(entries) do
      if not entry.patch or not position.equal(entry.before, last) then return nil end
      trouble.check_remote(patch.apply(pieces, size, entry.patch))
      last = entry
    end
  end
  return last
end

--- Fetches the state, once.
-- @param link the connection to the server
-- @param between called after each piece of the state
-- @return { schema, feed, bytes, epoch, version, time }; false if there is none; nil and a message
-- if the parts do not belong together, as the state was replaced, or the log trimmed, meanwhile
function join.fetch(link, between)
  local schema, start = link:call("schema"), link:call("meta")
  if not start or not schema then return false end
  local pieces = {}
  local is_whole = link:call("state", start.size, function(piece)
    pieces[#pieces + 1] = piece
    between()
  end)
  local ending = link:call("meta")
  if not is_whole or not ending or ending.size ~= start.size then
    return nil, ("the server's state has not the %d bytes that it is to have"):format(start.size)
  end
  local last = catch_up(link, pieces, start.size, start, ending)
  if not last then return nil, "the server's log does not lead on from its state" end
  if link:call("schema") ~= schema then return nil, "the server's schema changes" end
  return {
    schema = schema, feed = start.feed, bytes = table.concat(pieces),
    epoch = last.epoch, version = last.version, time = last.time,
  }
end

--- The struct of a schema in the server, and the tag, if a segment of that name can have it.
function join.describe(schema, name)
  local S, message = ipmmap.parse(schema)
  if not S then trouble.raise_remote("corrupt", "the schema in the server: %s", message) end
  local tag = name:sub(1, #S.name + 1) == S.name .. "_" and name:sub(#S.name + 2)
  if not tag or not segment.is_tag(tag) then
    trouble.raise_remote("corrupt", "the schema in the server is of a %s, and so not of %s",
      S.name, name)
  end
  return S, tag
end

--- A value of the struct with the bytes.
function join.value(S, bytes)
  if #bytes ~= S.size then
    trouble.raise_remote("corrupt", "the server has a %s of %d bytes, and %d bytes of its state",
      S.name, S.size, #bytes)
  end
  local value = S:new()
  local ok, message = pcall(ipmmap.setbytes, value, bytes)
  if not ok then trouble.raise_remote("corrupt", "the state in the server: %s", message) end
  return value
end

--- Makes a segment that is a replica and has the state.
-- @param options of the manager: `mmap_dir`, `tag` and so on
-- @return its handle; or nil, message, code
function join.create(S, fetched, options)
  local value = join.value(S, fetched.bytes)
  options = setmetatable({
    create = true, shares = true, mode = "640", feed = math.min(fetched.feed, LARGEST_RING),
    -- A home in C may have values beyond their limits. They are stored by `install`.
    init = ipmmap.check(value) and value or nil,
  }, { __index = options })
  return ipmmap.manager(S, options)
end

--- Makes the state that of the replica, in one commit.
-- @param meanwhile as for `replica.move`
function join.install(handle, fetched, meanwhile)
  local share = handle:share()
  local value, version = handle:versioned_snapshot()
  local change = patch.diff(ipmmap.bytes(value), fetched.bytes)
  replica.move(handle, share, version, change, fetched, meanwhile)
end

return join

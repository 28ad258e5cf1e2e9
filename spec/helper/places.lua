--- For specs of segments on several machines: a struct with lists, optional fields and texts, its
-- patches, and how its segments get their place.
local ipmmap = require "ipmmap"

local places = {}

--- Lua source that defines the struct, and `open(role, dir)`.
places.DEFINE = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("SharePoint", { { "x", "double" }, { "y", "double" } })
  ipmmap.base:extend("ShareSpec", {
    { "n", "int64" }, { "name", "char[16]" }, { "flag", "bool" }, { "wide", "char16[8]" },
    { "maybe", "int32?" }, { "list", "SharePoint[<=8]" }, { "some", "SharePoint?" },
    { "level", "int32", min = 0, max = 10 }, { "many", "int32[200]" },
  })
  local function open(role, dir) return assert(ipmmap[role]("ShareSpec", { mmap_dir = dir })) end
]]

local S = ipmmap.lookup "ShareSpec" or load(places.DEFINE .. ' return ipmmap.lookup "ShareSpec"')()
places.struct = S

places.HOUR = 3600
places.PAST = 1 -- a deadline that has passed: a second after the machine was started

--- An unsigned integer of so many bytes, little-endian.
function places.unsigned(value, size)
  local bytes = {}
  for i = 1, size do
    bytes[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

--- A patch of one run.
function places.run(offset, bytes)
  return places.unsigned(offset, 8) .. places.unsigned(#bytes, 4) .. bytes
end

--- A patch that stores bytes at the beginning of a field.
function places.store(path, bytes)
  return places.run(S:offsetof(path), bytes)
end

--- A patch that stores a number in the field `n`.
function places.n_of(value)
  return places.store("n", places.unsigned(value, 8))
end

--- What makes a segment a home, for an hour from now or until a deadline.
function places.home(epoch, deadline)
  deadline = deadline or ipmmap.boottime() + places.HOUR
  return { place = "home", epoch = epoch, token = 7, deadline = deadline }
end

--- Gives a segment its place, in the handle's lock.
function places.set(sharer, share)
  sharer:with(function() sharer:set_share(share) end)
end

return places

--- What a recording keeps of each commit: the runs of bytes that changed, { offset, bytes }, sorted
-- by offset.
local log = require "ipmmap_cli.log"
local new_leaves = require "ipmmap_cli.leaves"
local new_tracker = require "ipmmap_cli.tracker"
local new_tidy = require "ipmmap_cli.tidy"
local parts = require "ipmmap_cli.parts"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

-- How string.pack writes scalars, except texts and bools.
local FORMATS <const> = {
  int8 = "i1", int16 = "i2", int32 = "i4", int64 = "i8", uint8 = "I1", uint16 = "I2",
  uint32 = "I4", uint64 = "i8", float = "f", double = "d",
}

-- The canonical bytes of a scalar.
local function bytes_of(type, data)
  if type.kind == "char" then return data .. ("\0"):rep(type.size - #data) end
  if type.kind == "bool" then return data and "\1" or "\0" end
  return string.pack(FORMATS[type.kind], value.number(type, data))
end

-- The runs of scalars, which an iterator of offset, type and data returns in the order of memory.
-- Scalars that follow each other without a gap are one run.
local function runs_of(next_scalar)
  local runs, texts, start, ending = {}, {}, 0, 0
  local function flush()
    if #texts > 0 then runs[#runs + 1] = { start, table.concat(texts) } end
  end
  for offset, type, data in next_scalar do
    if offset ~= ending then
      flush()
      texts, start = {}, offset
    end
    texts[#texts + 1] = bytes_of(type, data)
    ending = offset + type.size
  end
  flush()
  return runs
end

-- Whether the type has parts whose bytes do not follow from the scalars alone.
local function needs_bytes(type)
  if types.is_wrapper(type) or type.kind == "char16" or type.kind == "char32" then return true end
  for _, field in ipairs(type.fields or {}) do
    if needs_bytes(field.type) then return true end
  end
  return type.element ~= nil and needs_bytes(type.element)
end

-- Where the chosen parts are, sorted, as { first, ending }; and of the lists and optional parts on
-- the way to them, the number of elements, or whether it holds something.
local function places_of(S, chosen)
  local places, known = {}, {}
  local function add(at, size)
    if known[at] == size then return end
    known[at] = size
    places[#places + 1] = { at, at + size }
  end
  for _, part in ipairs(chosen) do
    local type, at = types.of(S), 0
    for _, key in ipairs(part.keys) do
      if types.is_wrapper(type) then add(at, type.kind == "list" and 4 or 1) end
      type, at = parts.step(type, at, key)
    end
    add(at, part.type.size)
  end
  table.sort(places, function(a, b) return a[1] < b[1] end)
  return places
end

-- The bytes at the places; all others are zero. If there are none, all bytes.
local function only(places, bytes)
  if #places == 0 then return bytes end
  local texts, at = {}, 0
  for _, place in ipairs(places) do
    local first, ending = math.max(place[1], at), place[2]
    if ending > first then
      texts[#texts + 1] = ("\0"):rep(first - at) .. bytes:sub(first + 1, ending)
      at = ending
    end
  end
  return table.concat(texts) .. ("\0"):rep(#bytes - at)
end

-- For a recording of a struct whose bytes do not follow from the scalars alone. It costs the whole
-- struct.
local function of_bytes(S, paths, first)
  local places, before, tidy = places_of(S, parts.of(S, paths)), ("\0"):rep(S.size), new_tidy(S)
  local function runs(whole)
    local bytes = only(places, tidy(whole))
    local difference = log.difference(before, bytes)
    before = bytes
    return (#paths == 0 or #difference > 0) and difference or nil
  end
  return runs(first) or {}, runs
end

-- For a recording of everything.
local function of_changes(S, feed, first)
  local leaf_at = new_leaves(S)
  local bytes = new_tidy(S)(first)
  return log.difference(("\0"):rep(#bytes), bytes), function()
    local next_change = feed:changes()
    return runs_of(function()
      local path, data = next_change()
      if not path then return nil end
      local leaf = leaf_at(path)
      return leaf.offset, leaf.type, data
    end)
  end
end

-- For a recording of some parts.
local function of_parts(S, paths, first)
  local tracker, leaf_at = new_tracker(S, paths), new_leaves(S)
  local function runs(whole)
    local changed, at = tracker:changed(whole), 0
    if #changed == 0 then return nil end
    for _, change in ipairs(changed) do change.offset = leaf_at(change.path).offset end
    table.sort(changed, function(a, b) return a.offset < b.offset end)
    return runs_of(function()
      at = at + 1
      local change = changed[at]
      if change then return change.offset, change.type, change.data end
    end)
  end
  return runs(first), runs
end

--- @param paths the parts to record; none: everything
-- @param feed whose present commit is recorded
-- @param first the state at the start
-- @return the runs that lead to the first state from zeros
-- @return a function of a state that returns the runs since the state before; nil if the commit
-- left all parts as they were
return function(S, paths, feed, first)
  if needs_bytes(types.of(S)) then return of_bytes(S, paths, first) end
  if #paths > 0 then return of_parts(S, paths, first) end
  return of_changes(S, feed, first)
end

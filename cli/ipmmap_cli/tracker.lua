--- Tells which of some scalars changed from one state of a struct to the next. Costs those scalars,
-- however large the struct is.
local parts = require "ipmmap_cli.parts"

-- The structs and arrays that the scalars are directly in, one for each scalar.
local function containers(scalars, whole)
  local list, known = {}, {}
  for i, scalar in ipairs(scalars) do
    local name = scalar.path:match("^(.*)[.%[]") or ""
    known[name] = known[name] or parts.read(whole, scalar.keys, #scalar.keys - 1)
    list[i] = known[name]
  end
  return list
end

-- Whether two scalars have the same bytes; all NaN are taken for the same.
local function is_same(a, b)
  if a == b then return a ~= 0 or 1 / a == 1 / b end -- 0.0 and -0.0
  return a ~= a and b ~= b
end

--- @param scalars what parts.scalars returns
-- @return a function of a state, whose calls return the list of { path, type, data, number } of
-- those that changed since the call before, in order; the first call returns all. `number` is the
-- scalar's in the list
return function(scalars)
  local seen, bound, within = {}, nil, nil
  return function(whole)
    if whole ~= bound then bound, within = whole, containers(scalars, whole) end
    local changed = {}
    for i, scalar in ipairs(scalars) do
      local keys = scalar.keys
      local data = within[i][keys[#keys]]
      if not is_same(data, seen[i]) then
        seen[i] = data
        changed[#changed + 1] = { path = scalar.path, type = scalar.type, data = data, number = i }
      end
    end
    return changed
  end
end

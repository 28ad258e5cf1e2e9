--- Tells which of some scalars changed from one state of a struct to the next. Costs those scalars,
-- however large the struct is.
local parts = require "ipmmap_cli.parts"
local types = require "ipmmap_cli.types"

local ABSENT <const> = {} -- the value of a scalar that is not there

-- The structs and arrays that the scalars are directly in, one for each scalar.
local function containers(scalars, whole)
  local list, known = {}, {}
  for i, scalar in ipairs(scalars) do
    local name = scalar.path:match("^(.*)[.%[]") or ""
    if known[name] == nil then
      known[name] = parts.read(whole, scalar.keys, #scalar.keys - 1)
      if known[name] == nil then known[name] = ABSENT end
    end
    list[i] = known[name]
  end
  return list
end

-- Whether two scalars have the same bytes; all NaN are taken for the same.
local function is_same(a, b)
  if a == b then return a ~= 0 or 1 / a == 1 / b end -- 0.0 and -0.0
  return a ~= a and b ~= b
end

local Tracker = {}
Tracker.__index = Tracker

-- Finds the scalars again after elements or optional parts came or went.
function Tracker:reshape(whole)
  local known = {}
  for i, scalar in ipairs(self.scalars) do known[scalar.path] = self.seen[i] end
  self.scalars = parts.scalars(self.S, self.paths, whole)
  for i, scalar in ipairs(self.scalars) do self.seen[i] = known[scalar.path] end
  self.bound = nil
end

-- A function of a scalar's number that returns its value.
function Tracker:reader(whole)
  if self.is_fixed and types.is_dynamic(types.of(self.S)) then
    return function(i) return parts.scalar(whole, self.scalars[i]) end
  end
  if whole ~= self.bound then
    self.bound, self.within = whole, containers(self.scalars, whole)
  end
  return function(i) return parts.scalar_in(self.within[i], self.scalars[i]) end
end

--- The list of { path, type, unit, data, number } of the scalars that changed since the call
-- before, in order; the first call returns all. `number` is the scalar's in `scalars`, which is
-- another list after elements of lists or optional parts came or went.
function Tracker:changed(whole)
  local shape = not self.is_fixed and parts.shape(types.of(self.S), whole)
  if shape ~= self.shape then
    self:reshape(whole)
    self.shape = shape
  end
  local changed, read = {}, self:reader(whole)
  for i, scalar in ipairs(self.scalars) do
    local data = read(i)
    local now = data == nil and ABSENT or data
    if not is_same(now, self.seen[i]) then
      self.seen[i] = now
      changed[#changed + 1] = {
        path = scalar.path, type = scalar.type, unit = scalar.unit, data = data, number = i,
      }
    end
  end
  return changed
end

--- @param paths what to track, as for parts.scalars
-- @param scalars if given, these are tracked, also those that are not there
return function(S, paths, scalars)
  return setmetatable({
    S = S, paths = paths, scalars = scalars or {}, seen = {}, is_fixed = scalars ~= nil,
    shape = scalars and false,
  }, Tracker)
end

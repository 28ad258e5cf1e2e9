-- Why a value is no value of a scalar's type. The texts are those of src/lua/scalar.c.
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local scalar = require "ipmmap.jit.scalar"
local wide = require "ipmmap.jit.wide"

local refusal = {}

local kinds, floor = scalar.kinds, math.floor

local function show(limit)
  return (tostring(limit):gsub("U?LL$", ""))
end

--- The range of a type of numbers as messages show it.
function refusal.range(type_)
  if type_.kind == "float" then
    return "-3.40282347e+38 to 3.40282347e+38"
  elseif type_.kind == "double" then
    return "-1.7976931348623157e+308 to 1.7976931348623157e+308"
  end
  local kind = kinds[type_.kind]
  return ("%s to %s"):format(show(kind.min), show(kind.max))
end

-- Infinity counts as whole, NaN does not.
local function is_whole(x)
  return type(x) == "number" and (x == math.huge or x == -math.huge or floor(x) == x)
end

local function has_expected_type(kind, x)
  if kind.min then
    return is_whole(x) or scalar.is_wide(x)
  elseif kind.is_real then
    return type(x) == "number" or scalar.is_wide(x)
  end
  return type(x) == (kind.c == "char" and "string" or "boolean")
end

local function expectation(type_, kind)
  return scalar.is_named(type_) and "a name or an integer" or kind.min and "an integer"
    or kind.is_real and "a number" or kind.c == "char" and "a string" or "a boolean"
end

-- Why a number is not within limits, as the library says it: "1.5 is above the limit of 1".
local function of_limits(type_, stored)
  local bytes = ffi.new "uint64_t[1]"
  kinds[type_.kind].stores(bytes, type_.size, stored)
  C.ipm_type_check(type_.pointer, bytes, errors.buffer)
  return errors.message():sub(#type_.name + #": " + 1)
end

-- Why a name is no name of an enumeration's number.
local function complain_name(memory, type_, offset, x)
  local names = {}
  for i, constant in ipairs(type_.names.list) do
    names[i] = constant.name
  end
  errors.complain(memory, type_, offset, "%s is not a name of %s (%s)", errors.shown(x), type_.name,
    table.concat(names, ", "))
end

local function complain_text(memory, type_, offset, x)
  local shown, unit = errors.shown(x), kinds[type_.kind].unit
  local bytes = unit and wide.encode(x, unit) or x
  if unit and not wide.encode(x, unit) then
    errors.complain(memory, type_, offset, "%s is not UTF-8", shown)
  elseif #bytes > type_.size then
    errors.complain(memory, type_, offset, "%s has %d %s, %s holds %d", shown, #bytes / (unit or 1),
      unit and "units" or "bytes", type_.name, type_.size / (unit or 1))
  end
  errors.complain(memory, type_, offset, "%s has a NUL in it, which would end %s", shown,
    type_.name)
end

--- Raise an error that says why `convert` refused a value for a part of a memory.
function refusal.complain(memory, type_, offset, x)
  local kind = kinds[type_.kind]
  local shown = errors.shown(x)
  if scalar.is_named(type_) and type(x) == "string" then
    complain_name(memory, type_, offset, x)
  elseif not has_expected_type(kind, x) then
    errors.complain(memory, type_, offset, "%s is not %s (%s)", shown, expectation(type_, kind),
      type_.name)
  elseif kind.c == "char" then
    complain_text(memory, type_, offset, x)
  end
  local fits, stored = scalar.convert_kind(type_, x)
  if fits then
    errors.complain(memory, type_, offset, "%s", of_limits(type_, stored))
  end
  errors.complain(memory, type_, offset, "%s is out of range for %s (%s)", shown, type_.name,
    refusal.range(type_))
end

--- Raise an error about a sum that `sums.add` refused.
function refusal.complain_sum(memory, type_, offset, old, n, sum)
  if sum ~= nil then
    errors.complain(memory, type_, offset, "%s", of_limits(type_, sum))
  end
  errors.complain(memory, type_, offset, "%s + %s is out of range for %s (%s)", errors.shown(old),
    errors.shown(n), type_.name, refusal.range(type_))
end

return refusal

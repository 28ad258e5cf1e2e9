-- Sums of a scalar and a number.
local ffi = require "ffi"
local scalar = require "ipmmap.jit.scalar"

local sums = {}

local kinds = scalar.kinds

local function is_finite(x)
  return x - x == 0
end

-- The sum as a 64-bit integer, or nil: it is out of the range of 64 bits, or the number is.
local function add_wide(kind, old, n)
  if type(n) == "number" and (n < -0x1p63 or n >= (kind.c == "uint64_t" and 0x1p64 or 0x1p63)) then
    return nil
  end
  local is_negative = n < 0
  if kind.c == "uint64_t" then
    n = is_negative and ffi.cast("int64_t", n) or n -- a negative double has no uint64_t
    old, n = ffi.cast("uint64_t", old), ffi.cast("uint64_t", n)
  else
    old, n = ffi.cast("int64_t", old), ffi.cast("int64_t", n)
  end
  local sum = old + n
  if is_negative and sum > old or not is_negative and sum < old then
    return nil
  end
  return sum
end

--- The same as `add`, but limits do not count.
function sums.unlimited(type_, old, n)
  local kind = kinds[type_.kind]
  if kind.is_real then
    n = tonumber(n)
    local sum = old + n
    local fits, stored = scalar.convert_kind(type_, sum)
    return fits and (is_finite(sum) or not is_finite(old) or not is_finite(n)) and stored or nil
  end
  if ffi.istype("uint64_t", n) and n > 0x7fffffffffffffffULL and kind.c ~= "uint64_t" then
    return nil
  end
  local sum = add_wide(kind, old, n)
  if sum == nil then
    return nil
  end
  local fits, stored = scalar.convert_wide(kind, sum)
  return fits and stored or nil
end

--- The sum of a scalar and a number, to be stored, or nil: it is out of range. `n` is what
-- `is_number` allows. The sum of finite numbers must be finite.
function sums.add(type_, old, n)
  local sum = sums.unlimited(type_, old, n)
  if sum ~= nil and type_.limits and not scalar.is_within(type_, sum) then
    return nil
  end
  return sum
end

return sums

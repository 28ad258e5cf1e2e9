--- Writes floating-point numbers as the shortest decimal that a field stores as the same number:
-- 0.8 for a float that holds 0.800000011920929. A few powers of two get one digit more: 2^-97 is
-- the float nearest to a decimal of eight digits that is not the nearest one to it.
local decimal = {}

-- Decimals of so few digits are all different numbers, unless the number is subnormal. So the
-- shortest one has at most so many digits, or is found by adding digits.
local DOUBLE <const> = { sure = 15, most = 17, normal = 0x1p-1022 }
local FLOAT <const> = { sure = 6, most = 9, normal = 0x1p-126 }

local function as_double(number) return number end

local function as_float(number)
  return (string.unpack("f", string.pack("f", number)))
end

local function shortest(number, form, store)
  if number ~= number then return "nan" end
  if number == math.huge then return "inf" end
  if number == -math.huge then return "-inf" end
  local written
  for digits = math.abs(number) < form.normal and 1 or form.sure, form.most do
    written = ("%%.%dg"):format(digits):format(number)
    if store(tonumber(written)) == number then break end
  end
  return written:find("[.e]") and written or written .. ".0"
end

--- The text of a double. It has a "." or an exponent, or it is nan, inf or -inf.
function decimal.double(number) return shortest(number, DOUBLE, as_double) end

--- The text of a float, in the same form.
function decimal.float(number) return shortest(number, FLOAT, as_float) end

return decimal

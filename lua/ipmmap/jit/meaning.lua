-- What attributes say about the numbers of a type: the names of an enumeration or of flags, and the
-- limits. Numbers are as scalar.lua reads them.
local ffi = require "ffi"

local meaning = {}

--- A 64-bit integer as a number, if every number of its size is one.
function meaning.from_int64(value)
  if value >= -0x20000000000000LL and value <= 0x20000000000000LL then
    return tonumber(value)
  end
  return value
end

function meaning.from_uint64(value)
  if value <= 0x20000000000000ULL then
    return tonumber(value)
  end
  return value
end

-- The member of an ipm_number that has the number of a kind.
local function number_of(kind, number)
  if kind == "float" or kind == "double" then
    return number.f
  elseif kind:find "^u" then
    return meaning.from_uint64(number.u)
  end
  return meaning.from_int64(number.i)
end

-- A 64-bit integer outside of 2^53 as the key of a table: cdata is no key.
local function key_of(number)
  return type(number) == "cdata" and tostring(number) or number
end

--- The names of a type's numbers, or nil: { is_flags, list, numbers, names }. The list has
-- { name, number }, in the order of declaration.
function meaning.names(kind, pointer)
  local given = pointer.names
  if given == nil then
    return nil
  end
  local made = { is_flags = given.is_flags, list = {}, numbers = {}, names = {} }
  for i = 1, tonumber(given.count) do
    local constant = given.constants[i - 1]
    local name, number = ffi.string(constant.name), number_of(kind, constant.number)
    made.list[i] = { name = name, number = number }
    made.numbers[name] = number
    made.names[key_of(number)] = made.names[key_of(number)] or name
  end
  return made
end

--- The name of an enumeration's number, or the number.
function meaning.name_of(names, number)
  return names[number] or type(number) == "cdata" and names[tostring(number)] or number
end

--- The limits of a type's numbers, or nil: { min, max }, of which one may be nil.
function meaning.limits(kind, pointer)
  local given = pointer.limits
  if given == nil then
    return nil
  end
  return {
    min = given.has_min and number_of(kind, given.min) or nil,
    max = given.has_max and number_of(kind, given.max) or nil,
  }
end

local function exact(number)
  return type(number) == "number" and ("%.17g"):format(number) or tostring(number)
end

--- A text that tells types of one kind of numbers apart by their meaning.
function meaning.text(names, limits)
  local texts = { names and (names.is_flags and "flags" or "enum") or nil }
  for _, constant in ipairs(names and names.list or {}) do
    texts[#texts + 1] = ("%s=%s"):format(constant.name, exact(constant.number))
  end
  if limits then
    texts[#texts + 1] = ("(%s,%s)"):format(exact(limits.min), exact(limits.max))
  end
  return table.concat(texts, ";")
end

-- Text ------------------------------------------------------------------------------------------

local function is_integral(number, is_unsigned)
  return number >= -0x1p63 and number < (is_unsigned and 0x1p64 or 0x1p63) and number % 1 == 0
    and (number ~= 0 or 1 / number > 0)
end

local function integer_text(number, is_unsigned)
  if is_unsigned then
    number = type(number) == "number" and number < 0 and ffi.cast("int64_t", number) or number
    number = ffi.cast("uint64_t", number)
  elseif type(number) == "number" then
    return ("%.0f"):format(number)
  end
  return (tostring(number):gsub("U?LL$", ""))
end

--- The decimal text of a number, as schema text has it; nil for another value. See
-- src/lua/literal.c.
function meaning.number_text(value, is_unsigned)
  if type(value) == "cdata" and (ffi.istype("int64_t", value) or ffi.istype("uint64_t", value)) then
    return integer_text(value, is_unsigned or ffi.istype("uint64_t", value))
  elseif type(value) ~= "number" then
    return nil
  elseif value ~= value or value - value ~= 0 then
    return value ~= value and "nan" or value > 0 and "inf" or "-inf"
  elseif is_integral(value, is_unsigned) then
    return integer_text(value, is_unsigned)
  end
  for digits = 15, 17 do
    local text = ("%%.%dg"):format(digits):format(value)
    if tonumber(text) == value then
      return text
    end
  end
end

return meaning

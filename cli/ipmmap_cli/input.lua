--- Reads values from a command line, as text or as JSON, and converts each to the type of the field
-- that it will be assigned to.
local failure = require "ipmmap_cli.failure"
local json = require "ipmmap_cli.json"
local value = require "ipmmap_cli.value"

local input = {}

local EXACT <const> = 2.0 ^ 53 -- below this a double holds every integer exactly

-- The integer in a text, read as Lua reads it; nil if Lua would wrap it around or round it.
local function read_integer(text)
  local number = tonumber(text)
  if math.type(number) == "float" and math.abs(number) >= EXACT then return nil end
  local digits = text:match("^[-+]?0[xX]0*(%x*)$")
  if digits and (#digits > 16 or #digits == 16 and math.tointeger("0x" .. digits) < 0) then
    return nil
  end
  return number and math.tointeger(number)
end

-- The unsigned 64-bit integer in a text, as the Lua integer with the same bits; nil if there is
-- none.
local function read_unsigned(text)
  local number = read_integer(text)
  if number then return number >= 0 and number or nil end
  local digits = text:match("^0[xX]0*(%x*)$")
  if digits then return #digits == 16 and tonumber(text) or nil end
  if not text:find("^%d+$") then return nil end
  number = 0
  for digit in text:gmatch("%d") do
    local next = number * 10 + tonumber(digit)
    if math.ult(0x1999999999999999, number) or math.ult(next, number * 10) then return nil end
    number = next
  end
  return number
end

local SPECIAL <const> = {
  nan = 0 / 0, ["+nan"] = 0 / 0, ["-nan"] = 0 / 0, inf = math.huge, ["+inf"] = math.huge,
  ["-inf"] = -math.huge, infinity = math.huge, ["+infinity"] = math.huge,
  ["-infinity"] = -math.huge,
}

-- The number in a text. It is infinite only if the text says so; a number that is too large gives
-- nil.
local function read_number(text)
  local number = SPECIAL[text:lower()] or tonumber(text)
  if not SPECIAL[text:lower()] and number and math.abs(number) == math.huge then return nil end
  return number
end

local BOOLEANS <const> = { ["true"] = true, ["false"] = false }

local readers = {
  char = function(text) return text end,
  bool = function(text) return BOOLEANS[text] end,
  uint64 = read_unsigned,
  float = read_number,
  double = read_number,
}

local EXPECTED <const> = {
  bool = "true or false", uint64 = "an integer from 0 to 18446744073709551615",
  float = "a number that it can hold, nan, inf or -inf",
  double = "a number that it can hold, nan, inf or -inf", char = "a JSON string",
  struct = 'a JSON object, such as {"x": 1}', array = "a JSON array, such as [1, 2]",
}

local function refuse(S, path, type, text)
  failure.raise("usage", "%s.%s is %s: '%s' is not %s", S.name, path, type.name, text,
    EXPECTED[type.kind] or "an integer of 64 bits")
end

-- The kinds of JSON values that each kind of type accepts. float and double accept strings for
-- "nan", "inf" and the like.
local JSON_KINDS <const> = {
  bool = { boolean = true }, char = { string = true }, struct = { object = true },
  array = { array = true }, float = { number = true, string = true },
  double = { number = true, string = true },
}
local INTEGER <const> = { number = true }

-- Converts a value read from JSON to the Lua value to assign.
local function from_json(S, path, type, data)
  local kind = json.kind(data)
  if not (JSON_KINDS[type.kind] or INTEGER)[kind] then
    refuse(S, path, type, json.encode(data))
  elseif kind == "object" then
    local struct = {}
    for _, pair in ipairs(data) do
      local name, part = pair[1], pair[2]
      local field = value.field(type, name)
      if not field then failure.raise("usage", "%s.%s: no field '%s'", S.name, path, name) end
      struct[name] = from_json(S, path .. "." .. name, field.type, part)
    end
    return struct
  elseif kind == "array" then
    local list = {}
    for i, element in ipairs(data) do
      list[i] = from_json(S, ("%s[%d]"):format(path, i), type.element, element)
    end
    return list
  elseif type.kind == "char" or kind == "boolean" then
    return data
  end
  local text = kind == "number" and data.text or data
  local read = readers[type.kind] or read_integer
  local number = read(text)
  if number == nil or kind == "string" and not SPECIAL[text:lower()] then
    refuse(S, path, type, json.encode(data))
  end
  return number
end

local function decode(text, what)
  local data, problem = json.decode(text)
  if data == nil then failure.raise("usage", "%s is not JSON: %s", what, problem) end
  return data
end

--- Converts JSON text to the value to assign to the part of the struct at a path. Ends the command
-- if the text does not fit the part's type.
function input.read_json(S, path, text)
  local type = value.type_at(S, path)
  return from_json(S, path, type, decode(text, ("the value of %s.%s"):format(S.name, path)))
end

--- The same for an argument of the command line: JSON if the part is a struct or an array, else the
-- plain value.
function input.read(S, path, text)
  local type = value.type_at(S, path)
  if not value.is_scalar(type) then return input.read_json(S, path, text) end
  local read = readers[type.kind] or read_integer
  local data = read(text)
  if data == nil then refuse(S, path, type, text) end
  return data
end

--- Reads the number that an argument adds to the number at a path (sign "+"), or subtracts from it
-- ("-"). Ends the command if there is no number at the path, or the text is none.
-- @return the number to add
function input.read_addend(S, path, sign, text)
  local type = value.type_at(S, path)
  if not value.is_number(type) then
    failure.raise("usage", "%s.%s is %s: '%s=' is for numbers only", S.name, path, type.name, sign)
  end
  local is_float = type.kind == "float" or type.kind == "double"
  local number = (is_float and read_number or read_integer)(text)
  if number == nil or sign == "-" and number == math.mininteger then
    refuse(S, path, is_float and type or { name = type.name }, text)
  end
  return sign == "-" and -number or number
end

--- Converts a JSON object as `show` prints it to a list of { path, data }, one for each field of
-- the struct. The header is left out, because only the segment's manager sets it.
function input.read_struct(S, text)
  local object, list = decode(text, "the value of " .. S.name), {}
  if json.kind(object) ~= "object" then
    failure.raise("usage", "the value of %s is not a JSON object, such as {\"x\": 1}", S.name)
  end
  for _, pair in ipairs(object) do
    local name = pair[1]
    local field = value.field(S:type(), name)
    if not field then failure.raise("usage", "%s: no field '%s'", S.name, name) end
    if name ~= "header" then
      list[#list + 1] = { path = name, data = from_json(S, name, field.type, pair[2]) }
    end
  end
  return list
end

return input

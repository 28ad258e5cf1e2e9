--- Reads values from a command line, as text or as JSON, and converts each to the type of the field
-- that it will be assigned to.
local failure = require "ipmmap_cli.failure"
local json = require "ipmmap_cli.json"
local types = require "ipmmap_cli.types"
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

local function as_it_is(text) return text end

local readers = {
  char = as_it_is, char16 = as_it_is, char32 = as_it_is,
  bool = function(text) return BOOLEANS[text] end,
  uint64 = read_unsigned,
  float = read_number,
  double = read_number,
}

local EXPECTED <const> = {
  bool = "true or false", uint64 = "an integer from 0 to 18446744073709551615",
  float = "a number that it can hold, nan, inf or -inf",
  double = "a number that it can hold, nan, inf or -inf", char = "a JSON string",
  char16 = "a JSON string", char32 = "a JSON string",
  struct = 'a JSON object, such as {"x": 1}', array = "a JSON array, such as [1, 2]",
  list = "a JSON array, such as [1, 2]",
  addend = "an integer from -9223372036854775807 to 9223372036854775807",
}

local function names_of(type)
  return (type.flags and "of the names %s, joined by '|'," or "one of the names %s"):format(
    table.concat(types.names(type.names), ", "))
end

local function refuse(S, path, type, text)
  local expected = "not " .. (EXPECTED[type.kind] or "an integer of 64 bits")
  if type.names then
    expected = ("neither %s nor %s"):format(names_of(type), EXPECTED[type.kind] or "a number")
  end
  failure.raise("usage", "%s.%s is %s: '%s' is %s", S.name, path, type.name, text, expected)
end

-- The number of flags in a text such as "read|write" or "0x10".
local function read_flags(type, text)
  local bits, read = 0, readers[type.kind] or read_integer
  for name in (text .. "|"):gmatch("%s*(.-)%s*|") do
    local number = value.constant(type, name) or read(name)
    if not number then return nil end
    bits = bits | number
  end
  return bits
end

-- The value of a scalar type in a text, or nil.
local function read_scalar(type, text)
  if type.names and type.flags then return read_flags(type, text) end
  if type.names and value.constant(type, text) then return text end
  return (readers[type.kind] or read_integer)(text)
end

-- The kinds of JSON values that each kind of type accepts. float and double accept strings for
-- "nan", "inf" and the like; enumerations and flags accept strings for their names.
local JSON_KINDS <const> = {
  bool = { boolean = true }, char = { string = true }, char16 = { string = true },
  char32 = { string = true }, struct = { object = true, array = true }, array = { array = true },
  list = { array = true }, float = { number = true, string = true },
  double = { number = true, string = true },
}
local INTEGER <const>, NAMED <const> = { number = true }, { number = true, string = true }

-- The type of all fields of a struct; nil if they have several.
local function common_type(struct)
  local type = struct.fields[1] and struct.fields[1].type
  for _, field in ipairs(struct.fields) do
    if field.type.name ~= type.name then return nil end
  end
  return type
end

-- The type of the elements of a JSON array for a type: also that of the fields of a struct, if
-- all have the same, and that of the scalars of an array of arrays, which may be given in a row.
local function element_of(type, data)
  if type.kind == "struct" then return common_type(type) end
  local element = type.element
  while element.kind == "array" and #data > 0 and json.kind(data[1]) ~= "array" do
    element = element.element
  end
  return element
end

local from_json

local function read_fields(S, path, type, object, cleared)
  local struct = {}
  for _, pair in ipairs(object) do
    local name, part = pair[1], pair[2]
    local field = value.field(type, name)
    if not field then failure.raise("usage", "%s.%s: no field '%s'", S.name, path, name) end
    struct[name] = from_json(S, path .. "." .. name, field.type, part, cleared)
  end
  return struct
end

local function read_elements(S, path, type, data, cleared)
  local list, element = {}, element_of(type, data)
  if not element then refuse(S, path, type, json.encode(data)) end
  for i, part in ipairs(data) do
    list[i] = from_json(S, ("%s[%d]"):format(path, i), element, part, cleared)
  end
  return list
end

-- Converts a value read from JSON to the Lua value to assign. A null for an optional field adds the
-- field's path to `cleared`.
function from_json(S, path, type, data, cleared)
  local kind = json.kind(data)
  if type.kind == "optional" then
    if kind == "null" then
      cleared[#cleared + 1] = path
      return nil
    end
    type = type.element
  end
  local accepted = type.names and NAMED or JSON_KINDS[type.kind] or INTEGER
  if not accepted[kind] then
    refuse(S, path, type, json.encode(data))
  elseif kind == "object" then
    return read_fields(S, path, type, data, cleared)
  elseif kind == "array" then
    return read_elements(S, path, type, data, cleared)
  elseif value.is_text(type) or kind == "boolean" then
    return data
  end
  local text = kind == "number" and data.text or data
  local number = read_scalar(type, text)
  if number == nil or kind == "string" and not type.names and not SPECIAL[text:lower()] then
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
-- @return the value, nil for null; and a list of the paths of optional fields that are null
function input.read_json(S, path, text)
  local type, cleared = value.type_at(S, path), {}
  local data = decode(text, ("the value of %s.%s"):format(S.name, path))
  return from_json(S, path, type, data, cleared), cleared
end

--- The same for an argument of the command line: JSON if the part is a struct or an array, else the
-- plain value.
function input.read(S, path, text)
  local type = value.type_at(S, path)
  if type.kind == "optional" then
    if text == "nil" or text == "null" then return nil, { path } end
    type = type.element
  end
  if not value.is_scalar(type) then return input.read_json(S, path, text) end
  local data = read_scalar(type, text)
  if data == nil then refuse(S, path, type, text) end
  return data, {}
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
    refuse(S, path, is_float and type or { name = type.name, kind = "addend" }, text)
  end
  return sign == "-" and -number or number
end

--- Converts a JSON object as `show` prints it to a list of { path, data, cleared }, one for each
-- field of the struct; see read_json. The header is left out, because only the segment's manager
-- sets it.
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
      local cleared = {}
      local data = from_json(S, name, field.type, pair[2], cleared)
      list[#list + 1] = { path = name, data = data, cleared = cleared }
    end
  end
  return list
end

return input

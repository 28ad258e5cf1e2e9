--- Values as text: written for people and for JSON, and read from a command line.
local failure = require "ipmmap_cli.failure"
local json = require "dkjson"
local output = require "ipmmap_cli.output"

local value = {}

-- The shortest of three texts that reads back as the same number.
local function shortest(number, formats, same)
  if number ~= number then return "nan" end
  if number == math.huge then return "inf" end
  if number == -math.huge then return "-inf" end
  local text
  for _, format in ipairs(formats) do
    text = format:format(number)
    if same(tonumber(text), number) then break end
  end
  return text:find("[.e]") and text or text .. ".0"
end

-- Bytes that are not UTF-8 have no place on a terminal nor in JSON.
local function utf8_only(text)
  local parts, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    parts[#parts + 1] = text:sub(at, (bad or #text + 1) - 1)
    if not bad then break end
    parts[#parts + 1] = "\u{FFFD}"
    at = bad + 1
  end
  return table.concat(parts)
end

local writers = {
  bool = tostring,
  char = function(text) return json.quotestring(utf8_only(text)) end,
  uint64 = function(number)
    if number >= 0 then return ("%d"):format(number) end
    local tens = (number >> 1) // 5
    return ("%d%d"):format(tens, number - tens * 10)
  end,
  double = function(number)
    return shortest(number, { "%.15g", "%.16g", "%.17g" }, function(a, b) return a == b end)
  end,
  float = function(number)
    return shortest(number, { "%.6g", "%.7g", "%.8g", "%.9g" }, function(a, b)
      return string.pack("f", a) == string.pack("f", b)
    end)
  end,
}

local function write_integer(number) return ("%d"):format(number) end

function value.is_scalar(type) return type.kind ~= "struct" and type.kind ~= "array" end

function value.is_number(type)
  return value.is_scalar(type) and type.kind ~= "char" and type.kind ~= "bool"
end

--- A scalar as text; texts are quoted.
function value.write(type, scalar)
  return (writers[type.kind] or write_integer)(scalar)
end

--- A scalar as text; texts are as they are.
function value.plain(type, scalar)
  return type.kind == "char" and scalar or value.write(type, scalar)
end

-- JSON --------------------------------------------------------------------------------------------

local exact = { __tojson = function(self) return self.text end }

--- What dkjson is to encode for a value of a type: numbers to the last digit, fields in order.
function value.for_json(type, data)
  if type.kind == "struct" then
    local fields = {}
    for i, field in ipairs(type.fields) do
      fields[i] = { field.name, value.for_json(field.type, data[field.name]) }
    end
    return output.object(fields)
  elseif type.kind == "array" then
    local list = {}
    for i = 1, type.count do list[i] = value.for_json(type.element, data[i]) end
    return output.array(list)
  elseif type.kind == "bool" then
    return data
  elseif type.kind == "char" then
    return utf8_only(data)
  elseif data ~= data or data == math.huge or data == -math.huge then
    return json.null
  end
  return setmetatable({ text = value.write(type, data) }, exact)
end

-- Paths -------------------------------------------------------------------------------------------

--- Calls visit(path, type, scalar) for each scalar in a value.
function value.walk(type, data, path, visit)
  if type.kind == "struct" then
    for _, field in ipairs(type.fields) do
      local part = path == "" and field.name or path .. "." .. field.name
      value.walk(field.type, data[field.name], part, visit)
    end
  elseif type.kind == "array" then
    for i = 1, type.count do
      value.walk(type.element, data[i], ("%s[%d]"):format(path, i), visit)
    end
  else
    visit(path, type, data)
  end
end

--- The type of the part at a path; ends the command if there is none.
function value.type_at(S, path)
  failure.of_user(S.offsetof, S, path)
  local type, at = S:type(), 1
  while at <= #path do
    local name, after = path:match("^%.?([%a_][%w_]*)()", at)
    if name then
      for _, field in ipairs(type.fields) do
        if field.name == name then type = field.type break end
      end
    else
      after = path:match("^%[%d+%]()", at)
      type = type.element
    end
    at = after
  end
  return type
end

-- Reading from a command line ---------------------------------------------------------------------

-- A decimal of 64 bits without sign, as the Lua integer of the same bits.
local function read_unsigned(text)
  local number = math.tointeger(tonumber(text))
  if number or not text:find("^%d+$") then return number end
  number = 0
  for digit in text:gmatch("%d") do
    local next = number * 10 + tonumber(digit)
    if math.ult(0x1999999999999999, number) or math.ult(next, number * 10) then return nil end
    number = next
  end
  return number
end

local readers = {
  char = function(text) return text end,
  bool = function(text)
    if text == "true" then return true elseif text == "false" then return false end
  end,
  uint64 = read_unsigned,
  float = function(text)
    local special = { nan = 0 / 0, inf = math.huge, ["-inf"] = -math.huge }
    return special[text] or tonumber(text)
  end,
}
readers.double = readers.float

local function read_json(text)
  local data, _, problem = json.decode(text, 1, json.null)
  return not problem and type(data) == "table" and data or nil
end

local EXPECTED <const> = {
  bool = "true or false", float = "a number", double = "a number",
  struct = 'a JSON object, such as {"x": 1}', array = "a JSON array, such as [1, 2]",
}

--- What to assign for a text from the command line; ends the command if it does not fit.
function value.read(S, path, text)
  local type = value.type_at(S, path)
  local read = value.is_scalar(type) and (readers[type.kind] or function(digits)
    return math.tointeger(tonumber(digits))
  end) or read_json
  local data = read(text)
  if data == nil then
    failure.raise("usage", "%s.%s is %s: '%s' is not %s", S.name, path, type.name, text,
      EXPECTED[type.kind] or "an integer")
  end
  return data
end

return value

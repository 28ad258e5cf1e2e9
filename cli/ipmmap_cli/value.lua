--- Writes values as text, for people and for JSON; and finds the parts of a struct by their paths.
local decimal = require "ipmmap_cli.decimal"
local failure = require "ipmmap_cli.failure"
local json = require "ipmmap_cli.json"
local text = require "ipmmap_cli.text"
local types = require "ipmmap_cli.types"

local value = {}

local function write_unsigned(number)
  if number >= 0 then return ("%d"):format(number) end
  local tens = (number >> 1) // 5
  return ("%d%d"):format(tens, number - tens * 10)
end

local writers = {
  bool = tostring, char = text.quoted, char16 = text.quoted, char32 = text.quoted,
  uint64 = write_unsigned, float = decimal.float, double = decimal.double,
  absent = function() return "nil" end,
}

local function write_integer(number) return ("%d"):format(number) end

-- The names of the bits that are set, joined by "|", and what is left of the number.
local function write_flags(type, number)
  local parts, left = {}, number
  for _, constant in ipairs(type.names) do
    local bits = constant.number
    if bits ~= 0 and number & bits == bits and left & bits ~= 0 then
      parts[#parts + 1], left = constant.name, left & ~bits
    end
  end
  if left ~= 0 or #parts == 0 then
    parts[#parts + 1] = (writers[type.kind] or write_integer)(left)
  end
  return table.concat(parts, "|")
end

local ABSENT <const> = { kind = "absent", name = "nil" }

--- The type of what an optional field holds. The kind is "absent" if it holds nothing, and if the
-- field is in a part that is not there. Any other type is the result itself.
function value.held(type, data)
  if data == nil then return ABSENT end
  return type.kind == "optional" and type.element or type
end

function value.is_scalar(type)
  return not type.element and type.kind ~= "struct"
end

function value.is_text(type) return type.kind:find("^char") ~= nil end

function value.is_number(type)
  return value.is_scalar(type) and type.kind ~= "bool" and type.kind ~= "absent"
    and not value.is_text(type) and not type.names
end

--- The number of elements of an array, or of those in use of a list.
function value.count(type, data)
  return type.kind == "list" and #data or type.count
end

--- A scalar as text for people. A char field's text is quoted, a number of an enumeration is its
-- name, and flags are their names.
-- @param unit appended to the value; may be nil
function value.write(type, scalar, unit)
  type = value.held(type, scalar)
  local written
  if not type.names then
    written = (writers[type.kind] or write_integer)(scalar)
  elseif type.flags then
    written = write_flags(type, scalar)
  else
    written = _G.type(scalar) == "string" and scalar
      or (writers[type.kind] or write_integer)(scalar)
  end
  return unit and type ~= ABSENT and written .. " " .. text.visible(unit) or written
end

--- The number that has a name in an enumeration or in flags, or nil.
function value.constant(type, name)
  for _, constant in ipairs(type.names) do
    if constant.name == name then return constant.number end
  end
end

--- A scalar, but the number instead of an enumeration's name.
function value.number(type, scalar)
  if not type.names or _G.type(scalar) ~= "string" then return scalar end
  return value.constant(type, scalar)
end

-- JSON --------------------------------------------------------------------------------------------

--- Converts a value of a type for JSON. Numbers keep all digits. Those that JSON does not have
-- become the strings "nan", "inf" and "-inf". An enumeration's name is a string, flags are a
-- number, and an optional field that holds nothing is null.
function value.for_json(type, data)
  type = value.held(type, data)
  if type.kind == "struct" then
    local fields = {}
    for i, field in ipairs(type.fields) do
      fields[i] = { field.name, value.for_json(field.type, data[field.name]) }
    end
    return json.object(fields)
  elseif type.element then
    local list = {}
    for i = 1, value.count(type, data) do list[i] = value.for_json(type.element, data[i]) end
    return json.array(list)
  elseif type.kind == "absent" then
    return json.null
  elseif _G.type(data) ~= "number" then
    return data
  elseif data ~= data or data == math.huge or data == -math.huge then
    return value.write(type, data)
  end
  return json.number((writers[type.kind] or write_integer)(data))
end

-- Paths -------------------------------------------------------------------------------------------

--- The struct's field with this name, or nil.
function value.field(struct, name)
  for _, field in ipairs(struct.fields) do
    if field.name == name then return field end
  end
end

--- The fields of a segment's struct with the header at the end, because commits do not change it.
function value.fields_in_order(struct)
  local fields, header = {}, nil
  for _, field in ipairs(struct.fields) do
    if field.name == "header" then header = field else fields[#fields + 1] = field end
  end
  fields[#fields + 1] = header
  return fields
end

--- The type of the part of a type at a path, which leads somewhere, and the part's unit or nil.
function value.part(type, path)
  local at, unit = 1, nil
  while at <= #path do
    if type.kind == "optional" then type = type.element end
    local name, after = path:match("^%.?([%a_][%w_]*)()", at)
    if name then
      local field = value.field(type, name)
      type, unit = field.type, field.unit
    else
      after = path:match("^%[%d+%]()", at)
      type = type.element
    end
    at = after
  end
  return type, unit
end

--- The same for a part of the struct. Ends the command if there is no such part.
function value.type_at(S, path)
  failure.of_user(S.offsetof, S, path)
  return value.part(types.of(S), path)
end

return value

--- Writes values as text, for people and for JSON; and finds the parts of a struct by their paths.
local decimal = require "ipmmap_cli.decimal"
local failure = require "ipmmap_cli.failure"
local json = require "ipmmap_cli.json"
local text = require "ipmmap_cli.text"

local value = {}

local writers = {
  bool = tostring,
  char = text.quoted,
  uint64 = function(number)
    if number >= 0 then return ("%d"):format(number) end
    local tens = (number >> 1) // 5
    return ("%d%d"):format(tens, number - tens * 10)
  end,
  double = decimal.double,
  float = decimal.float,
}

local function write_integer(number) return ("%d"):format(number) end

function value.is_scalar(type) return type.kind ~= "struct" and type.kind ~= "array" end

function value.is_number(type)
  return value.is_scalar(type) and type.kind ~= "char" and type.kind ~= "bool"
end

--- A scalar as text for people. A char field's text is quoted.
function value.write(type, scalar)
  return (writers[type.kind] or write_integer)(scalar)
end

-- JSON --------------------------------------------------------------------------------------------

--- Converts a value of a type for JSON. Numbers keep all digits. Those that JSON does not have
-- become the strings "nan", "inf" and "-inf".
function value.for_json(type, data)
  if type.kind == "struct" then
    local fields = {}
    for i, field in ipairs(type.fields) do
      fields[i] = { field.name, value.for_json(field.type, data[field.name]) }
    end
    return json.object(fields)
  elseif type.kind == "array" then
    local list = {}
    for i = 1, type.count do list[i] = value.for_json(type.element, data[i]) end
    return json.array(list)
  elseif type.kind == "bool" or type.kind == "char" then
    return data
  elseif data ~= data or data == math.huge or data == -math.huge then
    return value.write(type, data)
  end
  return json.number(value.write(type, data))
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

--- Whether the scalar at a path is in one of the chosen parts. If none is chosen, all are.
function value.is_chosen(path, chosen)
  if #chosen == 0 then return true end
  for _, wanted in ipairs(chosen) do
    local rest = path:sub(#wanted + 1)
    if path:sub(1, #wanted) == wanted and (rest == "" or rest:find("^[.%[]")) then return true end
  end
  return false
end

--- The type of the part of a type at a path, which leads somewhere.
function value.part(type, path)
  local at = 1
  while at <= #path do
    local name, after = path:match("^%.?([%a_][%w_]*)()", at)
    if name then
      type = value.field(type, name).type
    else
      after = path:match("^%[%d+%]()", at)
      type = type.element
    end
    at = after
  end
  return type
end

--- The type of the part of the struct at a path. Ends the command if there is no such part.
function value.type_at(S, path)
  failure.of_user(S.offsetof, S, path)
  return value.part(S:type(), path)
end

return value

--- The attributes of fields: defaults, limits, units and docs.
local text = require "ipmmap_cli.text"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local attributes = {}

-- The text of a default: of one value, or of a list of them.
local function write_default(type, default)
  if _G.type(default) ~= "table" then return value.write(type, default) end
  local parts = {}
  for i, element in ipairs(default) do parts[i] = value.write(type, element) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

--- The attributes of a field, in the order of the schema text: a list of { name, text, value }. The
-- text is for people; strings are quoted.
function attributes.of(field)
  local list, type = {}, types.innermost(field.type)
  local function add(name, data, write)
    if data ~= nil then list[#list + 1] = { name = name, text = write(data), value = data } end
  end
  local function write_number(number) return value.write(type, number) end
  add("default", field.default, function(default) return write_default(type, default) end)
  add("min", type.min, write_number)
  add("max", type.max, write_number)
  add("unit", field.unit, text.quoted)
  add("doc", field.doc, text.quoted)
  return list
end

--- The attributes of a field as in schema text, such as 'min 0, unit "dB"'. Empty if it has none.
function attributes.text(field)
  local parts = {}
  for i, attribute in ipairs(attributes.of(field)) do
    parts[i] = attribute.name .. " " .. attribute.text
  end
  return table.concat(parts, ", ")
end

return attributes

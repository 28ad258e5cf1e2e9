--- ipmmap schema: prints the layout, as a table or as source text.
local attributes = require "ipmmap_cli.attributes"
local failure = require "ipmmap_cli.failure"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local LANGUAGES <const> = { "lua", "c", "ffi", "python", "luals" }
local TEXT <const> = { kind = "char" }

local function add_rows(rows, struct, prefix, base)
  for _, field in ipairs(struct.fields) do
    local path = prefix .. field.name
    rows[#rows + 1] = {
      tostring(base + field.offset), tostring(field.type.size), field.type.name, path,
      attributes.text(field),
    }
    local type, suffix, offset = field.type, "", base + field.offset
    while type.element do
      if type.kind ~= "optional" then suffix = suffix .. "[1]" end
      type, offset = type.element, offset + (type.inner or 0)
    end
    if type.kind == "struct" then add_rows(rows, type, path .. suffix .. ".", offset) end
  end
end

-- The headings and rows, without the column of attributes if no field has any.
local function table_of(S)
  local headings, rows = { "OFFSET>", "SIZE>", "TYPE", "PATH" }, {}
  add_rows(rows, S:type(), "", 0)
  for _, row in ipairs(rows) do
    if row[5] ~= "" then headings[5] = "ATTRIBUTES" end
  end
  if not headings[5] then
    for _, row in ipairs(rows) do row[5] = nil end
  end
  return headings, rows
end

-- The constants of an enumeration, as in schema text.
local function constants(enum)
  local parts = {}
  for i, constant in ipairs(enum.names) do
    parts[i] = ("%s = %s"):format(constant.name,
      value.write({ kind = enum.kind }, constant.number))
  end
  return table.concat(parts, ", ")
end

local function print_table(S)
  output.print("%s", output.paint("bold", ("%s, %d bytes, aligned to %d"):format(S.name, S.size,
    S.align)))
  output.columns(table_of(S))
  for _, enum in ipairs(types.enums(S:type())) do
    output.print("%s %s: %s { %s }", enum.flags and "flags" or "enum", enum.name, enum.kind,
      constants(enum))
  end
end

-- The value of an attribute, whose type is the innermost one of the field.
local function attribute_json(type, data)
  if _G.type(data) ~= "table" then return value.for_json(type, data) end
  local list = {}
  for i, element in ipairs(data) do list[i] = value.for_json(type, element) end
  return output.array(list)
end

local function field_json(field, base, fields)
  local innermost = types.innermost(field.type)
  local object = {
    { "name", field.name }, { "type", field.type.name }, { "offset", base + field.offset },
    { "size", field.type.size },
  }
  for _, attribute in ipairs(attributes.of(field)) do
    local type = (attribute.name == "unit" or attribute.name == "doc") and TEXT or innermost
    object[#object + 1] = { attribute.name, attribute_json(type, attribute.value) }
  end
  object[#object + 1] = { "element_offset", field.type.inner }
  object[#object + 1] = { "pack", innermost.pack }
  object[#object + 1] = { "fields", fields }
  return output.object(object)
end

local function for_json(struct, base)
  local list = {}
  for i, field in ipairs(struct.fields) do
    local innermost = types.innermost(field.type)
    list[i] = field_json(field, base, innermost.kind == "struct" and for_json(innermost, 0) or nil)
  end
  return output.array(list)
end

local function enums_json(S)
  local list = {}
  for i, enum in ipairs(types.enums(S:type())) do
    local object = {}
    for j, constant in ipairs(enum.names) do
      object[j] = { constant.name, value.for_json({ kind = enum.kind }, constant.number) }
    end
    list[i] = output.object {
      { "name", enum.name }, { "type", enum.kind }, { "flags", enum.flags or false },
      { "constants", output.object(object) },
    }
  end
  return output.array(list)
end

return function(args)
  local S = failure.assert(segment.describe(args.file, args))
  for _, language in ipairs(LANGUAGES) do
    if args[language] then
      return output.write(require("ipmmap_cli.generate_" .. language)(S))
    end
  end
  if args.json then
    return output.json(output.object {
      { "name", S.name }, { "size", S.size }, { "align", S.align },
      { "fields", for_json(S:type(), 0) }, { "enums", enums_json(S) }, { "text", tostring(S) },
    })
  end
  print_table(S)
end

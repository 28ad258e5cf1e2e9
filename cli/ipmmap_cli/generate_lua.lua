--- Generates the Lua definition of a layout.
local attributes = require "ipmmap_cli.attributes"
local text = require "ipmmap_cli.text"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local BASE <const> = { MmapStructureHeader = true, BaseMmapStructure = true }
local WIDTH <const> = 100
local SPECIAL <const> = { nan = "0/0", inf = "math.huge", ["-inf"] = "-math.huge" }

-- A value as a literal of Lua. The type is that of a scalar or a text.
local function literal(type, data)
  if _G.type(data) == "table" then
    local parts = {}
    for i, element in ipairs(data) do parts[i] = literal(type, element) end
    return "{ " .. table.concat(parts, ", ") .. " }"
  elseif _G.type(data) == "string" then
    return text.quoted(data)
  elseif data == math.mininteger or type.kind == "uint64" and data < 0 then
    return ("0x%x"):format(data)
  end
  local written = value.write({ kind = type.kind }, data)
  return SPECIAL[written] or written
end

local function opening(struct)
  if not struct.parent then
    return ("ipmmap.struct(%q, {"):format(struct.name)
  elseif struct.parent.name == "BaseMmapStructure" then
    return ("ipmmap.base:extend(%q, {"):format(struct.name)
  end
  return ("ipmmap.lookup(%q):extend(%q, {"):format(struct.parent.name, struct.name)
end

local function add_struct(lines, struct)
  lines[#lines + 1] = ""
  lines[#lines + 1] = opening(struct)
  for _, field in ipairs(types.own_fields(struct)) do
    local parts, type = { ("%q, %q"):format(field.name, field.type.name) },
      types.innermost(field.type)
    for _, attribute in ipairs(attributes.of(field)) do
      parts[#parts + 1] = ("%s = %s"):format(attribute.name, literal(type, attribute.value))
    end
    lines[#lines + 1] = ("  { %s },"):format(table.concat(parts, ", "))
  end
  lines[#lines + 1] = struct.pack and ("}, { pack = %d })"):format(struct.pack) or "})"
end

-- Whether the numbers are those that a list of names gives.
local function is_counted(enum)
  for i, constant in ipairs(enum.names) do
    if constant.number ~= (enum.flags and 1 << (i - 1) or i - 1) then return false end
  end
  return true
end

-- Adds text that opens a list, its entries and its end, on one line if that is short enough.
local function add_list(lines, start, entries, ending)
  local line = ("%s { %s }%s"):format(start, table.concat(entries, ", "), ending)
  if #line <= WIDTH then
    lines[#lines + 1] = line
    return
  end
  lines[#lines + 1] = start .. " {"
  for _, entry in ipairs(entries) do lines[#lines + 1] = "  " .. entry .. "," end
  lines[#lines + 1] = "}" .. ending
end

local function add_enum(lines, enum)
  local has_numbers, entries = not is_counted(enum), {}
  for i, constant in ipairs(enum.names) do
    entries[i] = has_numbers and ('["%s"] = %s'):format(constant.name,
      literal({ kind = enum.kind }, constant.number)) or ("%q"):format(constant.name)
  end
  lines[#lines + 1] = ""
  add_list(lines, ("ipmmap.%s(%q, %q,"):format(enum.flags and "flags" or "enum", enum.name,
    enum.kind), entries, ")")
end

return function(S)
  local lines = { 'local ipmmap = require "ipmmap"' }
  for _, enum in ipairs(types.enums(S:type())) do add_enum(lines, enum) end
  for _, struct in ipairs(types.structs(S:type())) do
    if not BASE[struct.name] then add_struct(lines, struct) end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Generates annotations for the Lua language server from a layout.
local attributes = require "ipmmap_cli.attributes"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local SCALARS <const> = {
  bool = "boolean", float = "number", double = "number", char = "string", char16 = "string",
  char32 = "string",
}

-- Field names that must be quoted after ---@field: Lua's keywords, and the words that the language
-- server reads as the field's visibility.
local QUOTED <const> = types.set [[and break do else elseif end false for function goto if in local
  nil not or repeat return then true until while private protected public package]]

-- Names of the language server's own types.
local TAKEN <const> = types.set [[any boolean fun function integer lightuserdata nil number self
  string table thread true false unknown userdata]]

local function type_name(called, type)
  local suffix = ""
  while type.element do
    suffix = (type.kind == "optional" and "" or "[]") .. suffix
    type = type.element
  end
  return (called[type.name] or SCALARS[type.kind] or "integer") .. suffix
end

-- An enumeration's values are names; a number without a name is itself. Flags are numbers.
local function add_enum(lines, enum, name)
  lines[#lines + 1] = ""
  lines[#lines + 1] = "---@alias " .. name
  for _, constant in ipairs(enum.names) do
    local number = value.write({ kind = enum.kind }, constant.number)
    lines[#lines + 1] = enum.flags and ("---| %s # %s"):format(number, constant.name)
      or ("---| %q # %s"):format(constant.name, number)
  end
  lines[#lines + 1] = "---| integer"
end

local function add_struct(lines, struct, called)
  lines[#lines + 1] = ""
  lines[#lines + 1] = "---@class " .. called[struct.name] ..
    (struct.parent and ": " .. called[struct.parent.name] or "")
  for _, field in ipairs(types.own_fields(struct)) do
    local name = QUOTED[field.name] and ('["%s"]'):format(field.name) or field.name
    local attributed = attributes.text(field)
    lines[#lines + 1] = ("---@field %s%s %s # %s%s"):format(name,
      field.type.kind == "optional" and "?" or "", type_name(called, field.type), field.type.name,
      attributed ~= "" and " (" .. attributed .. ")" or "")
  end
end

return function(S)
  local lines, structs, enums = { "---@meta" }, types.structs(S:type()), types.enums(S:type())
  local all = types.names(structs)
  table.move(types.names(enums), 1, #enums, #all + 1, all)
  local called = types.rename(all, function(name) return TAKEN[name] end)
  for _, enum in ipairs(enums) do add_enum(lines, enum, called[enum.name]) end
  for _, struct in ipairs(structs) do add_struct(lines, struct, called) end
  return table.concat(lines, "\n") .. "\n"
end

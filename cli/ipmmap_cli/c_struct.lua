--- Declares structs in C. A struct's parent becomes its first member, because the struct's
-- own fields start right after the parent's bytes.
local is_reserved = require "ipmmap_cli.reserved_c"
local types = require "ipmmap_cli.types"

local c_struct = {}

local SCALARS <const> = {
  bool = "bool", int8 = "int8_t", uint8 = "uint8_t", int16 = "int16_t", uint16 = "uint16_t",
  int32 = "int32_t", uint32 = "uint32_t", int64 = "int64_t", uint64 = "uint64_t",
  float = "float", double = "double", char = "char",
}

local function declare(called, name, type)
  local element, counts = types.dimensions(type)
  local text = element.kind == "struct" and called[element.name] or SCALARS[element.kind]
  local suffix = ""
  for _, count in ipairs(counts) do suffix = ("%s[%d]"):format(suffix, count) end
  if element.name:find("^char%[") then suffix = ("%s[%d]"):format(suffix, element.size) end
  return ("    %s %s%s;"):format(text, name, suffix)
end

-- A name for the member that holds the parent; no field has this name.
local function parent_name(members)
  local name, used = "parent", {}
  for _, member in pairs(members) do used[member] = true end
  while used[name] do name = name .. "_" end
  return name
end

local function typenames(called)
  local set = {}
  for _, name in pairs(called) do set[name] = true end
  return set
end

--- The identifiers of the structs in a list, by their names.
function c_struct.names(structs)
  return types.rename(types.names(structs), is_reserved)
end

--- The lines of a struct's declaration, and a list of its members: `called` and `offset`. No member
-- gets the name of a type, because C++ forbids that if the struct uses the type.
-- @param called the identifiers of the structs
function c_struct.declare(struct, called)
  local fields, name, members = types.own_fields(struct), called[struct.name], {}
  local lines = { "typedef struct " .. name .. " {" }
  local identifiers = types.rename(types.names(fields), is_reserved, typenames(called))
  if struct.parent then
    local parent = parent_name(identifiers)
    lines[2] = ("    %s %s;"):format(called[struct.parent.name], parent)
    members[1] = { called = parent, offset = 0 }
  end
  for _, field in ipairs(fields) do
    local identifier = identifiers[field.name]
    lines[#lines + 1] = declare(called, identifier, field.type)
    members[#members + 1] = { called = identifier, offset = field.offset }
  end
  lines[#lines + 1] = "} " .. name .. ";"
  return lines, members
end

return c_struct

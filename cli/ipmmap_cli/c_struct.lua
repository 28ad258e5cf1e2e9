--- Declares structs and enumerations in C. A struct's parent becomes its first member, because the
-- struct's own fields start right after the parent's bytes. A list or an optional field is a struct
-- of its own, which is declared before: in a packed struct it keeps its natural alignment.
local attributes = require "ipmmap_cli.attributes"
local is_reserved = require "ipmmap_cli.reserved_c"
local types = require "ipmmap_cli.types"

local c_struct = {}

local SCALARS <const> = {
  bool = "bool", int8 = "int8_t", uint8 = "uint8_t", int16 = "int16_t", uint16 = "uint16_t",
  int32 = "int32_t", uint32 = "uint32_t", int64 = "int64_t", uint64 = "uint64_t",
  float = "float", double = "double", char = "char", char16 = "uint16_t", char32 = "uint32_t",
}

-- The declaration of a member of the type, without the semicolon.
local function declare(names, identifier, type)
  local element, counts = types.dimensions(type)
  local text = names.types[element.name] or SCALARS[element.kind]
  local suffix = ""
  for _, count in ipairs(counts) do suffix = ("%s[%d]"):format(suffix, count) end
  local units = types.units(element)
  if units then suffix = ("%s[%d]"):format(suffix, units) end
  return ("%s %s%s"):format(text, identifier, suffix)
end

-- A name for the member that holds the parent; no field has this name.
local function parent_name(members)
  local name, used = "parent", {}
  for _, member in pairs(members) do used[member] = true end
  while used[name] do name = name .. "_" end
  return name
end

-- The text in a comment at the end of a line, or "".
local function comment(text)
  if text == "" then return "" end
  return (" /* %s */"):format((text:gsub("%*/", "* /"):gsub("/%*", "/ *")))
end

-- The struct that stands for a list or an optional field.
local function declare_wrapper(names, identifier, type)
  local first, second = "uint32_t count", "items"
  if type.kind == "optional" then first, second = "bool present", "value" end
  local called = types.rename({ second }, is_reserved, names.taken)
  return { called = identifier, size = type.size, lines = {
    "typedef struct {",
    ("    %s;"):format(first),
    ("    %s;"):format(declare(names, called[second], types.content(type))),
    ("} %s;"):format(identifier),
  }, members = { { called = called[second], offset = type.inner } } }
end

local function packed(struct, lines)
  if not struct.pack then return lines end
  table.insert(lines, 1, ("#pragma pack(push, %d)"):format(struct.pack))
  lines[#lines + 1] = "#pragma pack(pop)"
  return lines
end

--- The declarations of a struct: those of its lists and optional fields, and then its own. Each is
-- a table: `called`, `size`, `lines`, and `members`, a list of `called` and `offset`. No member
-- gets the name of a type, because C++ forbids that if the struct uses the type.
function c_struct.declare(struct, names)
  local fields, name, members = types.own_fields(struct), names.types[struct.name], {}
  local lines, all = { "typedef struct " .. name .. " {" }, {}
  local identifiers = types.rename(types.names(fields), is_reserved, names.taken)
  if struct.parent then
    local parent = parent_name(identifiers)
    lines[2] = ("    %s %s;"):format(names.types[struct.parent.name], parent)
    members[1] = { called = parent, offset = 0 }
  end
  for _, field in ipairs(fields) do
    local identifier, wrapper = identifiers[field.name], names.wrappers[struct.name][field.name]
    if wrapper then all[#all + 1] = declare_wrapper(names, wrapper, field.type) end
    lines[#lines + 1] = ("    %s;%s"):format(wrapper and wrapper .. " " .. identifier
      or declare(names, identifier, field.type), comment(attributes.text(field)))
    members[#members + 1] = { called = identifier, offset = field.offset }
  end
  lines[#lines + 1] = "} " .. name .. ";"
  all[#all + 1] = {
    called = name, size = struct.size, lines = packed(struct, lines), members = members,
  }
  return all
end

local MIN <const>, MAX <const> = -0x80000000, 0x7fffffff -- what an int holds

--- The lines of an enumeration's declaration: its integer type, and constants. A constant that an
-- int does not hold is declared by declare_big(identifier, type, number).
function c_struct.declare_enum(enum, names, declare_big)
  local name, constants, big = names.types[enum.name], {}, {}
  for _, constant in ipairs(enum.names) do
    local identifier, number = names.constants[enum.name][constant.name], constant.number
    if number >= MIN and number <= MAX then
      constants[#constants + 1] = ("    %s = %d,"):format(identifier, number)
    else
      big[#big + 1] = declare_big(identifier, name, number)
    end
  end
  local lines = { ("typedef %s %s;"):format(SCALARS[enum.kind], name) }
  if #constants > 0 then
    lines[#lines + 1] = "enum {"
    table.move(constants, 1, #constants, #lines + 1, lines)
    lines[#lines + 1] = "};"
  end
  return table.move(big, 1, #big, #lines + 1, lines)
end

return c_struct

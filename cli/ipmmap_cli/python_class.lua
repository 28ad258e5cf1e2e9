--- Generates Python's classes for structs and enumerations, by ctypes and enum.
local attributes = require "ipmmap_cli.attributes"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local python_class = {}

local SCALARS <const> = {
  bool = "bool", int8 = "int8", uint8 = "uint8", int16 = "int16", uint16 = "uint16",
  int32 = "int32", uint32 = "uint32", int64 = "int64", uint64 = "uint64", float = "float",
  double = "double", char = "char", char16 = "uint16", char32 = "uint32",
}

local KEYWORDS <const> = types.set [[False None True and as assert async await break class continue
  def del elif else except finally for from global if import in is lambda nonlocal not or pass raise
  return try while with yield]]

-- Names that the module itself uses.
local USED <const> = types.set [[SCHEMA TimeoutError ValueError bytearray bytes ctypes enum
  enumerate getattr globals len list min mmap open range read struct sys text threading time type
  _List _copy _trailer]]

-- Names of a ctypes structure's attributes, except those that begin and end with an underscore.
local ATTRIBUTES <const> = types.set [[_objects from_address from_buffer from_buffer_copy from_param
  in_dll]]

-- Names of an enumeration's attributes.
local MEMBERS <const> = types.set [[as_integer_ratio bit_count bit_length conjugate denominator
  from_bytes imag is_integer mro name numerator real to_bytes value]]

--- Whether a class cannot have the name.
function python_class.is_reserved(name) return KEYWORDS[name] or USED[name] end

local function is_field_reserved(name)
  return KEYWORDS[name] or ATTRIBUTES[name] or name:find("^_.*_$") ~= nil
end

-- Python keeps _x_ and __x__ in an enumeration for itself, and __x and __x_ are private there.
local function is_member_reserved(name)
  if KEYWORDS[name] or MEMBERS[name] then return true end
  if name:find("__$") then return name:find("^__[^_].*[^_]__$") or name:find("^__[^_]__$") end
  return name:find("^__.") or name:find("^_.+_$")
end

-- A reference to a class from inside another class, where a name like __x would mean another name.
local function refer(identifier)
  if not identifier:find("^__") or identifier:find("__$") then return identifier end
  return ('globals()["%s"]'):format(identifier)
end

local function ctype(called, type)
  local element, counts = types.dimensions(type)
  local text, units = "ctypes.c_" .. (SCALARS[element.kind] or ""), types.units(element)
  if element.kind == "struct" then text = refer(called[element.name]) end
  if units then text = ("%s * %d"):format(text, units) end
  for i = #counts, 1, -1 do
    text = ("%s * %d"):format(text:find(" ") and "(" .. text .. ")" or text, counts[i])
  end
  return text
end

-- The attribute name of each field of the struct. The struct's class inherits from its parent's, so
-- the struct's own fields get names that no field of the parent has.
local function members_of(struct)
  local members, inherited = {}, {}
  if struct.parent then members = members_of(struct.parent) end
  for _, member in pairs(members) do inherited[member] = true end
  local own = types.rename(types.names(types.own_fields(struct)), is_field_reserved, inherited)
  for name, member in pairs(own) do members[name] = member end
  return members
end

-- Adds the class of a list or an optional field.
local function add_wrapper(add, name, type, called)
  local base, first, second = "_List", '"count", ctypes.c_uint32', "items"
  if type.kind == "optional" then
    base, first, second = "ctypes.Structure", '"present", ctypes.c_bool', "value"
  end
  add("\nclass %s(%s):", name, base)
  add('    _fields_ = [(%s), ("%s", %s)]\n\n', first, second,
    ctype(called, types.content(type)))
  add("assert ctypes.sizeof(%s) == %d", name, type.size)
  add("assert %s.%s.offset == %d\n", name, second, type.inner)
end

-- The end of a field's line: its enumeration and its attributes.
local function comment(field)
  local texts = {}
  if types.innermost(field.type).names then texts[1] = field.type.name end
  local attributed = attributes.text(field)
  if attributed ~= "" then texts[#texts + 1] = attributed end
  return #texts > 0 and "  # " .. table.concat(texts, ", ") or ""
end

--- Adds the classes of a struct, and of its lists and optional fields.
-- @param add a function that adds formatted text
-- @param called the identifiers of structs and enumerations
-- @param taken the set of all identifiers
function python_class.add_struct(add, struct, called, taken)
  local name, fields, members = called[struct.name], types.own_fields(struct),
    members_of(struct)
  local wrappers = types.prefixed(name, types.wrapped(struct), python_class.is_reserved, taken)
  for _, field in ipairs(fields) do
    if wrappers[field.name] then add_wrapper(add, wrappers[field.name], field.type, called) end
  end
  add("\nclass %s(%s):", name, struct.parent and called[struct.parent.name] or "ctypes.Structure")
  if struct.pack then add('    _pack_, _layout_ = %d, "ms"', struct.pack) end
  add("    _fields_ = [")
  for _, field in ipairs(fields) do
    local class = wrappers[field.name]
    add('        ("%s", %s),%s', members[field.name], class and refer(class)
      or ctype(called, field.type), comment(field))
  end
  add("    ]\n\n")
  add("assert ctypes.sizeof(%s) == %d", name, struct.size)
  for _, field in ipairs(fields) do
    add('assert getattr(%s, "%s").offset == %d', name, members[field.name], field.offset)
  end
  add("")
end

--- Adds the class of an enumeration.
function python_class.add_enum(add, enum, called)
  add("\nclass %s(enum.%s):", called[enum.name], enum.flags and "IntFlag" or "IntEnum")
  local members = types.rename(types.names(enum.names), is_member_reserved,
    function(_, name) return is_member_reserved(name) end)
  for _, constant in ipairs(enum.names) do
    add("    %s = %s", members[constant.name], value.write({ kind = enum.kind }, constant.number))
  end
  add("")
end

return python_class

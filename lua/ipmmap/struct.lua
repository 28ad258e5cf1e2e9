--- Structs, which are defined by Lua tables. The C core parses the types and computes the layout.
-- @submodule ipmmap

local array = require "ipmmap.array"
local attributes = require "ipmmap.attributes"
local check = require "ipmmap.check"
local compat = require "ipmmap.compat"
local enum = require "ipmmap.enum"
local registry = require "ipmmap.registry"
local types = require "ipmmap.types"

local core, is_integer = compat.core, compat.is_integer
local is_array, new_array = array.is, array.new
local is_name, last_index, refuse, show = check.is_name, check.last_index, check.refuse, check.show

local struct = {}

local metatable = core.struct.metatable

local SCALARS = types.scalars
local PACKS = { [1] = true, [2] = true, [4] = true, [8] = true }
-- The core knows these by name.
local RESERVED = { MmapStructureHeader = true, BaseMmapStructure = true }

local function is_struct(value)
  return type(value) == "userdata" and getmetatable(value) == metatable
end

-- Definitions ----------------------------------------------------------------------------------

-- Returns a field's type as text, which the core parses; or nil and why the type is refused.
local function type_text(written)
  local element = is_array(written) and written.element or written
  local layout = is_struct(element) and element or enum.layout(element)
  if layout then
    local name = core.struct.name(layout)
    if registry.layout(name) ~= layout then
      return nil, ("the %s %s is not the registered one of its name"):format(
        is_struct(element) and "Struct" or "Enum", name)
    end
    return is_array(written) and tostring(written) or name
  elseif type(written) ~= "string" then
    return nil, ("%s is not a type"):format(show(written))
  elseif written:find("(", 1, true) then
    return nil, ("%s is not a type: attributes are keys of the field, as in { 'volume', 'float', "
      .. "min = 0 }"):format(show(written))
  end
  return written
end

-- What the innermost elements of a type are, for attributes.text.
local function base_of(text)
  local name = text:match "^%s*([%w_]*)"
  local layout = registry.layout(name)
  local has_names = layout ~= nil and core.struct.is_enum(layout)
  local kind = has_names and core.struct.type(layout).kind or name
  return { has_names = has_names, is_unsigned = kind == "uint64" }
end

-- The end of the message about an unknown type: what to write instead, or "".
local function advice(declared)
  local suggested = types.suggest((declared:gsub("%s*%(.*", "")))
  if suggested == "char[N]" then
    return ": text of at most N bytes is 'char[N]', such as 'char[64]'"
  end
  return suggested and (": write '%s'"):format(suggested) or ""
end

local function check_list(name, fields, level)
  if type(fields) ~= "table" then
    refuse(level, "%s: fields are a list of { name, type }, not %s", name, show(fields))
  end
  for key in pairs(fields) do
    if not is_integer(key) or key < 1 then
      refuse(level, "%s: fields are a list of { name, type }, which has no key %s", name, show(key))
    end
  end
end

local function check_field(name, index, field, level)
  if type(field) ~= "table" or field[1] == nil or field[2] == nil or last_index(field) ~= 2 then
    local called = type(field) == "table" and is_name(field[1]) and "." .. field[1] or ""
    refuse(level, "%s%s: field %d is not { name, type }", name, called, index)
  elseif not is_name(field[1]) then
    refuse(level, "%s: field %d: %s is not %s", name, index, show(field[1]), check.NAME)
  end
end

-- The fields in the form that the core takes: a list of name, type, name, type, and so on.
local function declare(name, fields, level)
  local declared = {}
  for index = 1, last_index(fields) do
    local field = fields[index]
    check_field(name, index, field, level + 1)
    local text, reason = type_text(field[2])
    if not text then
      refuse(level, "%s.%s: %s", name, field[1], reason)
    elseif next(field, next(field, next(field))) ~= nil then
      text = text .. attributes.text(name, field, base_of(text), level + 1)
    end
    declared[#declared + 1] = field[1]
    declared[#declared + 1] = text
  end
  return declared
end

-- The pack that the options give as text, which follows the struct's name; or "".
local function pack_text(name, options, level)
  if options ~= nil and type(options) ~= "table" then
    refuse(level, "%s: options are a table, not %s", name, show(options))
  end
  for key, value in pairs(options or {}) do
    if key ~= "pack" then
      refuse(level, "%s: there is no option %s", name, show(key))
    elseif not PACKS[value] then
      refuse(level, "%s: option 'pack': %s is not 1, 2, 4 or 8", name, show(value))
    end
  end
  return options and options.pack and (" (pack %d)"):format(options.pack) or ""
end

local function define(name, parent, fields, options, replaces, level)
  if not is_name(name) then
    refuse(level, "%s is not a struct's name (letters, digits and _, at most 63)", show(name))
  elseif SCALARS[name] then
    refuse(level, "'%s' is the name of a type already", name)
  elseif parent and registry.layout(parent.name) ~= parent then
    refuse(level, "%s: the Struct %s is not the registered one of its name", name, parent.name)
  end
  check_list(name, fields, level + 1)
  local declared = declare(name, fields, level + 1)
  local pack = pack_text(name, options, level + 1)
  local new, message, untyped =
    core.struct.define(name .. pack, parent and parent.name, declared, core.structs)
  if not new then
    refuse(level, "%s%s", message, untyped and advice(untyped) or "")
  end
  return registry.add(name, new, nil, replaces and not RESERVED[name], level + 1)
end

--- Define and register a plain struct. Other structs can nest it.
-- If the name is registered with the same layout already, the result is the registered Struct.
-- @function struct
-- @tparam string name letters, digits and `_`, at most 63 characters
-- @tparam table fields a list of `{ name, type }` in memory order. A type is `bool int8 uint8 int16
-- uint16 int32 uint32 int64 uint64 float double char char16 char32`, the name of a registered
-- struct or enumeration, a Struct, or an Enum. Any number of `[N]` may follow: `"char[256]"`,
-- `"float[4][4]"`, `"Point2D[24]"`; and after those, in text, `[<=N]` for a list of at most N
-- elements, or `?` for an optional field. A field may also have the attributes `default`, `min`,
-- `max`, `unit` and `doc`, as in `{ "volume", "float", default = 0.8, min = 0, max = 1 }`
-- @tparam[opt] table options `pack`: 1, 2, 4 or 8, the greatest alignment of a field, as with C's
-- `#pragma pack`
-- @treturn Struct
-- @raise an error if a name, field, type or attribute is invalid, or if the name is registered with
-- another layout, or with other attributes
function struct.struct(name, fields, options)
  return define(name, nil, fields, options, false, 2)
end

--- Define a struct or an enumeration, and register it in the place of what has its name. Objects of
-- the old definition, such as handles, values, and structs that contain it, go on working. A new
-- struct cannot contain the old definition.
-- @function redefine
-- @tparam string name
-- @tparam table|Struct|string what the fields, as for `struct`; or the parent, as for `extend`; or
-- an integer type, as for `enum`, or for `flags` if `name` is the name of flags
-- @tparam[opt] table more the options; or the fields of the child; or the names
-- @tparam[opt] table options those of the child
-- @treturn Struct|Enum
-- @raise as for `struct`, `extend`, `enum` and `flags`
function struct.redefine(name, what, more, options)
  if is_struct(what) then
    return define(name, what, more, options, true, 2)
  elseif type(what) == "string" then
    local old = registry.layout(name)
    local is_flags = old ~= nil and core.struct.is_enum(old) and core.struct.type(old).flags
    return enum.define(name, what, more, is_flags, true, 2)
  end
  return define(name, nil, what, more, true, 2)
end

--- Load modules that define structs, so that these structs are registered.
-- @function load
-- @tparam {string,...} modules the modules' names, as for `require`
-- @return what each module returned, in the same order
-- @raise an error if an element is not a string; errors of `require`
function struct.load(modules)
  if type(modules) ~= "table" then
    refuse(2, "load takes a list of module names, not %s", show(modules))
  end
  local results, count = {}, last_index(modules)
  for index = 1, count do
    local name = modules[index]
    if type(name) ~= "string" then
      refuse(2, "load: %s is not a module's name", show(name))
    end
    results[index] = require(name)
  end
  return compat.unpack(results, 1, count)
end

--- The Struct or Enum that is registered under a name.
-- @function lookup
-- @tparam string name
-- @treturn ?Struct|Enum nil if none has the name
function struct.lookup(name)
  return registry.find(name)
end

--- Make a Struct from schema text, as `tostring` of a Struct gives it. This is for tools that work
-- with any struct. The Struct is not registered, so it can be opened but not nested.
-- @function parse
-- @tparam string text
-- @treturn[1] Struct|Enum the last struct or enumeration that the text defines
-- @treturn[2] nil
-- @treturn[2] string message: what is wrong with the text
function struct.parse(text)
  local layout, message = core.struct.parse(text)
  if layout and core.struct.is_enum(layout) then
    return enum.new(layout)
  end
  return layout, message
end

--- The Struct that `named` is, or that is registered under this name. Raises an error at `level` if
-- there is none, or if it cannot be shared.
-- @local
function struct.check_shared(named, level)
  local found = is_struct(named) and named or registry.layout(named)
  if found == nil then
    refuse(level, type(named) == "string" and "no struct %s is registered"
      or "a Struct or a registered name is expected, not %s", show(named))
  elseif not core.struct.is_shared(found) then
    refuse(level, "%s has no common header: only what extends ipmmap.base can be shared",
      found.name)
  end
  return found
end

-- Properties and methods of Structs ------------------------------------------------------------

local facts = { name = core.struct.name, size = core.struct.size, align = core.struct.align }

local methods = {
  offsetof = core.struct.offsetof, new = core.struct.new, type = core.struct.type,
  convert = core.struct.convert,
}

--- Define and register a struct that extends this one: it has this struct's fields at the same
-- offsets, followed by its own.
-- @function Struct:extend
-- @tparam string name
-- @tparam table fields as for `struct`; may be empty
-- @tparam[opt] table options as for `struct`. A struct that descends from `base` cannot be packed
-- itself, but its fields can be of packed structs
-- @treturn Struct
-- @raise as for `struct`
function methods:extend(name, fields, options)
  if not is_struct(self) then
    refuse(2, "extend is a method of a Struct: write S:extend(name, fields)")
  end
  return define(name, self, fields, options, false, 2)
end

--- A Struct `S` has the properties `name`, `size` and `align`, the last two in bytes, and the
-- methods below. `S[N]` is the type of an array of N of these structs. `tostring(S)` is the
-- canonical schema text.
-- @type Struct
metatable.__index = function(self, key)
  if is_integer(key) then
    return new_array(self, self.name, "", key)
  end
  local fact = facts[key]
  return fact and fact(self) or methods[key]
end

metatable.__newindex = function(self, key)
  refuse(2, "%s: a Struct cannot be changed (%s)", self.name, show(key))
end

-- The header at the start of each shared struct, as in ipmmap.h.
struct.struct("MmapStructureHeader", { { "header_code", "int16" }, { "time_stamp", "double" } })

--- The Struct that contains the common header of 16 bytes: `header.header_code` (int16, always
-- 0x1128) and `header.time_stamp` (double, Unix seconds). Programs can read both like any field.
-- Only creation, `touch` and `clear` set them. A struct can be shared if it extends `base` directly
-- or through other structs.
-- @table base
struct.base = struct.struct("BaseMmapStructure", { { "header", "MmapStructureHeader" } })

return struct

--- Structs: their definitions in Lua tables, the registry of their names, and arrays of Structs.
-- The C core parses the types and computes the layout. Each Lua state has one registry.
-- @submodule ipmmap

local compat = require "ipmmap.compat"
local types = require "ipmmap.types"

local core, is_integer = compat.core, compat.is_integer
local struct = {}

local registered = core.structs
local metatable = core.struct.metatable

local MAX_NAME = 63

local SCALARS = types.scalars

-- Raises an error about a bug of the caller. `level` is as for `error`.
local function refuse(level, format, ...)
  error(format:format(...), level + 1)
end

local function show(value)
  return type(value) == "string" and ("'%s'"):format(value) or tostring(value)
end

local function is_name(name)
  return type(name) == "string" and #name <= MAX_NAME and name:find "^[%a_][%w_]*$" ~= nil
end

local function is_struct(value)
  return type(value) == "userdata" and getmetatable(value) == metatable
end

-- Arrays of a Struct ---------------------------------------------------------------------------

local array = { __name = "ipmmap.array" }

local function new_array(element, dimensions, count)
  if count < 1 then
    refuse(3, "%s%s[%d]: an array has at least one element", element.name, dimensions, count)
  end
  dimensions = ("%s[%d]"):format(dimensions, count)
  return setmetatable({ element = element, dimensions = dimensions }, array)
end

function array:__index(count)
  if is_integer(count) then
    return new_array(self.element, self.dimensions, count)
  end
end

function array:__tostring()
  return self.element.name .. self.dimensions
end

-- Definitions ----------------------------------------------------------------------------------

-- Returns a field's type as text, which the core parses; or nil and why the type is refused.
local function type_text(written)
  local is_array = getmetatable(written) == array
  if is_array or is_struct(written) then
    local needed = is_array and written.element or written
    if registered[needed.name] ~= needed then
      return nil, ("the Struct %s is not the registered one of its name"):format(needed.name)
    end
    return is_array and tostring(written) or needed.name
  elseif type(written) ~= "string" then
    return nil, ("%s is not a type"):format(show(written))
  end
  return written
end

-- The end of the message about an unknown type: what to write instead, or "".
local function advice(written)
  local suggested = types.suggest(written)
  if suggested == "char[N]" then
    return ": text of at most N bytes is 'char[N]', such as 'char[64]'"
  end
  return suggested and (": write '%s'"):format(suggested) or ""
end

-- The largest index of a list. The length operator may tell a smaller one if an element is nil.
local function last_index(list)
  local last = 0
  for key in pairs(list) do
    if is_integer(key) and key > last then
      last = key
    end
  end
  return last
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
  if type(field) ~= "table" or field[1] == nil or field[2] == nil
    or next(field, next(field, next(field))) ~= nil then
    local called = type(field) == "table" and is_name(field[1]) and "." .. field[1] or ""
    refuse(level, "%s%s: field %d is not { name, type }", name, called, index)
  elseif not is_name(field[1]) then
    refuse(level, "%s: field %d: %s is not a name (letters, digits and _, at most %d)",
      name, index, show(field[1]), MAX_NAME)
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
    end
    declared[#declared + 1] = field[1]
    declared[#declared + 1] = text
  end
  return declared
end

local function define(name, parent, fields, level)
  if not is_name(name) then
    refuse(level, "%s is not a struct's name (letters, digits and _, at most %d)", show(name),
      MAX_NAME)
  elseif SCALARS[name] then
    refuse(level, "'%s' is the name of a type already", name)
  elseif parent and registered[parent.name] ~= parent then
    refuse(level, "%s: the Struct %s is not the registered one of its name", name, parent.name)
  end
  check_list(name, fields, level + 1)
  local declared = declare(name, fields, level + 1)
  local new, message, untyped =
    core.struct.define(name, parent and parent.name, declared, registered)
  if not new then
    refuse(level, "%s%s", message, untyped and advice(untyped) or "")
  end
  local old = registered[name]
  local difference = old and core.struct.difference(old, new)
  if difference then
    refuse(level, "%s is defined already with another layout: %s", name, difference)
  end
  registered[name] = old or new
  return registered[name]
end

--- Define and register a plain struct. Other structs can nest it.
-- If the name is registered with the same layout already, the result is the registered Struct.
-- @function struct
-- @tparam string name letters, digits and `_`, at most 63 characters
-- @tparam table fields a list of `{ name, type }` in memory order. A type is `bool int8 uint8 int16
-- uint16 int32 uint32 int64 uint64 float double char`, the name of a registered struct, or a
-- Struct. Any number of `[N]` may follow: `"char[256]"`, `"float[4][4]"`, `"Point2D[24]"`
-- @treturn Struct
-- @raise an error if a name, field or type is invalid, or if the name is registered with another
-- layout
function struct.struct(name, fields)
  return define(name, nil, fields, 2)
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

--- The Struct that is registered under a name.
-- @function lookup
-- @tparam string name
-- @treturn ?Struct nil if no Struct has the name
function struct.lookup(name)
  return registered[name]
end

--- Make a Struct from schema text, as `tostring` of a Struct gives it. This is for tools that work
-- with any struct. The Struct is not registered, so it can be opened but not nested.
-- @function parse
-- @tparam string text
-- @treturn[1] Struct the last struct that the text defines
-- @treturn[2] nil
-- @treturn[2] string message: what is wrong with the text
function struct.parse(text)
  return core.struct.parse(text)
end

--- The Struct that `named` is, or that is registered under this name. Raises an error at `level` if
-- there is none, or if it cannot be shared.
-- @local
function struct.check_shared(named, level)
  local found = is_struct(named) and named or registered[named]
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
-- @treturn Struct
-- @raise as for `struct`
function methods:extend(name, fields)
  if not is_struct(self) then
    refuse(2, "extend is a method of a Struct: write S:extend(name, fields)")
  end
  return define(name, self, fields, 2)
end

--- A Struct `S` has the properties `name`, `size` and `align`, the last two in bytes, and the
-- methods below. `S[N]` is the type of an array of N of these structs. `tostring(S)` is the
-- canonical schema text.
-- @type Struct
metatable.__index = function(self, key)
  if is_integer(key) then
    return new_array(self, "", key)
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

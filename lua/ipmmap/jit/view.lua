--[[
Views, live and detached: v.field, v[i], #v, tostring, and pairs and ipairs by functions. A view is
cdata of a type of its own for each struct and array type, with the metamethods below: for a struct
of a segment a pointer, which compiled code need not allocate, and otherwise a struct, because
LuaJIT indexes pointers itself. It has a number, from which an access finds the bytes: see
memory.lua and value.lua.
]]
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local accessors = require "ipmmap.jit.accessors"
local elements = require "ipmmap.jit.elements"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local refusal = require "ipmmap.jit.refusal"
local scalar = require "ipmmap.jit.scalar"
local value = require "ipmmap.jit.value"
local pairs = require("ipmmap.loops").pairs

local view = {}

local cast, type = ffi.cast, type -- locals, which cost nothing in compiled code
local NUMBER, ENTRY = accessors.NUMBER, accessors.ENTRY
local HEADER = "MmapStructureHeader" -- a segment's cannot be assigned

-- What the views of a type of cdata are, by its number: { type, is_live }.
local classes = {}

local function class_of(x)
  return type(x) == "cdata" and classes[tonumber(ffi.typeof(x))] or nil
end

--- The type of a view or value; nil for anything else.
function view.test(x)
  local class = class_of(x)
  return class and class.type
end

function errors.name_of(x)
  local class = class_of(x)
  return class and class.type.name
end

--- The type of a view or value that is an argument.
function view.check(x, number, name)
  local class = class_of(x)
  if not class then
    errors.argument(number, name, "view or value expected, got %s", errors.type_of(x))
  end
  return class.type
end

local function number_of(self, class)
  return cast("uint64_t", class.is_pointer and self or self[NUMBER])
end

-- The memory of a view or value, or nil if it has ended, and the offset there.
local function locate(self)
  local class = class_of(self)
  local number = number_of(self, class)
  if class.is_live then
    return memory.locate(number)
  end
  local of = value.memory(self[ENTRY])
  return of, tonumber(number - cast("uint64_t", of.base))
end

--- The memory of a view or value, or nil if it ended long ago.
function view.memory(self)
  return (locate(self))
end

--- The offset of a view or value in its memory.
function view.offset(self)
  return select(2, locate(self))
end

-- Raise unless the view may be used.
local function check_access(self)
  local class = class_of(self)
  if class.is_live then
    memory.reach(number_of(self, class), class.type)
  end
end
view.check_access = check_access

--- The address of the bytes of a view or value. Raises if it may not be used.
function view.address(self)
  local class = class_of(self)
  local number = number_of(self, class)
  if class.is_live then
    local block, offset = memory.reach(number, class.type)
    return block.base + offset
  end
  return cast("uint8_t *", number)
end
value.pointer = view.address

--- A copy of some of the bytes of a view or value, as a uint64_t[?]. Raises if it may not be used.
function view.copy(self, from, size)
  local copy = ffi.new("uint64_t[?]", (size + 7) / 8)
  while true do
    local ends_before = memory.ends[0]
    local address = view.address(self) + from
    if memory.ends[0] == ends_before then
      ffi.copy(copy, address, size)
      return copy
    end
  end
end

-- Raise an error: the key names no part of the struct, array or list.
local function complain_key(self, key)
  check_access(self)
  local whole, of, offset = view.test(self), locate(self)
  local shown = errors.shown(key)
  if whole.kind == "struct" then
    errors.complain(of, whole, offset, "no field %s", shown)
  elseif not elements.is_index(key) then
    errors.complain(of, whole, offset, "%s is not an index", shown)
  end
  errors.complain(of, whole, offset, "index %s is out of range (1 to %d)", shown, whole.count)
end

--- Whether a value of the type `given` can be assigned to one of the type `here`: `here` has each
-- field of `given`, by path, with the same type.
function view.fits(given, here)
  return given == here or C.ipm_type_compare(here.pointer, "", given.pointer, "", C.IPM_BY_PATH,
    nil) == C.IPM_OK
end

--- Why a type of the same name does not fit, or "".
function view.difference(given, here)
  if given.name ~= here.name or C.ipm_type_compare(here.pointer, "here", given.pointer, "given",
      C.IPM_BY_PATH, errors.buffer) == C.IPM_OK then
    return ""
  end
  return ": " .. errors.message()
end

-- Assigning ------------------------------------------------------------------------------------

--- Assigns a value to a part of a view, which is no scalar. assign.lua sets it.
function view.assign() end

-- What to store for a value of a scalar part of a view, or an error that refuses it. A reader is
-- told so whatever the value is.
local function convert(self, part, span, x)
  check_access(self)
  local of, offset = locate(self)
  memory.check_writable(of, part, offset + span)
  memory.check_reserved(of, part, offset + span)
  local fits, stored = scalar.convert(part, x)
  if not fits then
    refusal.complain(of, part, offset + span, x)
  end
  return stored
end

local function assign_part(self, part, span, x)
  check_access(self)
  local of, offset = locate(self)
  view.assign(of, part, offset + span, x)
end

-- Metamethods ----------------------------------------------------------------------------------

local class_for

local function users(is_live)
  return {
    keep = is_live and memory.keep, take_part = value.take_part, enter = value.enter,
    convert = convert,
  }
end

-- The type of what a part of a view is read as.
local function value_type(part)
  return part.kind == "optional" and part.element or part
end

local function getter(is_live, whole, part, offset, use)
  local value_of = value_type(part)
  local nested = not value_of.is_scalar and class_for(is_live, value_of)
  return accessors.get(is_live, whole, part, offset, nested, use)
end

local function setter(is_live, whole, part, offset)
  local function assign(self, x)
    assign_part(self, part, offset, x)
  end
  if whole.name == HEADER or not value_type(part).is_scalar then
    return assign
  end
  local use = users(is_live)
  use.clear = assign
  return accessors.set(is_live, whole, part, offset, use)
end

-- What elements.lua needs of views.
local element_tools = {
  users = users, getter = getter, locate = locate, check_access = check_access,
  complain_key = complain_key, assign_part = assign_part,
}

-- A name that no type has, whether this module is loaded once or again, for text in C: hosts, such
-- as busted, keep what ffi.typeof has given for a text.
local named = { count = 0 }
local PREFIX = "ipmmap_view_" .. tostring(named):match "%x+$"

local function new_name()
  named.count = named.count + 1
  return PREFIX .. "_" .. named.count
end

local absent = { __index = function() return false end }

-- A table by name, as cdata for views of segments. In compiled code LuaJIT takes what it has for a
-- constant name as a constant, without a check.
local function constants(is_live, t)
  if not is_live then
    return t
  end
  local made = ffi.typeof(("struct /* %s */ {}"):format(new_name()))
  return ffi.metatype(made, { __index = setmetatable(t, absent) })()
end

local function struct_metamethods(is_live, whole)
  local getters, setters, use = {}, {}, users(is_live)
  for name in pairs(whole.by_name) do
    getters[name], setters[name] = false, false
  end
  local get_of, set_of = constants(is_live, getters), constants(is_live, setters)
  local function first_get(self, key)
    local field = whole.by_name[key]
    if not field then
      complain_key(self, key)
    end
    getters[key] = getter(is_live, whole, field.type, field.offset, use)
    return getters[key](self)
  end
  local function first_set(self, key, x)
    local field = whole.by_name[key]
    if not field then
      complain_key(self, key)
    end
    setters[key] = setter(is_live, whole, field.type, field.offset)
    setters[key](self, x)
  end
  return {
    __index = function(self, key)
      local get = type(key) == "string" and get_of[key]
      if get then
        return get(self)
      end
      return first_get(self, key)
    end,
    __newindex = function(self, key, x)
      local set = type(key) == "string" and set_of[key]
      if set then
        return set(self, x)
      end
      return first_set(self, key, x)
    end,
  }
end

-- "DemoMmapStructure.data_xy (Point2D): 0x55d0c2a4f2a8", also while no lock is held.
local function show(self)
  local whole, of, offset = view.test(self), locate(self)
  local path = of and memory.path(of, whole, offset) or whole.name
  local kind = of and of.type ~= whole and (" (%s)"):format(whole.name) or ""
  return ("%s%s: %p"):format(path, kind, self)
end

local function is_same(a, b)
  local class = class_of(a)
  return class ~= nil and class == class_of(b) and number_of(a, class) == number_of(b, class)
end

-- LuaJIT has 65,536 types of cdata and never frees one. The rest is left to the program.
local LAST_TYPE = 60000

-- The type of the views of a type, and the one that has the metamethods.
local function new_class(is_live, whole)
  local name = new_name()
  if is_live and whole.kind == "struct" then
    ffi.cdef(("struct %s;"):format(name))
    return ffi.typeof(("struct %s *"):format(name)), ffi.typeof("struct " .. name)
  end
  local made = ffi.typeof(("struct /* %s */ { void *const %s; %s }"):format(name, NUMBER,
    is_live and "" or ("const int32_t %s;"):format(ENTRY)))
  return made, made
end

--- The type of the views of a struct or array type.
function class_for(is_live, whole)
  local key = is_live and "live_class" or "value_class"
  if whole[key] then
    return whole[key]
  end
  local made, with_metamethods = new_class(is_live, whole)
  if tonumber(made) > LAST_TYPE then
    errors.refuse("%s: LuaJIT has no more room for types of views", whole.name)
  end
  whole[key] = made
  classes[tonumber(made)] = {
    type = whole, is_live = is_live, is_pointer = made ~= with_metamethods,
  }
  local metamethods = whole.kind == "struct" and struct_metamethods(is_live, whole)
    or elements.metamethods(is_live, whole, element_tools)
  metamethods.__tostring, metamethods.__eq = show, is_same
  metamethods.__pairs, metamethods.__ipairs = view.pairs, view.ipairs -- where Lua uses them
  ffi.metatype(with_metamethods, metamethods)
  return made
end

memory.class_for = class_for

--- A view of a part of the memory of a segment or of a feed.
function memory.view_at(of, part, offset)
  local class, number = class_for(true, part), of.first + offset
  return part.kind == "struct" and cast(class, number) or class(cast("void *", number))
end

-- Iterating ------------------------------------------------------------------------------------

local function next_field(self, name)
  local whole = view.test(self)
  local index = 1
  if name ~= nil then
    local field = whole.by_name[name]
    if not field then
      complain_key(self, name)
    end
    index = field.index + 1
  end
  local field = whole.fields[index]
  if field then
    return field.name, self[field.name]
  end
end

local function next_element(self, i)
  local index = (i or 0) + 1
  if index <= #self then
    return index, self[index]
  end
end

--- As the standard function, and for views and values, whose `__pairs` Lua 5.1 does not use.
function view.pairs(x)
  local whole = view.test(x)
  if not whole then
    local metatable = type(x) == "table" and getmetatable(x)
    local own = type(metatable) == "table" and rawget(metatable, "__pairs") -- that of an Enum
    return (own or pairs)(x)
  end
  check_access(x)
  return whole.kind == "struct" and next_field or next_element, x, nil
end

local function next_index(x, i)
  local element = x[i + 1]
  if element ~= nil then
    return i + 1, element
  end
end

function view.ipairs(x)
  if not view.test(x) then
    return ipairs(x)
  end
  return next_index, x, 0
end

return view

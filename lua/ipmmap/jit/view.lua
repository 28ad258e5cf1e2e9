--[[
Views, live and detached: v.field, v[i], #v, tostring, and pairs and ipairs by functions. A view is
cdata of a type of its own for each struct and array type, with the metamethods below; it has the
address of its memory's block, its key and its own address, under names that no field has.
]]
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local accessors = require "ipmmap.jit.accessors"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"

local view = {}

local cast = ffi.cast
local BLOCK, KEY, AT = memory.BLOCK, memory.KEY, memory.AT

local types = {} -- by the number of the type of cdata

--- The type of a view or value; nil for anything else.
function view.test(x)
  return type(x) == "cdata" and types[tonumber(ffi.typeof(x))] or nil
end

function errors.name_of(x)
  local found = view.test(x)
  return found and found.name
end

--- The type of a view or value that is an argument.
function view.check(x, number, name)
  local found = view.test(x)
  if not found then
    errors.argument(number, name, "view or value expected, got %s", errors.type_of(x))
  end
  return found
end

-- Raise unless the view may be used.
local function check_access(self, whole)
  local block = cast("ipmmap_block *", self[BLOCK])
  if block.live ~= self[KEY] or block.forks ~= memory.forks[0] then
    memory.lost(self, whole)
  end
end
view.check_access = check_access

-- Raise an error: the key names no part of the struct or array.
local function complain_key(self, whole, key)
  check_access(self, whole)
  local of, offset, shown = memory.of(self), memory.offset(self), errors.shown(key)
  if whole.kind == "struct" then
    errors.complain(of, whole, offset, "no field %s", shown)
  elseif type(key) ~= "number" or key % 1 ~= 0 then
    errors.complain(of, whole, offset, "%s is not an index", shown)
  end
  errors.complain(of, whole, offset, "index %s is out of range (1 to %d)", shown, whole.count)
end

--- The memory of a view or value, or nil if it has ended, and the offset there.
view.memory, view.offset = memory.of, memory.offset

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

--- Assigns a value to a part of a view, which is a struct or an array. assign.lua sets it.
function view.assign() end

-- What to store for a value of a scalar part of a view, or an error that refuses it. A reader is
-- told so whatever the value is.
local function convert(self, whole, part, distance, x)
  check_access(self, whole)
  local of, offset = memory.of(self), memory.offset(self) + distance
  memory.check_writable(of, part, offset)
  memory.check_reserved(of, part, offset)
  local fits, stored = scalar.convert(part, x)
  if not fits then
    scalar.complain(of, part, offset, x)
  end
  return stored
end

local function setter(whole, part, offset, use)
  use.convert = function(self, _, distance, x)
    return convert(self, whole, part, distance, x)
  end
  if part.is_scalar then
    return accessors.set(whole, part, offset, use)
  elseif offset then
    return function(self, x)
      check_access(self, whole)
      view.assign(memory.of(self), part, memory.offset(self) + offset, x)
    end
  end
end

-- Metamethods ----------------------------------------------------------------------------------

local class

local function struct_metamethods(whole)
  local getters, setters = {}, {}
  for name in pairs(whole.by_name) do
    getters[name], setters[name] = false, false -- so that the tables keep their sizes
  end
  local function first_get(self, key)
    local field = whole.by_name[key]
    if not field then
      complain_key(self, whole, key)
    end
    local part = field.type
    getters[key] = accessors.get(whole, part, field.offset, not part.is_scalar and class(part))
    return getters[key](self)
  end
  local function first_set(self, key, x)
    local field = whole.by_name[key]
    if not field then
      complain_key(self, whole, key)
    end
    setters[key] = setter(whole, field.type, field.offset, {})
    setters[key](self, x)
  end
  return {
    __index = function(self, key)
      local get = getters[key]
      if get then
        return get(self)
      end
      return first_get(self, key)
    end,
    __newindex = function(self, key, x)
      local set = setters[key]
      if set then
        return set(self, x)
      end
      return first_set(self, key, x)
    end,
  }
end

-- The index that an integer of 64 bits is, as a number.
local function to_index(whole, i)
  if scalar.is_wide(i) and i >= 1 and i <= whole.count then
    return tonumber(i)
  end
end

local function array_metamethods(whole)
  local part = whole.element
  local get, set
  get = accessors.get(whole, part, nil, not part.is_scalar and class(part), {
    index = function(self, i)
      local index = to_index(whole, i)
      if index then
        return get(self, index)
      elseif i ~= whole.count + 1 then -- the element after the last one is nil
        complain_key(self, whole, i)
      end
      check_access(self, whole)
    end,
  })
  local function bad_index(self, i, x)
    local index = to_index(whole, i)
    if not index then
      complain_key(self, whole, i)
    end
    return set(self, index, x)
  end
  set = setter(whole, part, nil, { index = bad_index }) or function(self, i, x)
    if not (type(i) == "number" and i >= 1 and i <= whole.count and i % 1 == 0) then
      return bad_index(self, i, x)
    end
    check_access(self, whole)
    view.assign(memory.of(self), part, memory.offset(self) + (i - 1) * part.size, x)
  end
  return {
    __index = get,
    __newindex = set,
    __len = function(self)
      check_access(self, whole)
      return whole.count
    end,
  }
end

-- "DemoMmapStructure.data_xy (Point2D): 0x55d0c2a4f2a8", also while no lock is held.
local function show(self, whole)
  local of = memory.of(self)
  local path = of and memory.path(of, whole, memory.offset(self)) or whole.name
  local kind = of and of.type ~= whole and (" (%s)"):format(whole.name) or ""
  return ("%s%s: %p"):format(path, kind, self)
end

--- The type of the views of a struct or array type.
function class(whole)
  if whole.class then
    return whole.class
  end
  -- The number is for hosts, such as busted, that keep what ffi.typeof has given for a text.
  local made = ffi.typeof(("struct /* %d */ { void *const %s; void *const %s; void *const %s; }")
    :format(whole.id, BLOCK, KEY, AT))
  whole.class = made
  types[tonumber(made)] = whole
  local metamethods = (whole.kind == "struct" and struct_metamethods or array_metamethods)(whole)
  function metamethods.__tostring(self)
    return show(self, whole)
  end
  function metamethods.__eq(a, b)
    return ffi.istype(made, a) and ffi.istype(made, b) and a[KEY] == b[KEY] and a[AT] == b[AT]
  end
  metamethods.__pairs, metamethods.__ipairs = view.pairs, view.ipairs -- where Lua uses them
  ffi.metatype(made, metamethods)
  return made
end

--- A view of a part of a memory.
function memory.view_at(of, part, offset)
  return class(part)(of.block, of.key, of.base + offset)
end

-- Iterating ------------------------------------------------------------------------------------

local function next_field(self, name)
  local whole = view.test(self)
  local index = 1
  if name ~= nil then
    local field = whole.by_name[name]
    if not field then
      complain_key(self, whole, name)
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
  if index <= view.test(self).count then
    return index, self[index]
  end
end

--- As the standard function, and for views and values, whose `__pairs` Lua 5.1 does not use.
function view.pairs(x)
  local whole = view.test(x)
  if not whole then
    return pairs(x)
  end
  check_access(x, whole)
  return whole.kind == "struct" and next_field or next_element, x, nil
end

local function next_index(x, i)
  local value = x[i + 1]
  if value ~= nil then
    return i + 1, value
  end
end

function view.ipairs(x)
  if not view.test(x) then
    return ipairs(x)
  end
  return next_index, x, 0
end

function view.len(x)
  return #x
end

return view

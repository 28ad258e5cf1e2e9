-- The raw bytes of views and values, and views and values as plain tables.
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local guards = require "ipmmap.jit.guards"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"
local view = require "ipmmap.jit.view"

local bytes = {}

-- The first bytes of a view as a string. Lua gets a private copy, as in scalar.lua.
local function text_of(v, size)
  return ffi.string(view.copy(v, 0, size), size)
end

local function check_index(of, type, offset, index, absent, min, max)
  if index == nil then
    return absent
  end
  local number = scalar.is_wide(index) and tonumber(index) or index
  if _G.type(number) ~= "number" or number % 1 ~= 0 then
    errors.complain(of, type, offset, "%s is not an index", errors.shown(index))
  elseif number < min or number > max then
    errors.complain(of, type, offset, "index %s is out of range (%d to %d)", errors.shown(index),
      min, max)
  end
  return number
end

-- The number of elements of a list at an address.
local function check_count(of, type, offset, at)
  local count = guards.count(at)
  if count > type.count then
    memory.complain_count(of, type, offset, count)
  end
  return count
end

-- The elements of an array or list from index i to j: where their bytes begin in it, how many bytes
-- and how many elements they are. Without indices, all bytes of a struct, array or list.
local function span(v, type, i, j)
  if i == nil and j == nil then
    return 0, type.size, type.count
  end
  view.check_access(v)
  local of, offset = view.memory(v), view.offset(v)
  if type.kind ~= "array" and type.kind ~= "list" then
    errors.complain(of, type, offset, "%s is not an array, so indices name no part of it",
      type.name)
  end
  local last = type.kind == "list" and check_count(of, type, offset, view.address(v)) or type.count
  i = check_index(of, type, offset, i, 1, 1, last + 1)
  j = check_index(of, type, offset, j, last, i - 1, last)
  local element = type.element.size
  return type.inner + (i - 1) * element, (j - i + 1) * element, j - i + 1
end

--- The bytes of a view or value, or of some elements of an array, as they lie in memory.
function bytes.bytes(v, i, j)
  local type = view.check(v, 1, "bytes")
  local from, size = span(v, type, i, j)
  return ffi.string(view.copy(v, from, size), size)
end

-- Whether only zeros follow the first zero of a text of units of so many bytes.
local function is_zero_filled(text, from, size, unit)
  local zero = ("\0"):rep(unit)
  for at = from, from + size - 1, unit do
    if text:sub(at, at + unit - 1) == zero then
      return not text:sub(at, from + size - 1):find "[^%z]"
    end
  end
  return true
end

local UNITS = { char = 1, char16 = 2, char32 = 4 }

local check_raw

-- Check the first `count` elements of an array or list, or the value of an optional type.
local function check_elements(of, type, offset, text, from, count)
  for i = 0, count - 1 do
    local at = type.inner + i * type.element.size
    check_raw(of, type.element, offset + at, text, from + at)
  end
end

local function check_bool(of, type, offset, byte)
  if byte > 1 then
    errors.complain(of, type, offset, "the byte %d is not a bool, which is 0 or 1", byte)
  end
end

local function check_list(of, type, offset, text, from)
  local count = guards.count(ffi.cast("const uint8_t *", text) + (from - 1))
  if count > type.count then
    errors.complain(of, type, offset, "%d elements are more than its %d", count, type.count)
  end
  check_elements(of, type, offset, text, from, count)
end

-- Raise if the bytes from the index on are no value of the type.
function check_raw(of, type, offset, text, from)
  local unit = UNITS[type.kind]
  if not type.is_particular then
    return
  elseif type.kind == "bool" or type.kind == "optional" then
    check_bool(of, type, offset, text:byte(from))
    check_elements(of, type, offset, text, from, type.kind == "optional" and text:byte(from) or 0)
  elseif unit and not is_zero_filled(text, from, type.size, unit) then
    errors.complain(of, type, offset,
      "there are bytes after the NUL that ends the text, and %s is zero-filled", type.name)
  elseif type.kind == "list" then
    check_list(of, type, offset, text, from)
  elseif type.kind == "array" then
    check_elements(of, type, offset, text, from, type.count)
  elseif type.kind == "struct" then
    for _, field in ipairs(type.fields) do
      check_raw(of, field.type, offset + field.offset, text, from + field.offset)
    end
  end
end

-- Where bytes go in a view or value: to all of it, or to elements of an array from an index on.
local function check_target(v, type, text, i)
  local of, offset = view.memory(v), view.offset(v)
  if i == nil then
    if #text ~= type.size then
      errors.complain(of, type, offset, "%d bytes given, %s has %d", #text, type.name, type.size)
    end
    return 0
  end
  local from, room = span(v, type, i)
  local element = type.element.size
  if #text % element ~= 0 then
    errors.complain(of, type, offset,
      "%d bytes given, which are no whole number of elements of %d bytes", #text, element)
  elseif #text > room then
    errors.complain(of, type, offset, "%d elements given from index %d on, %s has %d",
      #text / element, (from - type.inner) / element + 1, type.name, type.count)
  end
  return from
end

-- Raise if the bytes for a part of a view or value are no values of its type.
local function check_part(of, type, offset, text, from)
  if #text == type.size then
    check_raw(of, type, offset, text, 1)
  elseif type.is_particular then
    local element = type.element
    for at = 0, #text - 1, element.size do
      check_raw(of, element, offset + from + at, text, at + 1)
    end
  end
end

--- Set the bytes of a view or value, or of elements of an array.
function bytes.setbytes(v, text, i)
  local type = view.check(v, 1, "setbytes")
  local of, offset = view.memory(v), view.offset(v)
  if _G.type(text) ~= "string" then
    errors.complain(of, type, offset, "%s is not a string of bytes", errors.shown(text))
  end
  view.check_access(v)
  memory.check_writable(of, type, offset)
  local from = check_target(v, type, text, i)
  local kept = math.max(0, math.min(of.reserved - offset - from, #text))
  if text:sub(1, kept) ~= text_of(v, kept) then
    errors.complain(of, type, offset, "the header is set only by creation, touch and clear")
  end
  check_part(of, type, offset, text, from)
  if kept < #text then
    local ends_before = memory.ends[0]
    view.check_access(v)
    local at = memory.change(of, offset + from + kept, #text - kept)
    local source = ffi.cast("const char *", text) + kept
    if at == nil or memory.ends[0] ~= ends_before then
      errors.complain(of, type, offset, "view used after its lock was released")
    end
    ffi.copy(at, source, #text - kept)
  end
end

--- The address of a view's or value's bytes as a `void *`, and their number.
function bytes.pointer(v)
  local type = view.check(v, 1, "pointer")
  view.check_access(v)
  local of, offset = view.memory(v), view.offset(v)
  local from = math.max(offset, of.reserved)
  local size = offset + type.size - from
  if of.is_writable and size > 0 and memory.change(of, from, size) == nil then
    errors.complain(of, type, offset, "view used after its lock was released")
  end
  return ffi.cast("void *", view.address(v)), type.size
end

local plain

local function plain_elements(of, type, offset, at, kept)
  local result, element = {}, type.element
  local count = type.kind == "list" and check_count(of, type, offset, at) or type.count
  for i = 1, count do
    local from = type.inner + (i - 1) * element.size
    result[i] = plain(of, element, offset + from, at + from, kept)
  end
  return result
end

-- The value of a part at an address in `kept` as plain tables. It is at an offset of a memory.
function plain(of, type, offset, at, kept)
  if type.is_scalar then
    return scalar.load(type, at)
  elseif type.kind == "optional" then
    if at[0] == 0 then
      return nil
    end
    return plain(of, type.element, offset + type.inner, at + type.inner, kept)
  elseif type.kind ~= "struct" then
    return plain_elements(of, type, offset, at, kept)
  end
  local result = {}
  for _, field in ipairs(type.fields) do
    result[field.name] = plain(of, field.type, offset + field.offset, at + field.offset, kept)
  end
  return result
end

--- A view or value, or some elements of an array, as plain tables. They are made from a copy,
-- because a finalizer may release the lock meanwhile.
function bytes.totable(v, i, j)
  local type = view.check(v, 1, "totable")
  local from, size, count = span(v, type, i, j)
  local copy = view.copy(v, from, size)
  local at = ffi.cast("uint8_t *", copy)
  local of, offset = view.memory(v), view.offset(v)
  if size == type.size then
    return plain(of, type, offset, at, copy)
  end
  local result, element = {}, type.element
  for index = 1, count do
    local after = (index - 1) * element.size
    result[index] = plain(of, element, offset + from + after, at + after, copy)
  end
  return result
end

--- Whether the values of a view or value are within limits, its lists have room for their elements,
-- and its bools are valid. Otherwise false becomes nil and the first value that is refused.
function bytes.check(v)
  local type = view.check(v, 1, "check")
  local copy = view.copy(v, 0, type.size)
  if C.ipm_type_check(type.pointer, copy, errors.buffer) == C.IPM_OK then
    return true
  end
  local rest = errors.message():sub(#type.name + 1)
  return nil, memory.path(view.memory(v), type, view.offset(v)) .. rest
end

return bytes

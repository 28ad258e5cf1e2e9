-- The raw bytes of views and values, and views and values as plain tables.
local ffi = require "ffi"
local errors = require "ipmmap.jit.errors"
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

-- The elements of an array from index i to j: where their bytes begin in the array, how many bytes
-- and how many elements they are. Without indices, all bytes of a struct or array.
local function span(v, type, i, j)
  if i == nil and j == nil then
    return 0, type.size, type.count
  end
  view.check_access(v)
  local of, offset = view.memory(v), view.offset(v)
  if type.kind ~= "array" then
    errors.complain(of, type, offset, "%s is not an array, so indices name no part of it",
      type.name)
  end
  i = check_index(of, type, offset, i, 1, 1, type.count + 1)
  j = check_index(of, type, offset, j, type.count, i - 1, type.count)
  local element = type.element.size
  return (i - 1) * element, (j - i + 1) * element, j - i + 1
end

--- The bytes of a view or value, or of some elements of an array, as they lie in memory.
function bytes.bytes(v, i, j)
  local type = view.check(v, 1, "bytes")
  local from, size = span(v, type, i, j)
  return ffi.string(view.copy(v, from, size), size)
end

-- Raise if the bytes of a text from the index on are no value of the type.
local function check_raw(of, type, offset, text, from)
  if type.kind == "bool" and text:byte(from) > 1 then
    errors.complain(of, type, offset, "the byte %d is not a bool, which is 0 or 1",
      text:byte(from))
  elseif type.kind == "char" then
    local nul = text:find("\0", from, true)
    if nul and nul < from + type.size and text:find("[^%z]", nul) and
        text:find("[^%z]", nul) < from + type.size then
      errors.complain(of, type, offset,
        "there are bytes after the NUL that ends the text, and %s is zero-filled", type.name)
    end
  elseif type.kind == "array" and type.is_particular then
    for i = 0, type.count - 1 do
      local at = i * type.element.size
      check_raw(of, type.element, offset + at, text, from + at)
    end
  elseif type.kind == "struct" and type.is_particular then
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
      #text / element, from / element + 1, type.name, type.count)
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

-- The table of a struct or array at an address in `bytes`.
local function plain(type, at, kept)
  if type.is_scalar then
    return scalar.load(type, at)
  end
  local result = {}
  if type.kind == "array" then
    local element = type.element
    for i = 1, type.count do
      result[i] = plain(element, at + (i - 1) * element.size, kept)
    end
  else
    for _, field in ipairs(type.fields) do
      result[field.name] = plain(field.type, at + field.offset, kept)
    end
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
  if size == type.size then
    return plain(type, at, copy)
  end
  local result = {}
  for index = 1, count do
    result[index] = plain(type.element, at + (index - 1) * type.element.size, copy)
  end
  return result
end

return bytes

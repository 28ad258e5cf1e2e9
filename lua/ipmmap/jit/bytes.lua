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

--- The bytes of a view or value as they lie in memory.
function bytes.bytes(v)
  local type = view.check(v, 1, "bytes")
  return text_of(v, type.size)
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

--- Set the bytes of a view or value.
function bytes.setbytes(v, text)
  local type = view.check(v, 1, "setbytes")
  local of, offset = view.memory(v), view.offset(v)
  if _G.type(text) ~= "string" then
    errors.complain(of, type, offset, "%s is not a string of bytes", errors.shown(text))
  end
  view.check_access(v)
  memory.check_writable(of, type, offset)
  if #text ~= type.size then
    errors.complain(of, type, offset, "%d bytes given, %s has %d", #text, type.name, type.size)
  end
  local kept = math.max(0, math.min(of.reserved - offset, type.size))
  if text:sub(1, kept) ~= text_of(v, kept) then
    errors.complain(of, type, offset, "the header is set only by creation, touch and clear")
  end
  check_raw(of, type, offset, text, 1)
  if kept < type.size then
    local ends_before = memory.ends[0]
    view.check_access(v)
    local at = memory.change(of, offset + kept, type.size - kept)
    local from = ffi.cast("const char *", text) + kept
    if at == nil or memory.ends[0] ~= ends_before then
      errors.complain(of, type, offset, "view used after its lock was released")
    end
    ffi.copy(at, from, type.size - kept)
  end
end

local plain

local function plain_elements(of, type, offset, at, kept)
  local result, element, count = {}, type.element, type.count
  if type.kind == "list" then
    count = guards.count(at)
    if count > type.count then
      memory.complain_count(of, type, offset, count)
    end
  end
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

--- A view or value as plain tables. They are made from a copy, because a finalizer may release the
-- lock meanwhile.
function bytes.totable(v)
  local type = view.check(v, 1, "totable")
  local copy = view.copy(v, 0, type.size)
  local of, offset = view.memory(v), view.offset(v)
  return plain(of, type, offset, ffi.cast("uint8_t *", copy), copy)
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

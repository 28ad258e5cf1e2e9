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

--- The bytes of a view or value as they lie in memory.
function bytes.bytes(v)
  local type = view.check(v, 1, "bytes")
  return text_of(v, type.size)
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

--- A view or value as plain tables. They are made from a copy, because a finalizer may release the
-- lock meanwhile.
function bytes.totable(v)
  local type = view.check(v, 1, "totable")
  local copy = view.copy(v, 0, type.size)
  return plain(type, ffi.cast("uint8_t *", copy), copy)
end

return bytes

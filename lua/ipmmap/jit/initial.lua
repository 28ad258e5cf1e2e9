-- What a field, an element or a value has before anything is assigned to it: its default, or zero.
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local memory = require "ipmmap.jit.memory"
local types = require "ipmmap.jit.types"

local initial = {}

-- The first bytes of a type as a string; nil: zeros.
local function bytes_of(type)
  if type.has_initial and not type.initial then
    local bytes = ffi.new("uint64_t[?]", (type.size + 7) / 8)
    C.ipm_type_initialize(type.pointer, bytes)
    type.initial = ffi.string(bytes, type.size)
  end
  return type.initial
end

-- The default of a field, from an offset in it on, as bytes that repeat.
local function rotated(default, from)
  local phase = from % default.size
  return phase == 0 and default.bytes or default.bytes:sub(phase + 1) .. default.bytes:sub(1, phase)
end

--- The first values of `count` elements at an offset, as { is_fill, size, pattern }. If they are in
-- a field, `field` is that field, and `base` its offset.
function initial.fill(element, offset, count, field, base)
  return {
    is_fill = true, size = count * element.size,
    pattern = field and field.initial and rotated(field.initial, offset - base)
      or bytes_of(types.innermost(element)),
  }
end

--- As many bytes of zero.
function initial.zeros(size)
  return { is_fill = true, size = size }
end

--- Store a fill. Returns false if a memory has become inaccessible since `ends_before`.
function initial.store(fill, to, ends_before)
  local pattern, size = fill.pattern, fill.size
  if memory.ends[0] ~= ends_before then
    return false
  elseif not pattern then
    ffi.fill(to, size)
    return true
  end
  local done = math.min(#pattern, size)
  ffi.copy(to, pattern, done)
  while done < size do -- each copy is twice as large as the one before
    local more = math.min(done, size - done)
    ffi.copy(to + done, to, more)
    done = done + more
  end
  return true
end

return initial

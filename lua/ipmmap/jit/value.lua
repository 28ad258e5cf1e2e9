--[[
Detached values: a struct or array in this process's memory. The number of a view is its address,
because the bytes are there as long as any view of the value or of a part of it is.

Cdata keeps nothing alive, and a finalizer for each view would take too long. So each view has an
entry in three lists: one has the view, weakly, and the other ones the bytes and the type of the
whole value. After each cycle of the collector, the entries whose views are gone are free.
]]
local ffi = require "ffi"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"

local value = {}

local words = ffi.typeof "uint64_t[?]"
local bytes_p = ffi.typeof "uint8_t *"

local views, bytes_of, type_of, count = setmetatable({}, { __mode = "v" }), {}, {}, 0
local free, free_count = {}, 0

local function free_entries()
  for entry = 1, count do
    if views[entry] == nil and bytes_of[entry] then
      bytes_of[entry] = false
      free_count = free_count + 1
      free[free_count] = entry
    end
  end
end

-- An object that the collector finds unused in each cycle. Its finalizer makes the next one.
local function watch_cycles()
  getmetatable(newproxy(true)).__gc = function()
    free_entries()
    watch_cycles()
  end
end
watch_cycles()

-- Take an entry for a view that is going to be made. It is used, whatever runs until `enter`.
local function take(bytes, type)
  local entry
  if free_count > 0 then
    entry = free[free_count]
    free_count = free_count - 1
  else
    count = count + 1
    entry = count
  end
  views[entry], bytes_of[entry], type_of[entry] = true, bytes, type
  return entry
end

--- An entry for a view of a part of a view that has an entry.
function value.take_part(entry)
  return take(bytes_of[entry], type_of[entry])
end

--- Store a view that was made for an entry.
function value.enter(entry, view)
  views[entry] = view
end

--- The memory of a view that has an entry.
function value.memory(entry)
  local bytes = bytes_of[entry]
  return {
    type = type_of[entry], base = ffi.cast(bytes_p, bytes), bytes = bytes, reserved = 0,
    is_writable = true,
  }
end

--- A value of a type, whose bytes are zero; and the address of the bytes.
function value.new(_, type)
  local bytes = words((type.size + 7) / 8)
  local entry = take(bytes, type)
  local new = memory.class_for(false, type)(bytes, entry)
  views[entry] = new
  return new, ffi.cast(bytes_p, bytes)
end

--- What is at an address that stays accessible: a scalar, a copy of a struct, an array or a list,
-- or the value of an optional type, or nil.
function value.load(struct, type, at)
  if type.is_scalar then
    return scalar.load(type, at)
  elseif type.kind == "optional" then
    if at[0] == 0 then
      return nil
    end
    return value.load(struct, type.element, at + type.inner)
  end
  local copy, pointer = value.new(struct, type)
  ffi.copy(pointer, at, type.size)
  return copy
end

return value

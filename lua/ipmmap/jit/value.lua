--[[
Detached values: a struct or array in this process's memory. The number of a view is its address,
because the bytes are there as long as any view of the value or of a part of it is.

Cdata keeps nothing alive, and a finalizer for each view would take too long. So each view has an
entry in two lists: one has the view, weakly, and the other one the memory, which has the bytes.
After each cycle of the collector, the entries whose views are gone are free.
]]
local ffi = require "ffi"
local memory = require "ipmmap.jit.memory"

local value = {}

local words = ffi.typeof "uint64_t[?]"

local views, memories, count = setmetatable({}, { __mode = "v" }), {}, 0
local free, free_count = {}, 0

local function free_entries()
  for entry = 1, count do
    if views[entry] == nil and memories[entry] then
      memories[entry] = nil
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

--- Take an entry for a view that is going to be made. It is used, whatever runs until `enter`.
local function take(of)
  local entry
  if free_count > 0 then
    entry = free[free_count]
    free_count = free_count - 1
  else
    count = count + 1
    entry = count
  end
  views[entry], memories[entry] = true, of
  return entry
end

--- An entry for a view of a part of a view that has an entry.
function value.take_part(entry)
  return take(memories[entry])
end

--- Store a view that was made for an entry.
function value.enter(entry, view)
  views[entry] = view
end

--- The memory of a view that has an entry.
function value.memory(entry)
  return memories[entry]
end

--- A view of a part of a value's memory.
function value.view_of(of, class, address)
  local entry = take(of)
  local view = class(address, entry)
  views[entry] = view
  return view
end

--- A value of a Struct, or of one of its parts, whose bytes are zero; and the address of the bytes.
function value.new(struct, type)
  local bytes = words(math.ceil(type.size / 8))
  local of = {
    struct = struct, type = type, base = ffi.cast("uint8_t *", bytes), bytes = bytes,
    reserved = 0, is_writable = true,
  }
  return memory.view_at(of, type, 0), of.base
end

return value

--[[
Detached values: a struct or array in this process's memory. The view of a value, or of a part of
one, is the address, because the bytes are there as long as such a view is: the value itself has its
memory, and a table keeps it alive as long as the view of a part.
]]
local ffi = require "ffi"
local memory = require "ipmmap.jit.memory"

local value = {}

local words = ffi.typeof "uint64_t[?]"

local memories = setmetatable({}, { __mode = "k" }) -- by value
local wholes = setmetatable({}, { __mode = "k" }) -- the values by views of parts

--- A value of a Struct, or of one of its parts, whose bytes are zero; and the address of the bytes.
function value.new(struct, type)
  local bytes = words(math.ceil(type.size / 8))
  local of = {
    struct = struct, type = type, base = ffi.cast("uint8_t *", bytes), bytes = bytes,
    reserved = 0, is_writable = true,
  }
  local new = memory.view_at(of, type, 0)
  memories[new] = of
  return new, of.base
end

--- Keep the value that a view belongs to alive as long as the new view of a part.
function value.keep(part, view)
  wholes[part] = wholes[view] or view
end

--- The memory of a value, or of a part of one.
function value.memory(view)
  return memories[wholes[view] or view]
end

return value

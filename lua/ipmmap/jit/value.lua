-- Detached values: a struct or array in this process's memory.
local ffi = require "ffi"
local memory = require "ipmmap.jit.memory"
local view = require "ipmmap.jit.view"

local value = {}

local words = ffi.typeof "uint64_t[?]"

local function collect(root)
  memory.end_of(memory.of(root))
end

--- A value whose bytes are zero, and the address of the bytes, which live as long as the value. Views
-- of its parts keep it alive.
function value.new(struct, type)
  local bytes = words(math.ceil(type.size / 8))
  local of, root = memory.detached(struct, type, ffi.cast("uint8_t *", bytes))
  of.bytes = bytes
  memory.make_writable(of)
  memory.set_owner(of, root)
  return ffi.gc(root, collect), of.base
end

--- The address of the bytes of a view or value. Raises if it may not be used.
function value.pointer(v)
  view.check_access(v, view.test(v))
  return memory.address(v)
end

return value

--[[
Memories: the bytes of one struct or array, which are those of a detached value, those of a feed
until it is closed, or those of a segment while a handle holds its lock.

Views are cdata, and cdata keeps nothing alive. So each memory has a control block that is never
freed, and each view has its block's address and a key. A view may be used while the block's `live`
is its key. No two memories ever have the same key, so a view of a memory that has ended raises an
error, also when another memory has got its block, and never touches freed bytes.

Only calls of the library order what this process and others do; the loads and stores of views do
not. This is enough: between ipm_segment_lock and ipm_segment_unlock nobody else changes the bytes,
and both are calls, before and after which LuaJIT completes all loads and stores.
]]
local ffi = require "ffi"
local bit = require "bit"
local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local types = require "ipmmap.jit.types"

local memory = {}

local cast = ffi.cast
local BLOCK = C.IPM_BLOCK_SIZE
local HEADER = C.IPM_HEADER_SIZE
local BLOCKS = 64 -- allocated at a time

-- The names of a view's members. No field has such a name.
memory.BLOCK, memory.KEY, memory.AT = "\255block", "\255key", "\255at"
local VIEW_BLOCK, VIEW_KEY, VIEW_AT = memory.BLOCK, memory.KEY, memory.AT

local block_p = ffi.typeof "ipmmap_block *"
local bytes_p = ffi.typeof "uint8_t *"
local int64 = ffi.typeof "int64_t"

--- The number of forks, as a pointer.
local forks = cast("const void *const *", C.ipm_forks())
if forks == nil then
  error("ipmmap: no memory to notice forks", 0)
end
memory.forks = forks

-- Blocks ---------------------------------------------------------------------------------------

local chunks = {} -- keeps the blocks
local blocks = {} -- by number
local memories = {} -- the memory that has, or had last, the block of that number
local free, first_free, last_free = {}, 1, 0 -- the numbers of free blocks, first in, first out
local last_key = 0

-- The owners of memories whose parts keep them alive, by the number of the block.
local owners = setmetatable({}, { __mode = "v" })

local function give_back(number)
  last_free = last_free + 1
  free[last_free] = number
end

local function add_blocks()
  local chunk = ffi.new("ipmmap_block[?]", BLOCKS)
  chunks[#chunks + 1] = chunk
  for i = 0, BLOCKS - 1 do
    local number = #blocks + 1
    chunk[i].number = number
    blocks[number] = chunk + i
    give_back(number)
  end
end

-- A block that ended long ago comes first, so that messages about its views can still tell more.
local function take_block()
  if first_free > last_free then
    free, first_free, last_free = {}, 1, 0
    add_blocks()
  end
  local number = free[first_free]
  free[first_free] = nil
  first_free = first_free + 1
  return blocks[number]
end

local function new_key()
  last_key = last_key + 1
  return cast("void *", last_key)
end

--- A memory of a whole type, which is not accessible yet.
local function new(struct, type)
  local block = take_block()
  local self = {
    block = block,
    number = block.number,
    key = new_key(),
    struct = struct,
    type = type,
    reserved = 0,
  }
  block.live, block.ready, block.ready_end, block.keeps = nil, nil, nil, nil
  block.segment, block.reserved = nil, 0
  block.size = type.size
  block.forks = forks[0]
  memories[self.number] = self
  return self
end

-- Access ---------------------------------------------------------------------------------------

--- The memory of a view, or nil if its memory has ended and its block belongs to another one.
function memory.of(view)
  local self = memories[cast(block_p, view[VIEW_BLOCK]).number]
  return self.key == view[VIEW_KEY] and self or nil
end

--- The offset of a view in its memory.
function memory.offset(view)
  local self = memory.of(view)
  return self and tonumber(cast(int64, view[VIEW_AT]) - cast(int64, self.base)) or 0
end

--- The address of a view's bytes, which must be accessible.
function memory.address(view)
  return cast(bytes_p, view[VIEW_AT])
end

--- The struct and the path of a part of a memory: "DemoMmapStructure.data_xy".
function memory.path(self, type, offset)
  local path = types.path(self.type, type, offset)
  return self.type.name .. (self.type.kind == "array" and path ~= "" and " " or "") .. path
end

--- Raise "<struct>.<path>: <message>".
function errors.complain(self, type, offset, format, ...)
  errors.refuse("%s: %s", memory.path(self, type, offset), format:format(...))
end

--- Whether the memory may be accessed now. Not so for a segment's in a fork's child.
function memory.is_accessible(self)
  local block = self.block
  return block.live == self.key and (block.forks == forks[0] or not self.is_live)
end

--- Raise an error: the memory may not be accessed now.
local function complain_access(self, type, offset)
  if not self.is_live then
    errors.complain(self, type, offset, "value used after its feed was closed")
  elseif self.block.forks ~= forks[0] then
    errors.set(C.IPM_EFORKED, "view used after a fork: its handle was opened by the parent")
    errors.raise()
  end
  errors.complain(self, type, offset, "view used after its lock was released")
end

function memory.check_access(self, type, offset)
  if not memory.is_accessible(self) then
    complain_access(self, type, offset)
  end
end

--- The slow part of the checks of a view: raise, unless the view is of a value in a fork's child,
-- where values stay usable.
function memory.lost(view, type)
  local self = memory.of(view)
  if not self then
    errors.refuse("%s: view used after its lock was released", type.name)
  end
  memory.check_access(self, type, memory.offset(view))
  self.block.forks = forks[0]
end

--- Raise an error: the memory cannot be written.
function memory.check_writable(self, type, offset)
  if not self.is_writable then
    errors.complain(self, type, offset, self.is_live and "a reader cannot write"
      or "a feed's value cannot be written: copy it by S:new(value)")
  end
end

--- Raise an error if the part is in the header of a segment.
function memory.check_reserved(self, type, offset)
  if offset < self.reserved and type ~= self.type then
    errors.complain(self, type, offset, "set only by creation, touch and clear")
  end
end

-- Raise an error about an address at which nothing can be changed.
local function refuse_change(block, at)
  local self = memories[block.number]
  local offset = tonumber(cast(int64, at) - cast(int64, block.base))
  local type, from = self.type, offset
  while not type.is_scalar do
    local part, begin = types.descend(type, from)
    type, from = part, from - begin
  end
  memory.check_access(self, type, offset)
  memory.check_writable(self, type, offset)
  memory.check_reserved(self, type, offset)
  complain_access(self, type, offset)
end

--[[
Prepare `size` bytes at an address of a segment for changes: whole blocks, which costs the same as
one byte of each. A range that follows the one prepared before is added to it. The header is not
part of any range.
]]
local function prepare(block, at, size)
  local from = cast(int64, at) - cast(int64, block.base)
  local first = bit.band(from, -BLOCK)
  local stop = bit.band(from + size + (BLOCK - 1), -BLOCK)
  if stop > cast(int64, block.size) then
    stop = cast(int64, block.size)
  end
  if from < block.reserved or block.segment == nil
      or C.ipm_segment_change(block.segment, first, stop - first) == nil then
    return false
  end
  if first < block.reserved then
    first = cast(int64, block.reserved)
  end
  local ready, ready_end = block.base + first, block.base + stop
  if ready ~= block.ready_end then
    block.ready = ready
  end
  block.ready_end = ready_end
  return true
end

--- The slow part of a store to a view's field: make sure that the bytes may be changed. Raises.
function memory.prepare(block, at, size)
  if at >= block.ready and at + size <= block.ready_end then
    return
  end
  if not prepare(block, at, size) then
    refuse_change(block, at)
  end
end

--- Make a range of an accessible, writable memory ready for changes. Returns its address, or nil.
function memory.change(self, offset, size)
  local block = self.block
  local at = block.base + offset
  if (at >= block.ready and at + size <= block.ready_end) or prepare(block, at, size) then
    return at
  end
end

-- The memories of handles ----------------------------------------------------------------------

--- The memory of a handle's segment. It is accessible between `begin` and `finish`.
function memory.live(struct, segment, is_writable)
  local self = new(struct, memory.type_of(struct))
  self.is_live, self.is_writable = true, is_writable
  self.segment = segment
  self.reserved, self.block.reserved = HEADER, HEADER
  self.block.segment = is_writable and segment or nil
  return self
end

-- The segment's bytes have an address, for the first time or a new one. Views have addresses, so
-- those made before must not be used again.
local function move(self, base)
  self.key = new_key()
  self.base, self.block.base = base, base
  self.root = memory.view_at(self, self.type, 0)
end

--- The handle has taken its lock. Returns the root view, the same each time.
function memory.begin(self)
  local block, segment = self.block, self.segment
  if segment == nil then
    errors.refuse("%s: the handle was closed meanwhile", self.type.name)
  end
  local base = cast(bytes_p, C.ipm_segment_data(segment))
  if base ~= block.base or self.root == nil then
    move(self, base)
  end
  block.live = self.key
  return self.root
end

--- The handle releases its lock: no view may be used from now on.
function memory.finish(self)
  local block = self.block
  block.live, block.ready, block.ready_end = nil, nil, nil
end

--- Whether the handle holds its lock. Not so in a fork's child.
memory.is_locked = memory.is_accessible

--- The memory will not be used again; its block may be given to another one.
function memory.end_of(self)
  if not self.has_ended then
    self.has_ended = true
    memory.finish(self)
    self.block.segment, self.segment, self.bytes = nil, nil, nil
    owners[self.number] = nil
    give_back(self.number)
  end
end

-- Memories outside a segment -------------------------------------------------------------------

--- The memory of bytes outside a segment, which is accessible until its end, and its root view. Views
-- of parts keep the owner alive that `memory.set_owner` tells.
function memory.detached(struct, type, base)
  local self = new(struct, type)
  self.base, self.block.base = base, base
  self.block.live = self.key
  self.block.keeps = self.key
  return self, memory.view_at(self, type, 0)
end

--- Let views assign to all of a detached memory.
function memory.make_writable(self)
  local block = self.block
  self.is_writable = true
  block.ready, block.ready_end = block.base, block.base + self.type.size
end

function memory.set_owner(self, owner)
  owners[self.number] = owner
end

--- The owner of the memory that has a block.
function memory.owner(block)
  return owners[block.number]
end

--- The memory of a feed's value, which cannot be assigned to, and the value.
function memory.feed(struct, pointer, owner)
  local self, value = memory.detached(struct, memory.type_of(struct), cast(bytes_p, pointer))
  memory.set_owner(self, owner)
  return self, value
end

return memory

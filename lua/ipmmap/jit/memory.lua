--[[
Memories: the bytes of one struct or array, which are those of a detached value, those of a feed
until it is closed, or those of a segment while a handle holds its lock.

Views are cdata, and cdata keeps nothing alive. So the view of a segment or of a feed has no
address. It is a number: each memory has a range of numbers of its own, one for each byte, which no
other memory ever gets. An access finds the memory by the number, and the byte by the memory. A view
whose memory has ended finds none and raises an error, whatever lies at the old address now.

The memory that was locked or used last is the present one, which an access looks at first. Its
block has what compiled code needs.

A value is always accessible, so its view is the address of its bytes: see value.lua.

Only calls of the library order what this process and others do; the loads and stores of views do
not. This is enough: between ipm_segment_lock and ipm_segment_unlock nobody else changes the bytes,
and both are calls, before and after which LuaJIT completes all loads and stores.
]]
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local types = require "ipmmap.jit.types"
local pairs = require("ipmmap.loops").pairs

local memory = {}

local cast, band, tobit = ffi.cast, require("bit").band, require("bit").tobit
local segment_change, segment_data = C.ipm_segment_change, C.ipm_segment_data
local BLOCK = C.IPM_BLOCK_SIZE
local AHEAD = 8 * BLOCK
local HEADER = C.IPM_HEADER_SIZE

local bytes_p = ffi.typeof "uint8_t *"
local int64, uint64 = ffi.typeof "int64_t", ffi.typeof "uint64_t"

--- The number of forks, as a pointer.
local forks = cast("const void *const *", C.ipm_forks())
if forks == nil then
  error("ipmmap: no memory to notice forks", 0)
end
memory.forks = forks

--- How often a memory has become inaccessible. Code that has checked a memory looks at it once more
-- before it uses the address, because a finalizer may have run in between.
local ends = ffi.new "int32_t[1]"
memory.ends = ends

-- The block of no memory, in which nothing may be accessed.
local no_block = ffi.new "ipmmap_block"

--- The block of the present memory.
local present = ffi.new("ipmmap_block *[1]", no_block)
memory.present = present

-- The memories that may be accessed now: the block of the newest one, which leads to the others.
local newest = ffi.new("ipmmap_block *[1]", no_block)

-- The memories that have not ended, and the last ones that have, for messages. The former also
-- keeps their blocks.
local open = {}
local ended, ended_count = {}, 0
local ENDED = 64

-- The first number that no memory has.
local next_number = 0x100000ULL

--- A memory of a Struct's type, which is not accessible yet.
local function new(struct)
  local type = memory.type_of(struct)
  local block = ffi.new "ipmmap_block"
  local self = { block = block, struct = struct, type = type, first = next_number, reserved = 0 }
  block.first = cast("void *", next_number)
  block.limit = type.size
  block.forks = forks[0]
  next_number = next_number + type.size + BLOCK -- a number after the last byte is no other's
  open[self] = true
  return self
end

-- Access ---------------------------------------------------------------------------------------

local function activate(block)
  block.ready, block.ready_end = nil, nil
  block.size = cast("void *", block.limit)
  block.below = newest[0]
  newest[0] = block
  present[0] = block
end

-- Take out a block that is not the newest one, if it is there.
local function take_out(block)
  local above = newest[0]
  while above ~= no_block do
    if above.below == block then
      above.below = block.below
      return
    end
    above = above.below
  end
end

local function deactivate(block)
  block.size = nil
  if newest[0] == block then
    newest[0] = block.below
  else
    take_out(block)
  end
  present[0] = newest[0]
  ends[0] = tobit(ends[0] + 1)
end

-- The memory that has, or had, a number; nil: it ended long ago.
local function owner_of(number)
  for _, list in ipairs { open, ended } do
    for key, value in pairs(list) do
      local self = list == open and key or value
      if number - self.first < cast(uint64, self.block.limit) then
        return self
      end
    end
  end
end

--- The struct and the path of a part of a memory: "DemoMmapStructure.data_xy".
function memory.path(self, type, offset)
  local path = types.path(self.type, type, offset)
  return self.type.name .. (self.type.kind ~= "struct" and path ~= "" and " " or "") .. path
end

--- Raise "<struct>.<path>: <message>".
function errors.complain(self, type, offset, format, ...)
  errors.refuse("%s: %s", memory.path(self, type, offset), format:format(...))
end

--- Raise an error: a list has a count for which it has no room.
function memory.complain_count(self, type, offset, count)
  errors.set(C.IPM_ECORRUPT, ("%s: %d elements are more than its %d"):format(
    memory.path(self, type, offset), count, type.count))
  errors.raise()
end

--- Whether the memory may be accessed now. Not so for a segment's in a fork's child.
function memory.is_accessible(self)
  local block = self.block
  return not block or block.size ~= nil and block.forks == forks[0]
end

--- Raise an error unless the memory may be accessed now.
function memory.check_access(self, type, offset)
  if memory.is_accessible(self) then
    return
  elseif self.block.forks ~= forks[0] then
    errors.set(C.IPM_EFORKED, (self.is_live and "view" or "value")
      .. " used after a fork: its handle was opened by the parent")
    errors.raise()
  end
  errors.complain(self, type, offset, self.is_live and "view used after its lock was released"
    or "value used after its feed was closed")
end

--- The slow part of an access by a view's number: the block of its memory, which becomes the
-- present one, and the offset. Raises if the memory may not be accessed.
function memory.reach(number, type)
  local block = newest[0]
  while block ~= no_block do
    local offset = number - cast(uint64, block.first)
    if offset < cast(uint64, block.size) and block.forks == forks[0] then
      present[0] = block
      return block, offset
    end
    block = block.below
  end
  local self = owner_of(number)
  if not self then
    errors.refuse("%s: view used after its lock was released", type.name)
  end
  memory.check_access(self, type, tonumber(number - self.first))
end

--- The memory of a number, or nil, and the offset there.
function memory.locate(number)
  local self = owner_of(number)
  return self, self and tonumber(number - self.first)
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

-- Changes --------------------------------------------------------------------------------------

--[[
Prepare `size` bytes at an address of a segment for changes: the whole blocks that they are in. If
these follow the ones prepared before, a loop probably goes through an array. Then more blocks are
prepared, up to half as many as the loop has had, because a compiled loop that seldom leaves its
main path is faster.
]]
local function prepare(block, at, size, ends_before)
  local from = cast(int64, at) - cast(int64, block.base)
  local first = band(from, -BLOCK)
  local stop = band(from + size + (BLOCK - 1), -BLOCK)
  local follows = at >= block.ready and at <= block.ready_end
  if follows then
    local done = cast(int64, block.ready_end) - cast(int64, block.ready)
    stop = stop + (done < 2 * AHEAD and band(done / 2, -BLOCK) or AHEAD)
  end
  if stop > block.limit then
    stop = block.limit
  end
  local segment, length = block.segment, stop - first
  if segment == nil or ends[0] ~= ends_before
      or segment_change(segment, first, length) == nil then
    return false
  end
  if not follows then
    block.ready = block.base + first
  end
  block.ready_end = block.base + stop
  return true
end

-- Raise an error about an address at which nothing can be changed.
local function refuse_change(block, at)
  local self, offset = memory.locate(cast(uint64, block.first) + (at - block.base))
  local type, begin = types.leaf(self.type, offset)
  memory.check_access(self, type, begin)
  memory.check_writable(self, type, begin)
  memory.check_reserved(self, type, begin)
  errors.complain(self, type, begin, "view used after its lock was released")
end

--- The slow part of a store to a view's field: prepare bytes for changes, or raise an error about
-- the part at an address.
function memory.prepare(block, from, size, at, ends_before)
  if not prepare(block, from, size, ends_before) and ends[0] == ends_before then
    refuse_change(block, at)
  end
end

--- Make a range of an accessible, writable memory ready for changes. Returns its address, or nil.
function memory.change(self, offset, size)
  local block, ends_before = self.block, ends[0]
  if not block then
    return self.base + offset
  end
  local at = block.base + offset
  if (at >= block.ready and at + size <= block.ready_end)
      or prepare(block, at, size, ends_before) then
    return at
  end
end

-- The memories of handles ----------------------------------------------------------------------

--- The memory of a handle's segment. It is accessible between `begin` and `finish`.
function memory.live(struct, segment, is_writable)
  local self = new(struct)
  self.is_live, self.is_writable = true, is_writable
  self.segment = segment
  self.reserved = HEADER
  self.block.segment = segment
  self.root = memory.view_at(self, self.type, 0)
  return self
end

--- The handle has taken its lock. Returns whether its views may be used now: not if a debug hook
-- has closed the handle meanwhile.
function memory.begin(block)
  local segment = block.segment
  if segment ~= nil then
    block.base = cast(bytes_p, segment_data(segment))
    activate(block)
  end
  if block.segment ~= nil then
    return true
  end
  deactivate(block)
  return false
end

--- The handle releases its lock: no view may be used from now on.
memory.finish = deactivate

--- Whether the handle holds its lock. Not so in a fork's child.
function memory.is_active(block)
  return block.size ~= nil and block.forks == forks[0]
end

--- Whether the handle holds its lock. Not so in a fork's child.
memory.is_locked = memory.is_accessible

--- The handle or the feed is closed: the memory will not be used again.
function memory.end_of(self)
  if not open[self] then
    return
  end
  deactivate(self.block)
  open[self] = nil
  self.segment, self.block.segment = nil, nil
  ended_count = ended_count + 1
  ended[ended_count % ENDED] = self
end

-- The memories of feeds ------------------------------------------------------------------------

-- Keeps the owner of a memory alive as long as the view of a part.
local owners = setmetatable({}, { __mode = "v" })
local kept = setmetatable({}, { __mode = "k" })

--- The memory of a feed's value, which cannot be assigned to, and the value. Views of its parts
-- keep `owner` alive.
function memory.feed(struct, pointer, owner)
  local self = new(struct)
  local block = self.block
  block.base = cast(bytes_p, pointer)
  self.base = block.base
  block.keeps = block.first
  owners[tonumber(self.first)] = owner
  activate(block)
  return self, memory.view_at(self, self.type, 0)
end

--- Keep the owner of a feed's value alive as long as a view.
function memory.keep(view, block)
  kept[view] = owners[tonumber(cast(uint64, block.first))]
end

return memory

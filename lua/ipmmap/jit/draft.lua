--[[
Drafts: lists of what an assignment will store. A draft has the memory, `count`, and for each piece
three values: the type, the offset, and the scalar or the bytes of a view or value; or a fill of
initial.lua and the offset. `reserved` is the memory's, or 0 while a header is checked that will not
be stored.
]]
local ffi = require "ffi"
local initial = require "ipmmap.jit.initial"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"

local draft = {}

--- The types of the heads of lists and of optional values.
draft.COUNT = { kind = "uint32", name = "uint32", size = 4, is_scalar = true }
draft.PRESENT = { kind = "bool", name = "bool", size = 1, is_scalar = true }

function draft.new(of)
  return { memory = of, reserved = of.reserved, count = 0 }
end

function draft.add(self, type, offset, what)
  local count = self.count
  self[count + 1], self[count + 2], self[count + 3] = type, offset, what
  self.count = count + 3
end

--- Add the first values of `count` elements: see initial.lua.
function draft.add_initial(self, element, offset, count, field, base)
  if count > 0 then
    draft.add(self, initial.fill(element, offset, count, field, base), offset, nil)
  end
end

--- Store bytes at an offset, but for the header of a segment. Returns false on failure: also if a
-- memory has become inaccessible since `ends_before`, which may be that of `from`.
function draft.store_bytes(of, offset, size, from, ends_before)
  local kept = offset < of.reserved and math.min(of.reserved - offset, size) or 0
  if size == kept then
    return true
  end
  local to = memory.change(of, offset + kept, size - kept)
  from = from + kept
  if to == nil or memory.ends[0] ~= ends_before then
    return false
  end
  ffi.copy(to, from, size - kept)
  return true
end

local function store_piece(of, type, offset, what, ends_before)
  if type.is_fill then
    local to = memory.change(of, offset, type.size)
    return to ~= nil and initial.store(type, to, ends_before)
  elseif not type.is_scalar then
    return draft.store_bytes(of, offset, type.size, ffi.cast("uint8_t *", what), ends_before)
  end
  local at = memory.change(of, offset, type.size)
  return at ~= nil and scalar.store(type, at, what, memory.ends, ends_before)
end

--- Store a draft. Returns false if the place cannot be changed; a part may have been stored.
function draft.store(self)
  local of, ends_before = self.memory, memory.ends[0]
  if not memory.is_accessible(of) then
    return false
  end
  for i = 1, self.count, 3 do
    if not store_piece(of, self[i], self[i + 1], self[i + 2], ends_before) then
      return false
    end
  end
  return true
end

return draft

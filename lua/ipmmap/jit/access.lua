-- Reading and writing a segment by path and as a whole, in LuaJIT. src/lua/access.c does the same
-- for Lua.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local assign = require "ipmmap.jit.assign"
local errors = require "ipmmap.jit.errors"
local guards = require "ipmmap.jit.guards"
local handle = require "ipmmap.jit.handle"
local lock = require "ipmmap.jit.lock"
local memory = require "ipmmap.jit.memory"
local refusal = require "ipmmap.jit.refusal"
local scalar = require "ipmmap.jit.scalar"
local source = require "ipmmap.jit.source"
local structs = require "ipmmap.jit.struct"
local sums = require "ipmmap.jit.sums"
local values = require "ipmmap.jit.value"
local views = require "ipmmap.jit.view"

-- Locals, which cost nothing in compiled code.
local segment_read, segment_snapshot = C.ipm_segment_read, C.ipm_segment_snapshot
local check, check_writer, live = handle.check, handle.check_writer, handle.live
local find, load_scalar = structs.find, scalar.load
local missing, complain_missing, check_guards = guards.missing, guards.complain, guards.check
local buffer = errors.buffer
local is_active = memory.is_active

local methods = handle.methods

-- Reading --------------------------------------------------------------------------------------

-- Scalars of at most this size are read into one buffer.
local SMALL = 512
local small = ffi.new("uint64_t[?]", SMALL / 8)

-- Reads a part that was found in the memory `of`. Returns whether that has succeeded.
local function read_into(state, of, part, pointer)
  if is_active(of.block) then
    lock.check_holder(state)
  end
  return state.memory == of
    and segment_read(live(state), part.offset, part.type.size, pointer, buffer) == C.IPM_OK
end

local function read_large(state, of, part)
  local kind = part.type
  if kind.is_scalar then
    local bytes = ffi.new("uint8_t[?]", kind.size)
    return read_into(state, of, part, bytes), bytes
  end
  local value, pointer = values.new(of.struct, kind)
  return read_into(state, of, part, pointer), value
end

-- Reads a part that may be missing: one in a list or an optional value, or an optional value. All
-- bytes from the first list or optional value on are of one moment. What is absent is nil, and so
-- is the element after the last one of a list. Returns whether that has succeeded, and the value.
local function read_guarded(state, of, part)
  local size = part.offset + part.type.size - part.from
  local bytes = ffi.new("uint64_t[?]", (size + 7) / 8)
  local from = ffi.cast("uint8_t *", bytes)
  if state.memory ~= of
    or segment_read(live(state), part.from, size, bytes, buffer) ~= C.IPM_OK then
    return false
  end
  local guard, count
  if part.guards then
    guard, count = missing(part, from)
  end
  if not guard then
    return true, values.load(of.struct, part.type, from + (part.offset - part.from)), bytes
  elseif guard.index and guard.index ~= count + 1 then
    complain_missing(of, part, guard, count)
  end
  return true, nil
end

function methods:read(path)
  local state = check(self)
  local of = state.memory
  local part = find(of.struct, path)
  local kind = part.type
  if part.is_guarded then
    local is_read, value = read_guarded(state, of, part)
    if is_read then
      return value
    end
  elseif kind.is_scalar and kind.size <= SMALL then
    if read_into(state, of, part, small) then
      return load_scalar(kind, small)
    end
  else
    local is_read, value = read_large(state, of, part)
    if is_read then
      return kind.is_scalar and load_scalar(kind, value) or value
    end
  end
  handle.retry(state, of)
  return self:read(path)
end

local version_now = ffi.new "uint64_t[1]"

-- The type of a detached value, into which a snapshot of the handle's struct goes.
local function check_into(state, here, into)
  local given = views.test(into)
  local target = given and views.memory(into)
  if not given or target and target.is_live then
    errors.refuse("%s: a snapshot goes into a detached value, not into %s%s", state.name,
      given and "the view of " or "", errors.shown(into))
  end
  values.pointer(into) -- raises if it cannot be accessed
  if not target.is_writable then
    errors.complain(target, given, views.offset(into),
      "a feed's value cannot be written: copy it by S:new(value)")
  elseif not views.fits(given, here) then
    errors.refuse("%s: a snapshot does not fit into a %s%s", state.name, given.name,
      views.difference(given, here))
  end
  return given
end

-- Takes a snapshot into bytes that have room for the layout of the memory `of`. Returns whether
-- that has succeeded.
local function take_snapshot(state, of, pointer)
  return state.memory == of
    and segment_snapshot(live(state), pointer, version_now, buffer) == C.IPM_OK
end

-- Takes a snapshot into a value whose layout has other fields or offsets than the segment.
local function snapshot_fields(state, of, into, given)
  local bytes = ffi.new("uint8_t[?]", of.type.size)
  return take_snapshot(state, of, bytes)
    and source.copy_fields(views.memory(into), given, views.offset(into), of.type, bytes)
end

local weak = { __mode = "v" }

-- Takes a snapshot into a value, or into a new one. Returns whether that has succeeded, and the
-- value. The last value that was checked is not checked again: a value of the memory's type stays
-- one, with the same address.
local function snapshot(state, of, into)
  local checked = of.checked
  if into == nil then
    local value, pointer = values.new(of.struct, of.type)
    return take_snapshot(state, of, pointer), value
  elseif checked and rawequal(checked[1], into) then
    return take_snapshot(state, of, of.pointer), into
  end
  local given = check_into(state, of.type, into)
  if given ~= of.type then
    return snapshot_fields(state, of, into, given), into
  end
  of.pointer = values.pointer(into)
  of.checked = setmetatable({ into }, weak)
  return take_snapshot(state, of, of.pointer), into
end

function methods:snapshot(into)
  local state = check(self)
  local of = state.memory
  local is_taken, value = snapshot(state, of, into)
  if is_taken then
    return value
  end
  return handle.retry(state, of) and self:snapshot(into)
end

function methods:versioned_snapshot(into)
  local state = check(self)
  local of = state.memory
  local is_taken, value = snapshot(state, of, into)
  if is_taken then
    return value, tonumber(version_now[0])
  end
  handle.retry(state, of)
  return self:versioned_snapshot(into)
end

-- Writing --------------------------------------------------------------------------------------

local function store(state, assignment, part)
  if part.guards then check_guards(state.memory, part) end
  return assign.store(assignment)
end

local function store_scalar(state, part, stored)
  if part.guards then check_guards(state.memory, part) end
  local at = memory.change(state.memory, part.offset, part.type.size)
  if at == nil then
    return false
  end
  scalar.store(part.type, at, stored)
  return true
end

-- Writes a scalar, which needs no assignment.
local function write_scalar(state, of, part, value)
  memory.check_reserved(of, part.type, part.offset)
  local fits, stored = scalar.convert(part.type, value)
  if not fits then
    refusal.complain(of, part.type, part.offset, value)
  end
  local is_done, is_stored = lock.change(state, of, store_scalar, part, stored)
  return is_done and is_stored or not handle.retry(state, of)
end

-- Assigns a value to a part of the handle's struct. The result is false if the segment was replaced
-- and the handle has followed: then the method begins again.
local function write(state, of, part, value)
  local kind, offset = part.type, part.offset
  local assignment = assign.prepare(of, kind, offset, value)
  local is_done, is_stored = lock.change(state, of, store, assignment, part)
  if not is_done then
    return not handle.retry(state, of)
  elseif not is_stored then
    errors.complain(of, kind, offset, "the value changed while it was assigned")
  end
  return true
end

-- The number of elements of the list to which a path leads, if it leads to the element after the
-- last one at present.
local function find_next(state, of, part)
  local size = part.offset - part.from
  local bytes = ffi.new("uint64_t[?]", (size + 7) / 8)
  if state.memory ~= of
    or segment_read(live(state), part.from, size, bytes, buffer) ~= C.IPM_OK then
    return nil -- and write fails, too
  end
  local guard, count = missing(part, ffi.cast("uint8_t *", bytes))
  return guards.is_next(part, guard, count) and count or nil, bytes
end

-- Appends a value, if the list still has as many elements as when the assignment was prepared.
local function store_next(state, assignment, part)
  local of = state.memory
  local guard, count = missing(part, of.block.base + part.from)
  return guards.is_next(part, guard, count) and assign.store(assignment)
end

-- Appends a value to the `count` elements of a list. The result is false if the method begins
-- again.
local function append(state, of, part, count, value)
  local list = part.guards[#part.guards]
  local assignment = assign.prepare_append(of, list.type, list.offset, count, value)
  local is_done, is_stored = lock.change(state, of, store_next, assignment, part)
  if is_done then
    return is_stored
  end
  return not handle.retry(state, of)
end

local function write_part(state, of, part, value)
  if part.guards then
    local count = find_next(state, of, part)
    if count then
      return append(state, of, part, count, value)
    end
  end
  return (part.type.is_scalar and write_scalar or write)(state, of, part, value)
end

function methods:write(path, value)
  local state, of
  repeat
    state = check_writer(self)
    of = state.memory
  until write_part(state, of, find(of.struct, path), value)
end

function methods:set(fields)
  local state
  repeat
    state = check_writer(self)
  until write(state, state.memory, { type = state.memory.type, offset = 0 }, fields)
end

local is_number = {
  int8 = true, uint8 = true, int16 = true, uint16 = true, int32 = true, uint32 = true,
  int64 = true, uint64 = true, float = true, double = true,
}

local function is_whole(n)
  return type(n) == "cdata" or n == math.floor(n) and n - n == 0
end

local function is_integer_cdata(n)
  return type(n) == "cdata" and (ffi.istype("int64_t", n) or ffi.istype("uint64_t", n))
end

local function check_number(of, part, n)
  local kind, offset = part.type, part.offset
  if offset < of.reserved then
    errors.complain(of, kind, offset, "set only by creation, touch and clear")
  elseif not is_number[kind.kind] or scalar.is_named(kind) then
    errors.complain(of, kind, offset, "%s is not a number to add to", kind.name)
  elseif type(n) ~= "number" and not is_integer_cdata(n) then
    errors.complain(of, kind, offset, "%s is not a number to add", errors.shown(n))
  elseif kind.kind ~= "float" and kind.kind ~= "double" and not is_whole(n) then
    errors.complain(of, kind, offset, "%s is not an integer to add", errors.shown(n))
  end
end

local function add(state, part, n)
  local kind = part.type
  if part.guards then check_guards(state.memory, part) end
  local at = memory.change(state.memory, part.offset, kind.size)
  if at == nil then
    return false
  end
  local old = load_scalar(kind, at)
  local sum = sums.add(kind, old, n)
  if sum == nil then
    return false, old
  end
  scalar.store(kind, at, sum)
  return true, load_scalar(kind, at)
end

function methods:add(path, n)
  local state = check_writer(self)
  local of = state.memory
  local part = find(of.struct, path)
  check_number(of, part, n)
  local is_done, is_added, result = lock.change(state, of, add, part, n)
  if not is_done then
    return handle.retry(state, of) and self:add(path, n)
  elseif not is_added then
    refusal.complain_sum(of, part.type, part.offset, result, n,
      sums.unlimited(part.type, result, n))
  end
  return result
end

-- Calls a function of the core that changes the segment, under the lock.
local function call_core(state, change)
  return change(live(state), buffer) == C.IPM_OK
end

local function change_by(self, change)
  local state
  repeat
    state = check_writer(self)
    local is_done, is_changed = lock.change(state, state.memory, call_core, change)
  until is_done and is_changed or not handle.retry(state)
end

function methods:touch()
  change_by(self, C.ipm_segment_touch)
end

function methods:clear()
  change_by(self, C.ipm_segment_clear)
end

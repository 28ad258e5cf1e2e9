-- Reading and writing a segment by path and as a whole, in LuaJIT. src/lua/access.c does the same
-- for Lua.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local assign = require "ipmmap.jit.assign"
local errors = require "ipmmap.jit.errors"
local handle = require "ipmmap.jit.handle"
local lock = require "ipmmap.jit.lock"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"
local structs = require "ipmmap.jit.struct"
local values = require "ipmmap.jit.value"
local views = require "ipmmap.jit.view"

local buffer = errors.buffer
local live = handle.live
local methods = handle.methods

-- Reading --------------------------------------------------------------------------------------

-- Scalars of at most this size are read into one buffer.
local SMALL = 512
local small = ffi.new("uint64_t[?]", SMALL / 8)

local function read_into(state, part, pointer)
  return C.ipm_segment_read(live(state), part.offset, part.type.size, pointer, buffer) == C.IPM_OK
end

local function read_large(state, part)
  local kind = part.type
  if kind.is_scalar then
    local bytes = ffi.new("uint8_t[?]", kind.size)
    return read_into(state, part, bytes), bytes
  end
  local value, pointer = values.new(state.struct, kind)
  return read_into(state, part, pointer), value
end

function methods:read(path)
  local state = handle.check(self)
  local part = structs.find(state.struct, path)
  local kind = part.type
  if kind.is_scalar and kind.size <= SMALL then
    if read_into(state, part, small) then
      return scalar.load(kind, small)
    end
  else
    local is_read, value = read_large(state, part)
    if is_read then
      return kind.is_scalar and scalar.load(kind, value) or value
    end
  end
  return handle.retry(state) and self:read(path)
end

local version_now = ffi.new "uint64_t[1]"

-- The type of a detached value, into which a snapshot of the handle's struct goes.
local function check_into(state, into)
  local here = state.memory.type
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

-- Takes a snapshot into a value whose layout has other fields or offsets than the segment.
local function snapshot_fields(state, into, given)
  local bytes = ffi.new("uint8_t[?]", state.memory.type.size)
  local code = C.ipm_segment_snapshot(live(state), bytes, version_now, buffer)
  if code == C.IPM_OK then
    assign.copy_fields(views.memory(into), given, views.offset(into), state.memory.type, bytes)
  end
  return code
end

-- Takes a snapshot into a value, or into a new one. Returns a code, the value and the version.
local function snapshot(state, into)
  local here = state.memory.type
  local code, pointer
  if into == nil then
    into, pointer = values.new(state.struct, here)
    code = C.ipm_segment_snapshot(live(state), pointer, version_now, buffer)
  else
    local given = check_into(state, into)
    if given == here or C.ipm_type_equal(given.pointer, here.pointer) then
      code = C.ipm_segment_snapshot(live(state), values.pointer(into), version_now, buffer)
    else
      code = snapshot_fields(state, into, given)
    end
  end
  return code, into, tonumber(version_now[0])
end

function methods:snapshot(into)
  local state = handle.check(self)
  local code, value = snapshot(state, into)
  if code == C.IPM_OK then
    return value
  end
  return handle.retry(state) and self:snapshot(into)
end

function methods:versioned_snapshot(into)
  local state = handle.check(self)
  local code, value, version = snapshot(state, into)
  if code == C.IPM_OK then
    return value, version
  end
  handle.retry(state)
  return self:versioned_snapshot(into)
end

-- Writing --------------------------------------------------------------------------------------

local function store(_, assignment)
  return assign.store(assignment)
end

-- Assigns a value to a part of the handle's struct. The result is false if the segment was replaced
-- and the handle has followed: then the method begins again.
local function write(state, kind, offset, value)
  local assignment = assign.prepare(state.memory, kind, offset, value)
  live(state)
  local is_done, is_stored = lock.change(state, store, assignment)
  if not is_done then
    return not handle.retry(state)
  elseif not is_stored then
    errors.complain(state.memory, kind, offset, "the value changed while it was assigned")
  end
  return true
end

function methods:write(path, value)
  local state, part
  repeat
    state = handle.check_writer(self)
    part = structs.find(state.struct, path)
  until write(state, part.type, part.offset, value)
end

function methods:set(fields)
  local state
  repeat
    state = handle.check_writer(self)
  until write(state, state.memory.type, 0, fields)
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

local function check_number(state, part, n)
  local kind, offset = part.type, part.offset
  if offset < state.memory.reserved then
    errors.complain(state.memory, kind, offset, "set only by creation, touch and clear")
  elseif not is_number[kind.kind] then
    errors.complain(state.memory, kind, offset, "%s is not a number to add to", kind.name)
  elseif type(n) ~= "number" and not is_integer_cdata(n) then
    errors.complain(state.memory, kind, offset, "%s is not a number to add", errors.shown(n))
  elseif kind.kind ~= "float" and kind.kind ~= "double" and not is_whole(n) then
    errors.complain(state.memory, kind, offset, "%s is not an integer to add", errors.shown(n))
  end
end

local function add(state, part, n)
  local kind = part.type
  local at = memory.change(state.memory, part.offset, kind.size)
  if at == nil then
    return false
  end
  local old = scalar.load(kind, at)
  local sum = scalar.add(kind, old, n)
  if sum == nil then
    return false, old
  end
  scalar.store(kind, at, sum)
  return true, scalar.load(kind, at)
end

function methods:add(path, n)
  local state = handle.check_writer(self)
  local part = structs.find(state.struct, path)
  check_number(state, part, n)
  local is_done, is_added, result = lock.change(state, add, part, n)
  if not is_done then
    return handle.retry(state) and self:add(path, n)
  elseif not is_added then
    errors.complain(state.memory, part.type, part.offset, "%s + %s is out of range for %s (%s)",
      errors.shown(result), errors.shown(n), part.type.name, scalar.range(part.type))
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
    state = handle.check_writer(self)
    local is_done, is_changed = lock.change(state, call_core, change)
  until is_done and is_changed or not handle.retry(state)
end

function methods:touch()
  change_by(self, C.ipm_segment_touch)
end

function methods:clear()
  change_by(self, C.ipm_segment_clear)
end

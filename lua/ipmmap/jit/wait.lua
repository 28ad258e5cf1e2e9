-- Versions, waiting for commits, and descriptors for event loops, in LuaJIT. src/lua/wait.c,
-- changed.c and listen.c do the same for Lua.
--
-- No debug hook runs during a call into the core, nor in compiled code. So waits have turns of at
-- most a second, and are not compiled.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local handle = require "ipmmap.jit.handle"
local memory = require "ipmmap.jit.memory"
local seconds = require "ipmmap.jit.seconds"
local structs = require "ipmmap.jit.struct"
local values = require "ipmmap.jit.value"

local wait = {}

local FOREVER = 0x7fffffffffffffffLL

local buffer = errors.buffer
local live = handle.live
local methods = handle.methods

local now = ffi.new "uint64_t[1]"
local descriptor = ffi.new "int[1]"

--- Whether a wait has ended only because its turn was over, or because a signal came.
-- @local
function wait.goes_on(code, slice_ns)
  return code == C.IPM_EINTERRUPTED or code == C.IPM_ETIMEOUT and slice_ns ~= 0
end
jit.off(wait.goes_on) -- see errors.lua

-- Waits for a commit after a version. Returns a code of the core.
local function wait_for_commit(state, version, deadline)
  local code, slice_ns
  repeat
    slice_ns = seconds.slice(deadline)
    code = C.ipm_segment_wait(live(state), version, slice_ns, now, buffer)
  until not wait.goes_on(code, slice_ns)
  return code
end
jit.off(wait_for_commit)

-- Waiting for a field --------------------------------------------------------------------------

-- Whether the bytes differ from those that `wait` saw last. If this is the first wait for the
-- field: whether there was a commit since the handle was opened, or the handle has followed.
local function has_changed(state, path, bytes, version)
  local seen = state.seen[path]
  local changed = seen and seen ~= bytes or not seen
    and (version ~= state.opened or C.ipm_segment_openings(live(state)) > 1)
  if changed or not seen then
    state.seen[path] = bytes
  end
  return changed
end

-- Looks until the field has changed, or the time is over. Returns a code of the core, the field and
-- its bytes.
local function look_for_change(state, of, path, deadline)
  local part = structs.find(of.struct, path)
  if part.guards then
    errors.complain(of, part.type, part.offset,
      "it may come and go: wait for the whole list or optional field")
  end
  local size = part.type.size
  local into = ffi.new("uint8_t[?]", size)
  while true do
    local code = C.ipm_segment_version(live(state), now, buffer)
    local version = tonumber(now[0])
    if state.memory ~= of then
      return nil
    elseif code == C.IPM_OK then
      code = C.ipm_segment_read(live(state), part.offset, size, into, buffer)
    end
    if code ~= C.IPM_OK or has_changed(state, path, ffi.string(into, size), version) then
      return code, part, into
    end
    code = wait_for_commit(state, version, deadline)
    if code ~= C.IPM_OK then
      return code, part
    end
  end
end
jit.off(look_for_change)

local function wait_for_field(state, path, timeout)
  local deadline = seconds.deadline(seconds.check(timeout, FOREVER, state.name))
  local of, code, part, bytes
  repeat
    of = state.memory
    code, part, bytes = look_for_change(state, of, path, deadline)
  until code == C.IPM_OK or not handle.again(state, of)
  if code == C.IPM_OK then
    return values.load(of.struct, part.type, bytes)
  elseif not errors.is(C.IPM_ETIMEOUT) then
    return errors.fail()
  end
  return nil, ("%s: it did not change in time"):format(memory.path(of, part.type,
    part.offset)), "timeout"
end

function methods:wait(version, timeout)
  local state = handle.check(self)
  if type(version) == "string" then
    return wait_for_field(state, version, timeout)
  end
  local name = state.name
  version = seconds.number(version)
  if type(version) ~= "number" or version < 0 or version ~= math.floor(version)
    or version >= 0x1p63 then
    errors.refuse("%s: %s is neither a version nor a field's path", name, errors.shown(version))
  end
  local deadline = seconds.deadline(seconds.check(timeout, FOREVER, name))
  local code
  repeat
    code = wait_for_commit(state, version, deadline)
  until code == C.IPM_OK or not handle.again(state)
  if code == C.IPM_OK then
    return tonumber(now[0])
  end
  return errors.fail()
end

-- Versions and descriptors ---------------------------------------------------------------------

function methods:version()
  local state = handle.check(self)
  if C.ipm_segment_version(live(state), now, buffer) == C.IPM_OK then
    return tonumber(now[0])
  end
  return handle.retry(state) and self:version()
end

function methods:fd()
  local state = handle.check(self)
  if C.ipm_segment_fd(live(state), descriptor, buffer) == C.IPM_OK then
    return descriptor[0]
  end
  return handle.retry(state) and self:fd()
end

function methods:drain()
  local state = handle.check(self)
  if C.ipm_segment_drain(live(state), now, buffer) == C.IPM_OK then
    return tonumber(now[0])
  end
  return handle.retry(state) and self:drain()
end

return wait

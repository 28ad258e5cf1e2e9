-- Waiting for a commit to any of several segments, in LuaJIT. src/lua/wait_any.c does the same for
-- Lua.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local handle = require "ipmmap.jit.handle"
local memory = require "ipmmap.jit.memory"
local seconds = require "ipmmap.jit.seconds"
local wait = require "ipmmap.jit.wait"

local buffer = errors.buffer

-- The states of the handles in the list.
local function members_of(list, count)
  local states = {}
  for i = 1, count do
    local given = rawget(list, i)
    states[i] = handle.test(given) or errors.refuse(
      "wait_any takes a list of handles, and its element %d is %s", i, errors.shown(given))
  end
  return states
end

-- Fills the arrays for the core. Returns where it is to begin: after the handle reported last; and
-- the turn of that.
local function list_members(states, segments, versions)
  local first, last = 0, 0
  for i, state in ipairs(states) do
    segments[i - 1], versions[i - 1] = handle.live(state), state.reported
    if state.turn > last then
      first, last = i % #states, state.turn
    end
  end
  return first, last
end

-- Whether the handle that failed follows, so that the wait goes on.
local function member_follows(state)
  return state.follows
    and not memory.is_active(state.memory.block) and handle.catch_up(state) == C.IPM_OK
end

local function wait_any(list, timeout)
  if type(list) ~= "table" or handle.test(list) or #list == 0 then
    errors.refuse("wait_any takes a list of handles, not %s",
      type(list) == "table" and not handle.test(list) and "an empty table" or errors.shown(list))
  end
  local deadline = seconds.deadline(seconds.check(timeout, seconds.FOREVER, "wait_any"))
  local states = members_of(list, #list)
  local count = #states
  local segments = ffi.new("ipm_segment *[?]", count)
  local versions = ffi.new("uint64_t[?]", count)
  local which, version = ffi.new "size_t[1]", ffi.new "uint64_t[1]"
  while true do
    local slice_ns = seconds.slice(deadline)
    local first, last = list_members(states, segments, versions)
    local code = C.ipm_wait_any(segments, versions, count, first, slice_ns, which, version, buffer)
    local is_over = code ~= C.IPM_OK and not wait.goes_on(code, slice_ns)
    local failed, message, name
    if is_over then
      failed, message, name = errors.fail() -- first: with the cdata of `which` a finalizer may run
    end
    local state = states[tonumber(which[0]) + 1]
    if code == C.IPM_OK then
      state.reported, state.turn = tonumber(version[0]), last + 1
      return state.object, state.reported
    elseif is_over and not (name == "replaced" and member_follows(state)) then
      if code == C.IPM_ETIMEOUT then
        return failed, message, name
      end
      return failed, message, name, state.object
    end
  end
end
jit.off(wait_any) -- compiled code runs no hooks

return wait_any

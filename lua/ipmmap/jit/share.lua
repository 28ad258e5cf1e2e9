-- Where segments of several machines may be written, and the commits of other machines, in LuaJIT.
-- src/lua/share.c does the same for Lua.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local handle = require "ipmmap.jit.handle"
local lock = require "ipmmap.jit.lock"
local seconds = require "ipmmap.jit.seconds"
local from_uint64 = require("ipmmap.jit.meaning").from_uint64

local share = {}

local SECOND = 1e9
local LAST_TIME = 9e9 -- seconds, which must fit into nanoseconds

local PLACES = { [0] = "unshared", "home", "replica" }

local buffer = errors.buffer
local live = handle.live
local methods = handle.methods

local function nanoseconds(time)
  return ffi.cast("int64_t", time * SECOND + 0.5)
end

-- Where it may be written ----------------------------------------------------------------------

--- What `methods.share` returns; nil on failure, and errors.buffer has why.
-- @local
function handle.share(state)
  local of = ffi.new "ipm_share"
  if C.ipm_segment_share(live(state), of, buffer) ~= C.IPM_OK then
    return nil
  end
  return {
    place = PLACES[tonumber(of.place)], epoch = tonumber(of.epoch), ahead = tonumber(of.ahead),
    token = from_uint64(of.token),
    deadline = of.deadline ~= 0 and tonumber(of.deadline) / SECOND or nil,
  }
end

function methods:share()
  local state = handle.check(self)
  local told = handle.share(state)
  if not told then
    return handle.retry(state) and self:share()
  end
  return told
end

--- The share.lua of the directory above has checked all but the handle.
-- @local
function share.set(self, place, deadline, epoch, ahead, token)
  local state = handle.check(self)
  local given = ffi.new("ipm_share", {
    place = place, deadline = nanoseconds(deadline), epoch = epoch, ahead = ahead, token = token,
  })
  if C.ipm_segment_set_share(live(state), given, buffer) ~= C.IPM_OK then
    errors.raise()
  end
end

function share.boottime()
  return tonumber(C.ipm_boottime()) / SECOND
end

-- Commits of other machines --------------------------------------------------------------------

local function check_patch(state, patch)
  return type(patch) == "string" and patch
    or errors.refuse("%s: %s is not a patch", state.name, errors.shown(patch))
end

-- A time in nanoseconds; 0 if there is none.
local function check_time(state, time)
  time = seconds.number(time)
  if time == nil then
    return 0LL
  elseif type(time) ~= "number" or not (time >= 0 and time <= LAST_TIME) then
    errors.refuse("%s: %s is not a time in seconds", state.name, errors.shown(time))
  end
  return nanoseconds(time)
end

-- Calls `change` as lock.change does. Returns whether that has succeeded, and its result.
local function change(state, fn, ...)
  local of = state.memory
  local is_released, is_done, result = lock.change(state, of, fn, ...)
  if is_released and is_done then
    return true, result
  elseif of ~= state.memory then
    errors.set(C.IPM_EREPLACED, state.name .. " was replaced during the call")
  end
  return false
end

local function apply(state, patch, version, time_ns)
  return C.ipm_segment_apply(live(state), patch, #patch, version, time_ns, buffer) == C.IPM_OK
end

function methods:apply(patch, version, time)
  local state = handle.check(self)
  check_patch(state, patch)
  version = handle.check_version(state, version)
  if change(state, apply, patch, version, check_time(state, time)) then
    return true
  end
  return errors.fail()
end

local is_applied = ffi.new "bool[1]"

local function edit(state, expected, patch)
  local code = C.ipm_segment_edit(live(state), expected, #expected, patch, #patch, is_applied,
    buffer)
  return code == C.IPM_OK, is_applied[0]
end

function methods:edit(expected, patch)
  local state = handle.check(self)
  check_patch(state, expected)
  check_patch(state, patch)
  local is_done, was_applied = change(state, edit, expected, patch)
  if is_done then
    return was_applied
  end
  return errors.fail()
end

return share

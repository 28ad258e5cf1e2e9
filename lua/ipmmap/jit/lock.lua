-- Taking and releasing a handle's lock in LuaJIT. src/lua/lock.c does the same for Lua.
--
-- Debug hooks may raise an error between any two instructions that are not compiled. So everything
-- from before the lock is taken until after it is released runs inside pcall, and what comes after
-- that pcall rolls back if the lock is still held. The function of `with` runs in a second pcall
-- inside the first one, so that even a hook's error after the function's own releases the lock.
--
-- LuaJIT compiles pcall of a function that takes a fixed number of arguments. So the functions below
-- are there for 0 to 3 arguments; more arguments are passed by functions that it does not compile.
local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local handle = require "ipmmap.jit.handle"
local memory = require "ipmmap.jit.memory"
local seconds = require "ipmmap.jit.seconds"

local lock = {}

local FOREVER = 0x7fffffffffffffffLL
local SECOND = 1000000000LL

local buffer = errors.buffer
local live = handle.live
local methods = handle.methods

-- Taking the lock ------------------------------------------------------------------------------

-- Waits for the lock. No debug hook, such as that of Ctrl-C, runs during a call into the core, so
-- the wait has ends: the first one after a second. A thread that waits again is the last in the
-- queue, so each turn is twice as long as the one before.
local function wait(state, timeout_ns)
  local turn_ns = SECOND
  local deadline = seconds.deadline(timeout_ns)
  while true do
    local left_ns = seconds.left(deadline)
    local code = C.ipm_segment_lock(live(state), left_ns < turn_ns and left_ns or turn_ns, buffer)
    if code ~= C.IPM_ETIMEOUT or left_ns <= turn_ns then
      return code
    end
    turn_ns = turn_ns * 2
  end
end
jit.off(wait) -- compiled code runs no hooks

-- The part of `take` for a lock that is not free.
local function keep_trying(state, timeout_ns)
  local code
  repeat
    code = C.ipm_segment_lock(live(state), 0, buffer)
    if code == C.IPM_ETIMEOUT and timeout_ns > 0 then
      code = wait(state, timeout_ns)
    end
  until code == C.IPM_OK or not handle.again(state)
  return code == C.IPM_OK
end

-- Takes the lock. Returns whether it could be had; errors.buffer tells why not.
local function take(state, timeout_ns)
  return C.ipm_segment_lock(live(state), 0, buffer) == C.IPM_OK or keep_trying(state, timeout_ns)
end

-- Releases the lock. Returns whether the changes were committed, or rolled back; errors.buffer
-- tells why not.
local function release(state, is_commit)
  memory.finish(state.memory)
  if is_commit then
    return C.ipm_segment_unlock(live(state), buffer) == C.IPM_OK
  end
  return C.ipm_segment_rollback(live(state), buffer) == C.IPM_OK
end

-- Whether the handle holds the lock that was taken at that epoch.
local function is_standing(state, epoch)
  return state.epoch == epoch and memory.is_locked(state.memory)
end

-- Rolls back, wherever an error has ended the call that took the lock at that epoch.
local function abandon(state, epoch)
  if state.epoch == epoch and state.opened_at[0] ~= nil then
    memory.finish(state.memory)
    C.ipm_segment_rollback(state.opened_at[0], nil)
  end
end

-- with -----------------------------------------------------------------------------------------

-- Not a tail call: LuaJIT compiles the function by itself only if a Lua function has called it.
local function call_0(fn, view) return true, fn(view) end
local function call_1(fn, view, a) return true, fn(view, a) end
local function call_2(fn, view, a, b) return true, fn(view, a, b) end
local function call_3(fn, view, a, b, c) return true, fn(view, a, b, c) end
local function call(fn, view, ...) return true, fn(view, ...) end

-- Commits, and returns what the function has returned after `failure`; or rolls back, and passes
-- the error on.
local function finish(state, epoch, ok, failure, ...)
  if not ok then
    abandon(state, epoch)
    error(failure, 0)
  end
  if is_standing(state, epoch) and not release(state, true) then
    errors.raise()
  end
  return ...
end

local function begin(state, epoch, timeout_ns)
  state.epoch = epoch
  return take(state, timeout_ns) and memory.begin(state.memory)
end

local function locked_0(state, epoch, timeout_ns, fn)
  local view = begin(state, epoch, timeout_ns)
  if not view then return false end
  return true, finish(state, epoch, pcall(call_0, fn, view))
end

local function locked_1(state, epoch, timeout_ns, fn, a)
  local view = begin(state, epoch, timeout_ns)
  if not view then return false end
  return true, finish(state, epoch, pcall(call_1, fn, view, a))
end

local function locked_2(state, epoch, timeout_ns, fn, a, b)
  local view = begin(state, epoch, timeout_ns)
  if not view then return false end
  return true, finish(state, epoch, pcall(call_2, fn, view, a, b))
end

local function locked_3(state, epoch, timeout_ns, fn, a, b, c)
  local view = begin(state, epoch, timeout_ns)
  if not view then return false end
  return true, finish(state, epoch, pcall(call_3, fn, view, a, b, c))
end

local function locked(state, epoch, timeout_ns, fn, ...)
  local view = begin(state, epoch, timeout_ns)
  if not view then return false end
  return true, finish(state, epoch, pcall(call, fn, view, ...))
end

local by_count = { [0] = locked_0, locked_1, locked_2, locked_3 }

-- The end of `with` and `try_with`: the results of the function, or the error.
local function deliver(is_try, state, epoch, ok, is_taken, ...)
  if not ok then
    abandon(state, epoch)
    error(is_taken, 0)
  elseif is_taken then
    return ...
  elseif is_try then
    return errors.fail()
  end
  errors.raise()
end

local function check_function(name, fn)
  if type(fn) ~= "function" and not (debug.getmetatable(fn) or {}).__call then
    errors.refuse("%s takes a function, not %s", name, errors.shown(fn))
  end
end

local function refuse_second(state)
  errors.refuse("%s: this handle holds its lock already, and unlock() or rollback() releases it",
    state.name)
end

local function call_locked(is_try, state, timeout_ns, fn, ...)
  if type(fn) ~= "function" then
    check_function(is_try and "try_with" or "with", fn)
  end
  if memory.is_locked(state.memory) then
    refuse_second(state)
  end
  local epoch = state.epoch + 1
  return deliver(is_try, state, epoch,
    pcall(by_count[select("#", ...)] or locked, state, epoch, timeout_ns, fn, ...))
end

function methods:with(fn, ...)
  return call_locked(false, handle.check(self), FOREVER, fn, ...)
end

-- handle:try_with([seconds,] fn, ...)
local function try_with(self, timeout, ...)
  local state = handle.check(self)
  if type(timeout) == "number" then
    return call_locked(true, state, seconds.check(timeout, 0, state.name), ...)
  end
  return call_locked(true, state, 0, timeout, ...)
end
methods.try_with = try_with

-- Locks without a function ---------------------------------------------------------------------

-- A lock that is forgotten must be found. Lua finds it by <close>, and by a finalizer of the view.
local function refuse_lock(self)
  errors.refuse("%s: LuaJIT has no <close>, so it would not notice that a lock is forgotten: use "
    .. "handle:with(function(view) ... end) or try_with", handle.check(self).memory.type.name)
end
methods.lock, methods.try_lock = refuse_lock, refuse_lock

local function end_by_hand(state, is_commit)
  if not memory.is_locked(state.memory) then
    local name = is_commit and "unlock" or "rollback"
    if C.ipm_segment_unlock(live(state), buffer) == C.IPM_EINVALID then
      errors.refuse("%s: %s without a lock", state.name, name)
    end
    errors.raise()
  elseif not release(state, is_commit) then
    errors.raise()
  end
end

function methods:unlock()
  end_by_hand(handle.check(self), true)
end

function methods:rollback()
  end_by_hand(handle.check_writer(self), false)
end

-- Transactions of methods ----------------------------------------------------------------------

-- Calls `change` under the lock. Commits if the first result is true. Rolls back without a call if
-- the handle has followed to another layout.
local function change_locked(state, epoch, of, change, a, b)
  state.epoch = epoch
  if not take(state, FOREVER) then
    return false
  elseif state.memory ~= of then
    release(state, false)
    return false
  end
  memory.begin(of)
  local is_done, result = change(state, a, b)
  return release(state, is_done), is_done, result
end

local function deliver_change(state, epoch, ok, is_released, is_done, result)
  if not ok then
    abandon(state, epoch)
    error(is_released, 0)
  end
  return is_released, is_done, result
end

--- Calls `change(state, a, b)` while the handle holds its lock: in its transaction, or else in one of
-- its own, which is rolled back if the first result is false.
-- @local
-- @tparam table of the memory in which the caller has found the place to change
-- @treturn boolean false: the method begins again, or fails; see handle.retry
-- @return the two results of `change`
function lock.change(state, of, change, a, b)
  if memory.is_locked(of) then
    return true, change(state, a, b)
  end
  local epoch = state.epoch + 1
  return deliver_change(state, epoch, pcall(change_locked, state, epoch, of, change, a, b))
end

return lock

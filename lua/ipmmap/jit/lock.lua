-- Taking and releasing a handle's lock in LuaJIT. src/lua/lock.c does the same for Lua.
--
-- Debug hooks may raise an error between any two instructions that are not compiled. So everything
-- from before the lock is taken until after it is released runs inside pcall, and what comes after
-- that pcall rolls back if the lock is still held. The function of `with` runs in a second pcall
-- inside the first one, so that even a hook's error after the function's own releases the lock.
--
-- LuaJIT compiles pcall of a function that takes a fixed number of arguments. So there are
-- functions for 0 to 3 arguments. Those for any number are not compiled.
local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local handle = require "ipmmap.jit.handle"
local hooks = require "ipmmap.jit.hooks"
local memory = require "ipmmap.jit.memory"
local seconds = require "ipmmap.jit.seconds"

local lock = {}

local FOREVER = 0x7fffffffffffffffLL
local SECOND = 1000000000LL

-- Locals, which cost nothing in compiled code.
local pcall, rawequal, select, type = pcall, rawequal, select, type
local segment_lock, segment_unlock = C.ipm_segment_lock, C.ipm_segment_unlock
local block_of, root_of, state_of = handle.block_of, handle.root, handle.state
local begin_access, end_access, is_active = memory.begin, memory.finish, memory.is_active
local live = handle.live
local buffer = errors.buffer

local methods = handle.methods

-- Taking the lock ------------------------------------------------------------------------------

-- Waits for the lock. No debug hook, such as that of Ctrl-C, runs during a call into the core. So
-- the core asks between two slices whether there is a hook, and the wait ends for one that is set
-- meanwhile. For a hook that was set before, and where the core cannot ask, the wait has ends: the
-- first one after a second. A thread that waits again is the last in the queue, so each turn is
-- twice as long as the one before.
local function wait(state, timeout_ns)
  local turn_ns = SECOND
  local deadline = seconds.deadline(timeout_ns)
  while true do
    local left_ns = seconds.left(deadline)
    local asks = hooks.can_ask and not hooks.is_set()
    local slice_ns = not asks and turn_ns < left_ns and turn_ns or left_ns
    C.ipm_segment_ask(live(state), asks and hooks.ask or nil, hooks.state)
    local code = segment_lock(live(state), slice_ns, buffer)
    if code ~= C.IPM_EINTERRUPTED and (code ~= C.IPM_ETIMEOUT or left_ns <= slice_ns) then
      return code
    end
    turn_ns = turn_ns * 2
  end
end
jit.off(wait) -- compiled code runs no hooks

-- Takes a lock that was not free. Returns whether it could be had; errors.buffer tells why not.
local function keep_trying(state, timeout_ns)
  local code
  repeat
    code = segment_lock(live(state), 0, buffer)
    if code == C.IPM_ETIMEOUT and timeout_ns > 0 then
      code = wait(state, timeout_ns)
    end
  until code == C.IPM_OK or not handle.again(state)
  return code == C.IPM_OK
end

-- Releases the lock: commits, or rolls back. Returns a code of the core.
local function release(block, is_commit)
  local segment = block.segment
  end_access(block)
  if segment == nil then -- a finalizer has closed the handle
    return C.IPM_OK
  elseif is_commit then
    return segment_unlock(segment, buffer)
  end
  return C.ipm_segment_rollback(segment, buffer)
end

-- Rolls back, wherever an error has ended the call that took the lock at that epoch.
local function abandon(state, epoch)
  local block = state.memory.block
  if block.epoch == epoch and state.opened_at[0] ~= nil then
    end_access(block)
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
-- the error on. Where the function has released the lock, or a finalizer does so just now, there is
-- nothing to do.
local function finish(self, block, epoch, ok, failure, ...)
  if not ok then
    abandon(state_of(self), epoch)
    error(failure, 0)
  elseif block.epoch == epoch and is_active(block) then
    local code = release(block, true)
    if code ~= C.IPM_OK and code ~= C.IPM_EINVALID then
      errors.raise()
    end
  end
  return ...
end

-- Takes the lock. Returns the root view and the block, or nil; errors.buffer tells why not.
local function begin(self, block, epoch, timeout_ns)
  local segment = block.segment
  block.epoch = epoch
  if segment == nil or segment_lock(segment, 0, buffer) ~= C.IPM_OK then
    if not keep_trying(state_of(self), timeout_ns) then
      return nil
    end
    block = block_of(self) -- another one, if the handle has followed
    block.epoch = epoch
  end
  return begin_access(block) and root_of(self), block
end

local function locked_0(self, present, epoch, timeout_ns, fn)
  local view, block = begin(self, present, epoch, timeout_ns)
  if not view then return false end
  return true, finish(self, block, epoch, pcall(call_0, fn, view))
end

local function locked_1(self, present, epoch, timeout_ns, fn, a)
  local view, block = begin(self, present, epoch, timeout_ns)
  if not view then return false end
  return true, finish(self, block, epoch, pcall(call_1, fn, view, a))
end

local function locked_2(self, present, epoch, timeout_ns, fn, a, b)
  local view, block = begin(self, present, epoch, timeout_ns)
  if not view then return false end
  return true, finish(self, block, epoch, pcall(call_2, fn, view, a, b))
end

local function locked_3(self, present, epoch, timeout_ns, fn, a, b, c)
  local view, block = begin(self, present, epoch, timeout_ns)
  if not view then return false end
  return true, finish(self, block, epoch, pcall(call_3, fn, view, a, b, c))
end

local function locked(self, present, epoch, timeout_ns, fn, ...)
  local view, block = begin(self, present, epoch, timeout_ns)
  if not view then return false end
  return true, finish(self, block, epoch, pcall(call, fn, view, ...))
end

local by_count = { [0] = locked_0, locked_1, locked_2, locked_3 }

-- The end of `with` and `try_with`: the results of the function, or the error.
local function deliver(is_try, self, epoch, ok, is_taken, ...)
  if not ok then
    abandon(state_of(self), epoch)
    error(is_taken, 0)
  elseif is_taken then
    return ...
  end
  live(state_of(self))
  if is_try then
    return errors.fail()
  end
  errors.raise()
end

--- Raises unless a value can be called. name: the method that takes it
-- @local
function lock.check_function(name, fn)
  if type(fn) == "function" then
    return
  end
  local metatable = (debug and debug.getmetatable or getmetatable)(fn)
  if type(fn) == "cdata" or type(metatable) ~= "table" or not metatable.__call then
    errors.refuse("%s takes a function, not %s", name, errors.shown(fn))
  end
end

local function refuse_second(self)
  lock.check_holder(state_of(self))
  errors.refuse("%s: this handle holds its lock already, and unlock() or rollback() releases it",
    state_of(self).name)
end

local function call_locked(is_try, self, block, timeout_ns, fn, ...)
  if type(fn) ~= "function" then
    lock.check_function(is_try and "try_with" or "with", fn)
  end
  if is_active(block) then
    refuse_second(self)
  end
  local epoch = block.epoch + 1
  return deliver(is_try, self, epoch,
    pcall(by_count[select("#", ...)] or locked, self, block, epoch, timeout_ns, fn, ...))
end

function methods:with(fn, ...)
  return call_locked(false, self, block_of(self), FOREVER, fn, ...)
end

-- handle:try_with([seconds,] fn, ...)
function methods:try_with(timeout, ...)
  local block = block_of(self)
  timeout = seconds.number(timeout)
  if type(timeout) == "number" then
    return call_locked(true, self, block, seconds.check(timeout, 0, state_of(self).name), ...)
  end
  return call_locked(true, self, block, 0, timeout, ...)
end

-- Locks without a function ---------------------------------------------------------------------

-- A lock that is forgotten must be found. Lua finds it by <close>, and by a finalizer of the view.
local function refuse_lock(self)
  errors.refuse("%s: LuaJIT has no <close>, so it would not notice that a lock is forgotten: use "
    .. "handle:with(function(view) ... end) or try_with", handle.check(self).name)
end
methods.lock, methods.try_lock = refuse_lock, refuse_lock

local function end_by_hand(state, is_commit)
  local block = state.memory.block
  if not is_active(block) then
    local name = is_commit and "unlock" or "rollback"
    if segment_unlock(live(state), buffer) == C.IPM_EINVALID then
      errors.refuse("%s: %s without a lock", state.name, name)
    end
    errors.raise()
  elseif release(block, is_commit) ~= C.IPM_OK then
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
-- the handle has followed to another layout, or was closed.
local function change_locked(state, epoch, of, change, a, b, c)
  local block = of.block
  block.epoch = epoch
  if segment_lock(live(state), 0, buffer) ~= C.IPM_OK and not keep_trying(state, FOREVER) then
    return false
  elseif state.memory ~= of or not begin_access(block) then
    release(state.memory.block, false)
    return false
  end
  local is_done, result = change(state, a, b, c)
  return release(block, is_done) == C.IPM_OK, is_done, result
end

local function deliver_change(state, epoch, ok, is_released, is_done, result)
  if not ok then
    abandon(state, epoch)
    error(is_released, 0)
  end
  return is_released, is_done, result
end

-- Which coroutine holds a lock. To ask for the running coroutine when the lock is taken would make
-- `with` half as long again, because LuaJIT does not compile that. So the first method that is
-- called under a lock looks for the function that took the lock among the callers, which are those
-- of one coroutine.
local takes_lock = {
  [locked_0] = true, [locked_1] = true, [locked_2] = true, [locked_3] = true, [locked] = true,
  [change_locked] = true,
}
local running = coroutine.running
local getinfo, getlocal = debug and debug.getinfo, debug and debug.getlocal
local MAIN = {}

local function is_among_callers(state)
  local level = 3
  local info = getinfo(level, "f")
  while info do
    if takes_lock[info.func] then
      local _, taker = getlocal(level, 1)
      if rawequal(taker, state) or rawequal(taker, state.object) then
        return true
      end
    end
    level = level + 1
    info = getinfo(level, "f")
  end
  return false
end

--- Raises if another coroutine holds the handle's lock, which is held: what this one reads or
-- writes would be a part of a transaction that it does not know of. Without the library `debug`
-- this is not noticed.
-- @local
function lock.check_holder(state)
  local here, epoch = running() or MAIN, state.memory.block.epoch
  if state.holder == here and state.held_since == epoch or not getinfo then
    return
  elseif not is_among_callers(state) then
    errors.refuse("%s: another coroutine holds the lock of this handle: wait until it has released "
      .. "it, or use a handle of this coroutine's own", state.name)
  end
  state.holder, state.held_since = here, epoch
end

--- Calls `change(state, a, b, c)` while the handle holds its lock: in its transaction, or else in
-- one of its own, which is rolled back if the first result is false.
-- @local
-- @tparam table of the memory in which the caller has found the place to change
-- @treturn boolean false: the method begins again, or fails; see handle.retry
-- @return the two results of `change`
function lock.change(state, of, change, a, b, c)
  if is_active(of.block) then
    lock.check_holder(state)
    return true, change(state, a, b, c)
  end
  local epoch = of.block.epoch + 1
  return deliver_change(state, epoch, pcall(change_locked, state, epoch, of, change, a, b, c))
end

return lock

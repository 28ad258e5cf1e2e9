-- Handles in LuaJIT: the objects, their checks, following, and closing. src/lua/handle.c, follow.c
-- and member.c do the same for Lua.
--
-- A handle is a table with three entries, which only the files of this directory use: its state,
-- and for `with`, in which each load counts, the block of its memory and the root view.
--
-- Finalizers may run at any allocation. They may raise errors, close handles, and let them follow.
-- So a state is complete before its segment is opened, and `handle.live` is called for each use of
-- the segment, as an argument of the call into the core. If a method has found a place in the
-- memory of a handle, it compares that memory with the handle's right before it uses the place.
-- Debug hooks may raise errors anywhere. One that closes a handle within a call of the handle
-- leaves it to the collector to close the segment.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local seconds = require "ipmmap.jit.seconds"
local structs = require "ipmmap.jit.struct"
local pairs = require("ipmmap.loops").pairs

local handle = {}

-- No field of a struct can have such a name.
local STATE, BLOCK, ROOT = "(state)", "(block)", "(root)"

--- The methods of handles, which the other files add.
handle.methods = {}

-- Locals, which cost nothing in compiled code.
local rawget, type = rawget, type
local is_active = memory.is_active
local buffer = errors.buffer

local methods = handle.methods

-- Closing --------------------------------------------------------------------------------------

-- Ends the use of the segment. The lock is released before the feeds are closed. If that fails,
-- because another thread holds it, nothing is closed, and the result is false.
local function finish(state)
  local segment = state.opened_at[0]
  if segment == nil then
    return true
  elseif C.ipm_segment_is_locked(segment)
    and C.ipm_segment_rollback(segment, buffer) == C.IPM_EINVALID then
    return false
  end
  for feed in pairs(state.feeds) do
    feed:finish()
  end
  state.segment = nil
  if state.memory then
    memory.end_of(state.memory)
  end
  return true
end

-- The same, and closes the segment.
local function close(state)
  local is_finished = finish(state)
  local segment = state.opened_at[0]
  if is_finished and segment ~= nil then
    state.opened_at[0] = nil
    C.ipm_segment_close(segment, nil)
  end
  return is_finished
end

--- Makes the state of a handle that is not open yet. The caller opens a segment at `opened_at`.
-- @local
function handle.new_state(role, definition)
  local state = {
    role = role, is_writer = role ~= "reader", definition = definition, struct = definition,
    name = definition.name, opened_at = ffi.new "ipm_segment *[1]",
    feeds = setmetatable({}, { __mode = "k" }), -- see feeds.lua
    seen = {}, sentinel = newproxy(true),
  }
  -- Tables have no finalizers in LuaJIT, but userdata have.
  getmetatable(state.sentinel).__gc = function() close(state) end
  return state
end

-- Checks ---------------------------------------------------------------------------------------

local function refuse_closed(state)
  errors.refuse("%s: this %s is closed", state.name, state.role)
end

--- The segment, for a call into the core. Raises if the handle is closed.
-- @local
local function live(state)
  return state.segment or refuse_closed(state)
end
handle.live = live

--- The state of a handle; nil for anything else.
-- @local
function handle.test(value)
  return type(value) == "table" and rawget(value, STATE) or nil
end

local name_of = errors.name_of
function errors.name_of(value)
  local state = handle.test(value)
  return state and "ipmmap." .. state.role or name_of(value)
end

local function any(self)
  return type(self) == "table" and rawget(self, STATE)
    or errors.refuse("manager, editor or reader expected, got %s", errors.type_of(self))
end

--- The block of the open handle that a method was called on.
-- @local
local function block_of(self)
  local block = type(self) == "table" and rawget(self, BLOCK)
  if not block or block.segment == nil then
    refuse_closed(any(self))
  elseif block.follows and not is_active(block) then
    handle.catch_up_layout(rawget(self, STATE))
    return rawget(self, BLOCK)
  end
  return block
end
handle.block_of = block_of

--- The state of the open handle that a method was called on.
-- @local
local function check(self)
  block_of(self)
  return rawget(self, STATE)
end
handle.check = check

--- The same, for a method that readers may not call.
-- @local
function handle.check_writer(self)
  local state = check(self)
  if not state.is_writer then
    errors.refuse("%s: a reader cannot write", state.name)
  end
  return state
end

--- Raises unless a value is a version. Returns it as a number.
-- @local
function handle.check_version(state, version)
  version = seconds.number(version)
  if type(version) ~= "number" or version < 0 or version ~= math.floor(version)
    or version >= 0x1p63 then
    errors.refuse("%s: %s is not a version", state.name, errors.shown(version))
  end
  return version
end

--- The state of a handle that was checked, and its root view.
-- @local
function handle.state(self)
  return rawget(self, STATE)
end
function handle.root(self)
  return rawget(self, ROOT)
end

-- Following ------------------------------------------------------------------------------------

-- Gives the handle the layout of its segment, unless it has that layout already. No finalizer may
-- run meanwhile.
local function take_layout(state)
  local layout = C.ipm_segment_layout(live(state))
  local old = state.memory
  local struct = layout == structs.layout(state.definition) and state.definition
    or structs.copy(layout)
  if structs.type(struct) ~= old.type then -- also if only attributes differ
    local new = memory.live(struct, live(state), state.is_writer)
    new.block.epoch, new.block.follows = old.block.epoch, old.block.follows
    state.struct, state.memory = struct, new
    memory.end_of(old)
    if state.object then
      state.object[BLOCK], state.object[ROOT] = new.block, new.root
    end
  end
  state.openings = C.ipm_segment_openings(live(state))
end

local function without_collector(fn, ...)
  local was_running = collectgarbage "isrunning"
  collectgarbage "stop"
  local ok, failure = pcall(fn, ...)
  if was_running then
    collectgarbage "restart"
  end
  if not ok then
    error(failure, 0)
  end
end

--- Opens the segment that replaces the handle's, if there is one. Returns a code of the core.
-- @local
function handle.catch_up(state)
  local code = C.ipm_segment_follow(live(state), buffer)
  if code == C.IPM_OK and C.ipm_segment_openings(live(state)) ~= state.openings then
    without_collector(take_layout, state)
  end
  return code
end

--- Gives a handle that follows, and holds no lock, the present layout: that of the segment which
-- replaces its own, or of the one that the core has opened in its place.
-- @local
function handle.catch_up_layout(state)
  if state.may_change then
    handle.catch_up(state)
  elseif C.ipm_segment_openings(live(state)) ~= state.openings then
    without_collector(take_layout, state)
  end
end

--- Follows if a call of the core has just failed because the segment was replaced. If the result is
-- true, the method begins again. So it does if the handle's memory is another one than `of`, where
-- the method has found a place: then it has followed meanwhile.
-- @local
function handle.again(state, of)
  return of ~= nil and of ~= state.memory or errors.is(C.IPM_EREPLACED) and state.follows
    and not is_active(state.memory.block) and handle.catch_up(state) == C.IPM_OK
end
jit.off(handle.again) -- see errors.lua

--- The same, but raises the error if the method does not begin again.
-- @local
function handle.retry(state, of)
  return handle.again(state, of) or errors.raise()
end

-- Objects --------------------------------------------------------------------------------------

local metatable = {}

--- Makes a handle of a state whose segment was just opened.
-- @local
function handle.new(state, follows, by_path)
  local version = ffi.new "uint64_t[1]"
  state.segment = state.opened_at[0]
  C.ipm_segment_version(live(state), version, nil)
  state.opened = tonumber(version[0])
  state.reported, state.turn = state.opened, 0
  state.follows, state.may_change = follows, follows and by_path
  state.memory = memory.live(state.definition, live(state), state.is_writer)
  state.memory.block.follows = follows
  without_collector(take_layout, state)
  state.object = setmetatable({
    [STATE] = state, [BLOCK] = state.memory.block, [ROOT] = state.memory.root,
  }, metatable)
  return state.object
end

local function is_field(state, key)
  return type(key) == "string" and state.memory.type.by_name[key] ~= nil
end

local function refuse_member(self, key)
  local state = rawget(self, STATE)
  if is_field(state, key) then
    errors.refuse("%s.%s: a handle has no fields: read it by handle:read('%s'), or as view.%s of "
      .. "the view that with() passes", state.name, key, key, key)
  end
  errors.refuse("%s: %s is neither a method of a handle nor a field of its struct", state.name,
    errors.shown(key))
end

function metatable:__index(key)
  return methods[key] or refuse_member(self, key)
end

function metatable:__newindex(key)
  local state = rawget(self, STATE)
  if is_field(state, key) then
    errors.refuse("%s.%s: a handle has no fields: write it by handle:write('%s', value), or as "
      .. "view.%s of the view that with() passes", state.name, key, key, key)
  end
  errors.refuse("%s: a handle cannot be changed (%s)", state.name, errors.shown(key))
end

function metatable:__tostring()
  local state = any(self)
  if not state.segment then
    return ("ipmmap.%s (closed)"):format(state.role)
  end
  return ("ipmmap.%s: %s"):format(state.role, handle.info(state).path or state.name)
end

--- Within another call of this library, the segment is closed only when the state is collected.
function methods:close()
  local state = any(self)
  if not (errors.is_nested() and finish or close)(state) then
    errors.raise()
  end
end

return handle

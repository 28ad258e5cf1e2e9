-- Feeds in LuaJIT. src/lua/feed.c, commits.c and leaves.c do the same for Lua.
--
-- A feed is a table with one entry, its state, which holds its handle. The handle holds the states
-- of its feeds weakly: a feed that is collected is closed. The core allows a feed to be closed
-- after its segment, as it may be if both are collected.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local guards = require "ipmmap.jit.guards"
local handle = require "ipmmap.jit.handle"
local memory = require "ipmmap.jit.memory"
local seconds = require "ipmmap.jit.seconds"
local types = require "ipmmap.jit.types"
local values = require "ipmmap.jit.value"
local wait = require "ipmmap.jit.wait"

local FOREVER = 0x7fffffffffffffffLL
local LATEST = 0xffffffffffffffffULL

local STATE = "(feed)" -- not that of handles

local buffer = errors.buffer
local live = handle.live

local version, missed = ffi.new "uint64_t[1]", ffi.new "uint64_t[1]"

-- The states by their values: a value keeps its feed open. A state holds its value weakly.
local by_value = setmetatable({}, { __mode = "k" })
local weak = { __mode = "v" }

-- Opening and closing --------------------------------------------------------------------------

local State = {}
State.__index = State

function State:finish()
  local feed = self.opened_at[0]
  if feed ~= nil then
    self.opened_at[0], self.feed = nil, nil
    if self.memory then
      memory.end_of(self.memory)
    end
    C.ipm_feed_close(feed)
  end
end

-- Makes the state of a feed that is not open yet.
local function new_state(owner, of)
  local self = setmetatable({
    opened_at = ffi.new "ipm_feed *[1]", handle = owner, of = of, name = of.name, told = 0,
    values = setmetatable({}, weak), sentinel = newproxy(true),
  }, State)
  getmetatable(self.sentinel).__gc = function() self:finish() end
  of.feeds[self] = true
  return self
end

-- The feed's value, which is the same each time.
local function value_of(self)
  local value = self.values[1]
  if value == nil then
    value = memory.view_at(self.memory, self.memory.type, 0)
    self.values[1], by_value[value] = value, self
  end
  return value
end

local Feed = {}
Feed.__index = Feed

function handle.methods:feed(from)
  local of = handle.check(self)
  local here = of.memory
  local since = from == nil and LATEST or handle.check_version(of, from)
  local state = new_state(self, of)
  if of.memory ~= here
    or C.ipm_feed_open(live(of), since, state.opened_at, buffer) ~= C.IPM_OK then
    return handle.retry(of, here) and self:feed(from)
  end
  state.feed = state.opened_at[0]
  state.memory = memory.feed(here.struct, C.ipm_feed_value(state.opened_at[0]), state)
  return setmetatable({ [STATE] = state }, Feed)
end

local function any(self)
  return type(self) == "table" and rawget(self, STATE)
    or errors.refuse("feed expected, got %s", errors.type_of(self))
end

function Feed:close()
  any(self):finish()
end

function Feed:__tostring()
  local state = any(self)
  return state.feed and "ipmmap.feed: " .. state.name or "ipmmap.feed (closed)"
end

-- The feed, for a call into the core.
local function open(state)
  return state.feed or errors.refuse("%s: this feed is closed", state.name)
end

local function check(self)
  local state = any(self)
  open(state)
  return state
end

-- Telling --------------------------------------------------------------------------------------

-- No debug hook runs during a call into the core, nor in compiled code.
local function keep_following(state, timeout_ns)
  local deadline = seconds.deadline(timeout_ns)
  local code, slice_ns
  repeat
    slice_ns = seconds.slice(deadline)
    code = C.ipm_feed_next(open(state), slice_ns, version, missed, buffer)
  until not wait.goes_on(code, slice_ns)
  return code
end
jit.off(keep_following)

-- Goes on to the next commit. Returns whether there is one; errors.buffer tells why not.
local function tell(state, timeout_ns)
  local code = C.ipm_feed_next(open(state), 0, version, missed, buffer)
  if code == C.IPM_ETIMEOUT and timeout_ns > 0 then
    code = keep_following(state, timeout_ns)
  end
  if code ~= C.IPM_OK then
    return false
  end
  state.told = state.told + 1
  return true
end

function Feed:next(timeout)
  local state = check(self)
  if tell(state, seconds.check(timeout, FOREVER, state.name)) then
    return value_of(state), tonumber(version[0]), tonumber(missed[0])
  end
  return errors.fail()
end

function Feed:commits(timeout)
  local state = check(self)
  local timeout_ns = seconds.check(timeout, FOREVER, state.name)
  return function()
    if tell(state, timeout_ns) then
      return value_of(state), tonumber(version[0]), tonumber(missed[0])
    elseif not errors.is(C.IPM_ETIMEOUT) then
      errors.raise()
    end
  end
end

function Feed:time()
  return C.ipm_feed_time(open(check(self)))
end

function Feed:patch()
  local state = check(self)
  local patch, room = nil, 0
  local size = tonumber(C.ipm_feed_patch(open(state), patch, room))
  while size > room do -- as long as a finalizer goes on with the feed
    patch, room = ffi.new("uint8_t[?]", size), size
    size = tonumber(C.ipm_feed_patch(open(state), patch, room))
  end
  return size > 0 and ffi.string(patch, size) or ""
end

-- What a commit changed ------------------------------------------------------------------------

-- Whether the byte at an offset of a list or optional value is in an element in use, or in a value
-- that is there. `at` is its address.
local function is_used(kind, at, offset)
  if kind.kind == "optional" then
    return at[0] ~= 0
  end
  return math.floor((offset - kind.inner) / kind.element.size) < guards.count(at)
end

-- The leaf that the byte at `offset` is in, or the one before it: a scalar, also an optional one,
-- the count of a list, or the presence of another optional value. Returns its type and offset, the
-- offset behind it, and whether it is used: it is not in an element that its list does not have, or
-- in an absent value.
local function find_leaf(of, offset)
  local kind, begin = of.type, 0
  while not kind.is_scalar and not (kind.kind == "optional" and kind.element.is_scalar) do
    local inside = offset - begin
    if kind.kind == "list" or kind.kind == "optional" then
      if inside < kind.inner then
        return kind, begin, begin + kind.inner, true
      elseif not is_used(kind, of.base + begin, inside) then
        return kind, begin, begin + kind.size, false
      end
    end
    local part, at = types.descend(kind, inside)
    kind, begin = part, begin + at
  end
  return kind, begin, begin + kind.size, true
end

-- The next leaf of the list: the present range from `list.at` on, and the ranges after it.
local function next_leaf(state, list)
  while true do
    while list.at < list.stop do
      local kind, offset, stop, is_there = find_leaf(state.memory, list.at)
      if list.at >= stop then
        list.at = list.at + 1
      else
        list.at = stop
        if is_there then
          return kind, offset
        end
      end
    end
    if not C.ipm_feed_changes(open(state), list.range) then
      return nil
    end
    local first = tonumber(list.range[0].offset)
    list.at = math.max(list.at, first)
    list.stop = first + tonumber(list.range[0].size)
  end
end

local HEADER_STAMP = 8 -- what precedes it in the header never changes

-- The paths of the leaves that have a marked byte. `of`: the type of the whole, and its bytes.
local function list_marked(of, marks)
  local paths = {}
  local at = HEADER_STAMP
  while at < of.type.size do
    local stop = at + 1
    if marks[at] ~= 0 then
      local kind, offset, behind, is_there = find_leaf(of, at)
      stop = math.max(stop, behind)
      if at < behind and is_there then
        paths[#paths + 1] = types.path(of.type, kind, offset):gsub("^%.", "")
      end
    end
    at = stop
  end
  return paths
end

function handle.methods:changed(from)
  local of = handle.check(self)
  local here = of.memory
  local since = handle.check_version(of, from)
  local size = here.type.size
  local marks, bytes = ffi.new("uint8_t[?]", size), ffi.new("uint8_t[?]", size)
  if of.memory ~= here
    or C.ipm_segment_mark_changed(live(of), since, marks, buffer) ~= C.IPM_OK
    or C.ipm_segment_read(live(of), 0, size, bytes, buffer) ~= C.IPM_OK then
    return handle.retry(of, here) and self:changed(from)
  end
  return list_marked({ type = here.type, base = bytes }, marks)
end

function Feed:changes()
  local state = check(self)
  local list = { range = ffi.new "ipm_range[1]", at = 0, stop = 0 }
  local told = state.told
  return function()
    open(state)
    if told ~= state.told then
      errors.refuse("%s: the feed went on while its changes were listed", state.name)
    end
    local kind, offset = next_leaf(state, list)
    if kind then
      local path = types.path(state.memory.type, kind, offset):gsub("^%.", "")
      local at = state.memory.base + (open(state) and offset)
      return path, values.load(state.memory.struct, kind, at)
    end
  end
end

return Feed

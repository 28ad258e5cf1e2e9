-- Information about a segment, flushing and destroying it, in LuaJIT. src/lua/info.c and listen.c
-- do the same for Lua.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local handle = require "ipmmap.jit.handle"
local memory = require "ipmmap.jit.memory"

local buffer = errors.buffer
local live = handle.live
local methods = handle.methods

local STAMP_OFFSET = 8

local stamp = ffi.new "double[1]"

function methods:last_update()
  local state = handle.check(self)
  if C.ipm_segment_read(live(state), STAMP_OFFSET, 8, stamp, buffer) == C.IPM_OK then
    return stamp[0]
  end
  return handle.retry(state) and self:last_update()
end

-- The strings belong to the segment.
local function copy_string(state, text)
  return live(state) and ffi.string(text)
end

local ROLES = { [0] = "reader", "editor", "manager" }

-- The handles that are open on the segment. Nil if that fails; errors.buffer has why.
local function list_attached(state)
  local attached = ffi.new("ipm_attached[?]", C.IPM_MAX_ATTACHED)
  local count = ffi.new "size_t[1]"
  if C.ipm_segment_attached(live(state), attached, C.IPM_MAX_ATTACHED, count, buffer)
    ~= C.IPM_OK then
    return nil
  end
  local listed = {}
  for i = 1, tonumber(count[0]) do
    local one = attached[i - 1]
    listed[i] = {
      pid = one.pid, role = ROLES[tonumber(one.role)], since = tonumber(one.since),
      start = tonumber(one.start),
    }
  end
  return listed
end

local function last_writer_of(info)
  if info.last_writer == 0 then
    return nil
  end
  local writer = { pid = info.last_writer, start = tonumber(info.last_writer_start) }
  if info.last_writer_life ~= C.IPM_LIFE_UNKNOWN then
    writer.alive = info.last_writer_life == C.IPM_ALIVE
  end
  return writer
end

--- A table of what the core tells about the segment; or an empty table, and errors.buffer has why.
-- @local
function handle.info(state)
  local info = ffi.new("ipm_info", { own_size = ffi.sizeof "ipm_info" })
  if C.ipm_segment_info(live(state), info, buffer) ~= C.IPM_OK then
    return {}
  end
  return {
    tag = copy_string(state, info.tag), path = copy_string(state, info.path),
    lock_path = copy_string(state, info.lock_path), size = tonumber(info.size),
    feed = tonumber(info.feed), version = tonumber(info.version),
    recoveries = tonumber(info.recoveries), max_readers = info.max_readers, readers = info.readers,
    writer_pid = info.writer_pid, pending = info.pending, writable = info.writable,
    lockable = info.lockable, replaced = info.replaced,
    last_commit = info.last_commit ~= 0 and info.last_commit or nil,
    last_writer = last_writer_of(info),
  }
end

function methods:info()
  local state = handle.check(self)
  local info = handle.info(state)
  if not info.path then
    errors.raise()
  end
  info.name, info.role, info.migrated = state.name, state.role, state.migrated
  info.attached = list_attached(state) or errors.raise()
  info.share = handle.share(state)
  if not info.share and not errors.is(C.IPM_EREPLACED) then
    errors.raise()
  end
  return info
end

function methods:users()
  local state = handle.check(self)
  local users = ffi.new("ipm_user[?]", C.IPM_MAX_USERS)
  local count = ffi.new "size_t[1]"
  if C.ipm_segment_users(live(state), users, C.IPM_MAX_USERS, count, buffer) ~= C.IPM_OK then
    errors.raise()
  end
  local listed = {}
  for i = 1, tonumber(count[0]) do
    local user = users[i - 1]
    listed[i] = {
      pid = user.pid, tid = user.tid, alive = user.alive, writes = user.writes, waits = user.waits,
      next = user.next, since = tonumber(user.since),
    }
  end
  return listed
end

function methods:flush()
  local state = handle.check_writer(self)
  if C.ipm_segment_flush(live(state), buffer) ~= C.IPM_OK then
    return handle.retry(state) and self:flush()
  end
end

function methods:destroy()
  local state = handle.check(self)
  if state.role ~= "manager" then
    errors.refuse("%s: only a manager can destroy a segment", state.name)
  end
  local code = C.ipm_segment_destroy(live(state), buffer)
  if not C.ipm_segment_is_locked(live(state)) then
    memory.finish(state.memory.block)
  end
  if code ~= C.IPM_OK then
    return handle.retry(state) and self:destroy()
  end
end

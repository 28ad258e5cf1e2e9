-- Opening, repairing and adopting segments, in LuaJIT. src/lua/open.c does the same for Lua.
local ffi = require "ffi"

local C = require "ipmmap.jit.library"
local errors = require "ipmmap.jit.errors"
local handle = require "ipmmap.jit.handle"
local seconds = require "ipmmap.jit.seconds"
local structs = require "ipmmap.jit.struct"
local value = require "ipmmap.jit.value"
local wait = require "ipmmap.jit.wait"

local open = {}

local ROLES = { reader = C.IPM_READER, editor = C.IPM_EDITOR, manager = C.IPM_MANAGER }

local buffer = errors.buffer

-- The options for the core. The strings and the second result must live as long as the first one.
-- handle.lua of the directory above has checked them.
local function make_options(given)
  local trust = given.trust or {}
  local users = ffi.new("uint32_t[?]", #trust)
  for i, user in ipairs(trust) do
    users[i - 1] = user
  end
  return ffi.new("ipm_options", {
    own_size = ffi.sizeof "ipm_options", tag = given.tag, mmap_dir = given.mmap_dir,
    lock_dir = given.lock_dir, create = given.create or false, force = given.force or false,
    mode = given.mode or 0, max_readers = given.max_readers or 0,
    prefault = given.prefault or false, mlock = given.mlock or false, trust = users,
    trust_count = #trust, migrate = given.migrate or 0, feed = given.feed or 0,
    match = given.layout == "compatible" and C.IPM_BY_PATH or C.IPM_EXACT,
    follow = given.follow or false, shares = given.shares or false,
    init = given.init and value.pointer(given.init) or nil, -- a value that struct.initial has made
  }), users
end

-- nil, message, code; unlike errors.fail also for the code "invalid".
local function fail()
  local message, code = errors.last()
  return nil, message, code
end

-- Opens the segment. Waits for it in turns, because no debug hook runs during a call into the core.
-- A turn is never 0, because 0 means not to wait.
local function open_or_wait(state, given, options)
  local wait_ns = seconds.check(given.wait, 0, state.name)
  local deadline = seconds.deadline(wait_ns)
  local layout = structs.layout(state.definition)
  local code, slice_ns
  repeat
    slice_ns = seconds.slice(deadline)
    options.wait_ns = wait_ns > 0 and (slice_ns > 0 and slice_ns or 1) or 0
    code = C.ipm_segment_open(ROLES[state.role], layout, options, state.opened_at, buffer)
  until not wait.goes_on(code, slice_ns)
  return code
end
jit.off(open_or_wait)

local function list(paths)
  local listed = {}
  for i = 1, tonumber(paths.count) do
    listed[i] = ffi.string(paths.paths[i - 1])
  end
  return listed
end

local function to_table(migration)
  return {
    kept = list(migration.kept), added = list(migration.added), dropped = list(migration.dropped),
  }
end

--- Opens a segment: returns a handle, or nil, message and code.
-- @local
function open.open(role, definition, given)
  local state = handle.new_state(role, definition)
  local options, users = make_options(given)
  if open_or_wait(state, given, options) ~= C.IPM_OK then
    return fail()
  end
  local migration = C.ipm_segment_migration(state.opened_at[0])
  state.migrated = migration ~= nil and to_table(migration) or nil
  return handle.new(state, options.follow, given.layout == "compatible"), users and nil
end

function open.repair(path, given)
  local options, users = make_options(given)
  local repaired = ffi.new "bool[1]"
  options.path = path
  if C.ipm_segment_repair(options, repaired, buffer) ~= C.IPM_OK then
    return fail()
  end
  return repaired[0], users and nil
end

function open.adopt(definition, path, given)
  local options, users = make_options(given)
  if C.ipm_adopt(structs.layout(definition), path, options, buffer) ~= C.IPM_OK then
    return fail()
  end
  return true, users and nil
end

return open

--- Segments for specs, each in a fresh directory:
--
--    before_each(function() dir, manager, reader = segment.make(S, { "reader" }) end)
--    after_each(segment.close)
local assert = require "luassert"
local ipmmap = require "ipmmap"
local tmpdir = require "spec.helper.tmpdir"

local unpack = table.unpack or rawget(_G, "unpack")

local segment = {}

local handles = {}
local holding = {} -- the coroutines that hold locks

--- Makes a segment.
-- @tparam Struct|string struct
-- @tparam[opt] {string,...} roles of handles beside the manager that makes it
-- @tparam[opt] {tag=string,feed=integer} options the tag of all of them, and the manager's `feed`
-- @treturn string the directory
-- @treturn Handle the manager, and after it a handle for each of the roles
function segment.make(struct, roles, options)
  local dir = tmpdir()
  options = options or {}
  local made = { segment.open("manager", struct, {
    create = true, mmap_dir = dir, tag = options.tag, feed = options.feed,
  }) }
  for i, role in ipairs(roles or {}) do
    made[i + 1] = segment.open(role, struct, { mmap_dir = dir, tag = options.tag })
  end
  return dir, unpack(made)
end

--- Has `segment.close` close a handle, and returns it.
function segment.keep(handle)
  handles[#handles + 1] = handle
  return handle
end

--- Opens a segment. `segment.close` closes the handle.
-- @tparam string role
-- @tparam Struct|string struct
-- @tparam table options
-- @treturn Handle
function segment.open(role, struct, options)
  return segment.keep(assert(ipmmap[role](struct, options)))
end

--- Takes a handle's lock until `segment.close`. `with` holds it, in a coroutine that waits.
-- @tparam Handle handle
-- @treturn view
function segment.lock(handle)
  local holder = coroutine.wrap(function() handle:with(coroutine.yield) end)
  holding[#holding + 1] = holder
  return holder()
end

--- Closes all handles that `make` and `open` have returned since the last call.
function segment.close()
  for i = #handles, 1, -1 do
    handles[i]:close()
    handles[i] = nil
  end
  holding = {}
end

--- Asserts that a function changes nothing, makes no commit, and leaves no lock held.
-- @tparam Handle reader a handle of the segment
-- @tparam Handle other a handle that can take the write lock
-- @tparam function fn
function segment.is_unchanged_by(reader, other, fn)
  local before, version = ipmmap.bytes(reader:snapshot()), reader:version()
  fn()
  assert.equal(before, ipmmap.bytes(reader:snapshot()))
  assert.equal(version, reader:version())
  assert.is_true(segment.is_free(other))
end

--- Whether the lock can be had at once through a handle.
-- @tparam Handle handle
-- @treturn boolean
function segment.is_free(handle)
  return handle:try_with(function() return true end) or false
end

return segment

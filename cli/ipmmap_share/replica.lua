--- What a replica takes over: commits of its home, and whole states.
--
-- The share block says which position the segment has, and a process may die between any two steps.
-- So a segment whose position is about to be counted in another way has the epoch 0 meanwhile: then
-- the next process reads the whole state again.
local hold = require "ipmmap_share.hold"
local position = require "ipmmap_share.position"
local trouble = require "ipmmap_share.trouble"

local replica = {}

local SECOND <const> = 1e9 -- nanoseconds

-- Calls a function in the lock, if the segment is the replica that it was when the caller looked:
-- another process may have worked on it.
local function in_lock(handle, share, version, meanwhile, fn)
  return hold(handle, function()
    local now = handle:share()
    if now.place ~= "replica" or now.epoch ~= share.epoch or now.ahead ~= share.ahead
       or handle:version() ~= version then
      trouble.raise("moved", "another process has changed the replica")
    end
    return fn() or true
  end, meanwhile)
end

--- Stores a state that is the home's at a position which does not follow the replica's own.
-- @param handle of the replica
-- @param share, version the segment's, when the patch was made
-- @param patch leads from the segment's state to that one
-- @param at its position { epoch, version }, and `time` in nanoseconds
-- @param meanwhile called while another process holds the lock; a failure that it raises ends the
-- wait
function replica.move(handle, share, version, patch, at, meanwhile)
  local now = version
  in_lock(handle, share, version, meanwhile, function()
    handle:set_share { place = "replica" }
    if patch == "" and at.version <= version then return end
    now = math.max(at.version, version + 1)
    trouble.check_remote(handle:apply(patch, now, at.time / SECOND))
  end)
  in_lock(handle, { epoch = 0, ahead = 0 }, now, meanwhile, function()
    handle:set_share { place = "replica", epoch = at.epoch, ahead = now - at.version }
  end)
end

--- Stores the next commit.
-- @param handle of the replica
-- @param entry of the log, whose `before` is a position
-- @param meanwhile as for `move`
-- @return false if it does not follow the replica's state: the whole state is to be read
function replica.take(handle, entry, meanwhile)
  local share, version = handle:share(), handle:version()
  local at = position.of(share, version)
  if not entry.patch or not position.equal(entry.before, at) then return false end
  if entry.epoch ~= share.epoch then
    replica.move(handle, share, version, entry.patch, entry, meanwhile)
    return true
  end
  local next_version = entry.version + share.ahead
  return in_lock(handle, share, version, meanwhile, function()
    trouble.check_remote(handle:apply(entry.patch, next_version, entry.time / SECOND))
  end)
end

return replica

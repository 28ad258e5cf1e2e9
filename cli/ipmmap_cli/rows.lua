--- The commits of a log or of a segment as rows of scalars.
local failure = require "ipmmap_cli.failure"
local commits = require "ipmmap_cli.commits"
local ipmmap = require "ipmmap"
local new_tracker = require "ipmmap_cli.tracker"
local output = require "ipmmap_cli.output"
local parts = require "ipmmap_cli.parts"
local recording = require "ipmmap_cli.recording"

local rows = {}

-- The scalars that the paths name. Ends the command if the log does not have one of them.
local function recorded_scalars(opened, paths)
  local recorded, list = {}, parts.scalars(opened.S, opened.paths)
  if #paths == 0 then return list end
  for _, scalar in ipairs(list) do recorded[scalar.path] = true end
  list = parts.scalars(opened.S, paths)
  for _, scalar in ipairs(list) do
    if not recorded[scalar.path] then
      failure.raise("usage", "%s: %s was not recorded, only %s", opened.path, scalar.path,
        table.concat(opened.paths, ", "))
    end
  end
  return list
end

--- The rows of a log.
-- @param opened what recording.open returns
-- @return the scalars that are the columns
-- @return an iterator of: what changed since the row before (see tracker.lua), version, time. The
-- first row is the state at the start, which is no commit
function rows.of_log(opened, paths)
  local scalars = recorded_scalars(opened, paths)
  local tracker = new_tracker(opened.S, paths, scalars)
  local next_state = recording.states(opened, function()
    output.say("%s is cut off: it has no more whole states", opened.path)
  end)
  return scalars, function()
    local value, frame = next_state()
    if value then return tracker:changed(value), frame.version, frame.time end
  end
end

--- The rows of a segment: the state as of now, and then every commit.
-- @param look as for commits.each
-- @param on_missed called with the number of commits that were missed before a row, if any
-- @return the scalars, and an iterator as for a log
function rows.of_segment(reader, S, paths, look, on_missed)
  local scalars = parts.scalars(S, paths)
  local tracker = new_tracker(S, paths, scalars)
  local feed, first, at = commits.open(reader)
  local next_commit = commits.each(feed, look)
  return scalars, function()
    if first then
      local changed = tracker:changed(first)
      first = nil
      return changed, at, ipmmap.now()
    end
    local value, version, missed = next_commit()
    if not value then return nil end
    if missed > 0 then on_missed(missed) end
    local time = feed:time()
    return tracker:changed(value), version, time > 0 and time or ipmmap.now()
  end
end

return rows

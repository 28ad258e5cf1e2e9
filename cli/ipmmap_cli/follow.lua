--- Follows the commits of a segment, and looks up now and then.
local failure = require "ipmmap_cli.failure"

local follow = {}

local SLICE <const> = 0.1 -- seconds of a sleep, after which it looks up
local BATCH <const> = 100 -- commits that come without a sleep, after which it looks up

--- Opens a feed.
-- @return the feed, a value that shows the state at which it starts, and that state's version
function follow.open(reader)
  local at = reader:version()
  local feed = reader:feed(at)
  local value, version = reader:versioned_snapshot()
  if version == at then return feed, value, version end
  value, version = failure.assert(feed:next()) -- commits came meanwhile: begin with one of them
  return feed, value, version
end

--- The commits of a feed.
-- @param look called before each sleep and each batch of commits; ends the loop by returning true
-- @return an iterator of value, version, missed
function follow.commits(feed, look)
  local left = 0 -- commits before it looks up
  return function()
    local value, version, missed
    repeat
      if left == 0 and look() then return nil end
      value, version, missed = feed:next(left == 0 and SLICE or 0)
      if value then
        left = left > 0 and left - 1 or BATCH
      elseif missed == "timeout" then
        left = 0
      else
        failure.raise(missed, "%s", version)
      end
    until value
    return value, version, missed
  end
end

return follow

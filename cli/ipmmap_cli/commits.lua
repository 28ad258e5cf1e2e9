--- Follows the commits of a segment, and looks up now and then.
local failure = require "ipmmap_cli.failure"
local uv = require "luv"

local commits = {}

-- Seconds of a sleep, and the least between two looks. So a signal is noticed after at most two.
local SLICE <const> = 0.02
local SECOND <const> = 1000000000 -- nanoseconds

--- Opens a feed.
-- @return the feed, a value that shows the state at which it starts, and that state's version
function commits.open(reader)
  local at = reader:version()
  local feed = reader:feed(at)
  local value, version = reader:versioned_snapshot()
  if version == at then return feed, value, version end
  value, version = failure.assert(feed:next()) -- commits came meanwhile: begin with one of them
  return feed, value, version
end

--- The commits of a feed.
-- @param look called now and then, also while no commit comes; ends the loop by returning true
-- @return an iterator of value, version, missed
function commits.each(feed, look)
  local looked = 0
  return function()
    while true do
      local now = uv.hrtime()
      if now - looked >= SLICE * SECOND then
        if look() then return nil end
        looked = now
      end
      local value, version, missed = feed:next(SLICE)
      if value then return value, version, missed end
      if missed ~= "timeout" then failure.raise(missed, "%s", version) end
    end
  end
end

return commits

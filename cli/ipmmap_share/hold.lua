--- Takes a segment's write lock without stopping the event loop.
local cqueues = require "cqueues"
local trouble = require "ipmmap_share.trouble"

local FIRST <const> = 0.005 -- seconds
local LONGEST_TRY <const>, LONGEST_PAUSE <const> = 0.02, 0.25

--- Calls a function in the write lock of a handle. While another process holds the lock, which a
-- stopped one may do for ever, this coroutine waits. The others go on, but for some milliseconds
-- now and then: only a thread that stands in the lock's queue gets it from those that take it again
-- at once.
-- @param manager a handle with the option `shares`
-- @param fn called as fn(view), and must not yield. What it changes is committed when it returns
-- @param[opt] meanwhile called before each further attempt. If it returns true, there is none
-- @return what fn returned; or nil, message, `timeout`. Other failures are raised
return function(manager, fn, meanwhile)
  local patience, pause = 0, FIRST
  while true do
    local results = table.pack(manager:try_with(patience, fn))
    if results[1] ~= nil or results[3] ~= "timeout" then
      return trouble.check(table.unpack(results, 1, results.n))
    end
    cqueues.sleep(pause)
    if meanwhile and meanwhile() then return table.unpack(results, 1, 3) end
    patience, pause = math.min(pause, LONGEST_TRY), math.min(2 * pause, LONGEST_PAUSE)
  end
end

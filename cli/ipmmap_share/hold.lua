--- Takes a segment's write lock without stopping the event loop.
local cqueues = require "cqueues"
local trouble = require "ipmmap_share.trouble"

local SHORTEST <const>, LONGEST <const> = 0.001, 0.05 -- seconds between two attempts

--- Calls a function in the write lock of a handle. While another process holds the lock, which a
-- stopped one may do for ever, only this coroutine waits.
-- @param manager a handle with the option `shares`
-- @param fn called as fn(view), and must not yield. What it changes is committed when it returns
-- @param[opt] meanwhile called between two attempts. If it returns true, there is no further one
-- @return what fn returned; or nil, message, `timeout`. Other failures are raised
return function(manager, fn, meanwhile)
  local pause = SHORTEST
  while true do
    local results = table.pack(manager:try_with(0, fn))
    if results[1] ~= nil or results[3] ~= "timeout" then
      return trouble.check(table.unpack(results, 1, results.n))
    elseif meanwhile and meanwhile() then
      return table.unpack(results, 1, 3)
    end
    cqueues.sleep(pause)
    pause = math.min(2 * pause, LONGEST)
  end
end

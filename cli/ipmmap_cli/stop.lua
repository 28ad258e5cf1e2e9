--- Ending at Ctrl-C or SIGTERM, in order.
local uv = require "luv"

local stop = {}

local asked = false

--- Begins to notice the signals; `at_once` is called for each, if given.
function stop.notice(at_once)
  for _, name in ipairs { "sigint", "sigterm", "sighup" } do
    local signal = uv.new_signal()
    signal:start(name, function()
      asked = true
      if at_once then at_once() end
    end)
  end
end

--- Whether one came.
function stop.is_asked()
  uv.run("nowait")
  return asked
end

return stop

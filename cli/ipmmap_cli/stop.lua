--- Ends the command in an orderly way at Ctrl-C, SIGTERM or SIGHUP, and at a limit on file sizes.
local uv = require "luv"

local stop = {}

local asked = false

--- Starts to catch the signals. Calls `at_once`, if given, for each signal.
function stop.notice(at_once)
  for _, name in ipairs { "sigint", "sigterm", "sighup" } do
    local signal = uv.new_signal()
    signal:start(name, function()
      asked = true
      if at_once then at_once() end
    end)
  end
end

--- Lets writing fail at a limit on file sizes (ulimit -f). Otherwise a signal would end the process
-- without a word.
function stop.survive_limit()
  local signal = uv.new_signal()
  signal:start("sigxfsz", function() end)
  signal:unref()
end

--- Lets Ctrl-C end the process at once until `notice` is called. The interpreter would raise an
-- error instead, but only after the library's call, which can be a long wait.
function stop.die_at_interrupt()
  local signal = uv.new_signal()
  signal:start("sigint", function() end)
  signal:close() -- which restores the system's default
end

--- Whether a signal has come.
function stop.is_asked()
  uv.run("nowait")
  return asked
end

return stop

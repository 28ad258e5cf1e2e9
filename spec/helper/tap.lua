--- An output handler for busted that reports in TAP. For a skipped test it prints both the name and
-- the reason; busted's own TAP handler prints only one of the two. usage: busted
-- --output=spec/helper/tap.lua
local busted = require "busted"
local base = require "busted.outputHandlers.base"
local pretty = require "pl.pretty"

return function(options)
  local handler = base()
  local count = 0

  local function report(format, ...)
    count = count + 1
    print(format:format(count, ...))
    io.flush()
  end

  local function report_failure(failure)
    local message, trace = failure.message, failure.element.trace
    if type(message) ~= "string" then message = pretty.write(message) end
    if options.verbose and failure.trace.traceback then
      message = message .. "\n" .. failure.trace.traceback
    end
    local file = trace.short_src .. ":"
    if message:sub(1, #file) ~= file then message = file .. trace.currentline .. ": " .. message end
    report("not ok %d - %s\n# %s", failure.name, (message:gsub("\n", "\n# ")))
  end

  local of_status = {
    success = function() report("ok %d - %s", handler.successes[#handler.successes].name) end,
    pending = function()
      local skipped = handler.pendings[#handler.pendings]
      local reason = (skipped.message or "no reason given"):gsub("^%S+:%d+: ", "")
      report("ok %d - %s # SKIP %s", skipped.name, reason)
    end,
    failure = function() report_failure(handler.failures[#handler.failures]) end,
    error = function() report_failure(handler.errors[#handler.errors]) end,
  }

  busted.subscribe({ "test", "end" }, function(_, _, status)
    of_status[status]()
    return nil, true
  end)
  busted.subscribe({ "error" }, function(element)
    if element.descriptor ~= "it" then of_status.error() end -- in a file or a set-up
    return nil, true
  end)
  busted.subscribe({ "suite", "end" }, function()
    print("1.." .. count)
    return nil, true
  end)
  return handler
end

--- Runs the command that the arguments ask for, and returns its exit status.
local failure = require "ipmmap_cli.failure"
local output = require "ipmmap_cli.output"
local new_parser = require "ipmmap_cli.parser"
local stop = require "ipmmap_cli.stop"

-- The handler of errors. An error with a code passes; any other is a bug of this program, and gets
-- a traceback.
local function handle(problem)
  if type(problem) == "table" and problem.code then return problem end
  return { code = "bug", message = debug.traceback(tostring(problem), 2) }
end

local function run(arguments)
  stop.survive_limit()
  stop.die_at_interrupt()
  local parser = new_parser()
  local args = parser:parse(arguments)
  return require("ipmmap_cli." .. args.command)(args, parser)
end

return function(arguments)
  local ok, result = xpcall(run, handle, arguments)
  if ok then return result or failure.status.ok end
  -- Without memory the error is a string that has not passed the handler.
  if type(result) ~= "table" then result = { code = "system", message = result } end
  for line in failure.reword(result.message):gmatch("[^\n]+") do
    output.say("%s", (line:gsub("\t", "  ")))
  end
  return failure.status[result.code] or failure.status.system
end

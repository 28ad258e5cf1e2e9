--- Runs gnuplot, which gets its script and gives its picture through pipes.
local failure = require "ipmmap_cli.failure"
local uv = require "luv"

local gnuplot = {}

-- Reads a pipe to its end, into a list of texts.
local function collect(pipe, into)
  pipe:read_start(function(problem, bytes)
    if bytes and not problem then into[#into + 1] = bytes else pipe:close() end
  end)
end

--- Runs a script, or ends the command.
-- @return what gnuplot writes to its standard output
function gnuplot.run(script)
  local input, out, err = uv.new_pipe(), uv.new_pipe(), uv.new_pipe()
  local picture, messages, status = {}, {}, nil
  local child, message, name
  child, message, name = uv.spawn("gnuplot", { args = { "-" }, stdio = { input, out, err } },
    function(code, signal)
      status = signal == 0 and code or 128 + signal
      child:close()
    end)
  if not child then
    failure.raise(name == "ENOENT" and "not_found" or "system", "%s", name == "ENOENT"
      and "the program gnuplot was not found: it is in Debian's package gnuplot-nox"
      or "gnuplot cannot be run: " .. message)
  end
  collect(out, picture)
  collect(err, messages)
  input:write(script)
  input:shutdown(function() input:close() end)
  uv.run()
  if status ~= 0 then
    failure.raise("system", "gnuplot failed: %s", table.concat(messages):match("line %d+: ([^\n]*)")
      or ("it ended with status %d"):format(status))
  end
  return table.concat(picture)
end

--- A text in quotes.
function gnuplot.quote(text) return "'" .. text:gsub("'", "''") .. "'" end

return gnuplot

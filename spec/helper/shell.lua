--- Shell commands for specs.
local shell = {}

--- A text as one word of the shell's.
function shell.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a command: whether it succeeded, and what it printed to stdout and stderr.
function shell.try(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1"))
  local output = pipe:read("a")
  return pipe:close() == true, output
end

--- Runs a command that must succeed: what it printed.
function shell.run(command)
  local ok, output = shell.try(command)
  assert(ok, command .. "\n" .. output)
  return output
end

return shell

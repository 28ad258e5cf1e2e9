--- Shell commands for specs.
local shell = {}

--- Quotes a text as one word for the shell.
function shell.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a command. Returns whether it succeeded, and its output on stdout and stderr.
function shell.try(command)
  -- LuaJIT's close does not tell the exit status.
  local pipe = assert(io.popen("( " .. command .. "\n) 2>&1; printf '\\n%d' $?"))
  local output, status = pipe:read("*a"):match("^(.*)\n(%d+)$")
  pipe:close()
  return status == "0", output
end

--- Runs a command, asserts that it succeeds, and returns its output.
function shell.run(command)
  local ok, output = shell.try(command)
  assert(ok, command .. "\n" .. output)
  return output
end

return shell

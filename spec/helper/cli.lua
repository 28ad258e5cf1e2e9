--- Runs the command ipmmap for the tests.
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local cli = {}

local COMMAND <const> = posix.getcwd() .. "/bin/ipmmap"
local DEADLINE <const> = 20 -- seconds
local errors = tmpdir() .. "/stderr"

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

cli.lua = process.LUA
cli.read_file = read_file

--- The size of a file in bytes, or 0 if there is no file.
function cli.size(path)
  local file <close> = io.open(path, "rb")
  return file and file:seek("end") or 0
end

--- Starts the command. The child's stdout can be read line by line; its stderr goes to a file.
-- @param argv arguments; `cwd`, and `env`: a list of NAME=VALUE
function cli.start(argv)
  local all = { "env", cwd = argv.cwd }
  table.move(argv.env or {}, 1, #(argv.env or {}), 2, all)
  local shell = { "sh", "-c", 'exec "$@" 2>"$0"', argv.errors or errors, process.LUA, COMMAND }
  table.move(shell, 1, #shell, #all + 1, all)
  return process.start(table.move(argv, 1, #argv, #all + 1, all))
end

--- Waits for the command's end.
-- @return exit status, stdout, stderr
function cli.finish(child, errors_file)
  local lines = {}
  for line in function() return child:line() end do lines[#lines + 1] = line .. "\n" end
  local how, status = child:wait()
  assert(how == "exit", ("ipmmap ended by %s %d"):format(how, status))
  return status, table.concat(lines), read_file(errors_file or errors)
end

--- Runs the command to its end: cli.run { "show", path }.
-- @return exit status, stdout, stderr
function cli.run(argv)
  return cli.finish(cli.start(argv))
end

--- Runs the command, and asserts that it succeeds and prints nothing to stderr.
-- @return stdout
function cli.output(argv)
  local status, out, err = cli.run(argv)
  if status ~= 0 or err ~= "" then
    error(("ipmmap %s ended with %d: %s"):format(table.concat(argv, " "), status, err), 2)
  end
  return out
end

--- The last screen in a terminal's output: all since the cursor last moved to the top.
-- @return list of lines, without colours
function cli.last_screen(output)
  local screen = output:match(".*\27%[H(.-)\27%[J")
  local lines = {}
  for line in ((screen or "") .. "\r\n"):gmatch("(.-)\r+\n") do
    lines[#lines + 1] = line:gsub("\27%[[%d;?]*[%a]", "")
  end
  return lines
end

--- Starts the command on a terminal of its own.
-- @return a terminal with the methods below
local Terminal = {}
Terminal.__index = Terminal

function cli.terminal(columns, lines, argv)
  local all = table.move(argv, 1, #argv, 3, { process.LUA, COMMAND })
  return cli.on_terminal(columns, lines, all, argv.env)
end

--- Starts a shell command on a terminal of its own.
function cli.shell(columns, lines, command, env)
  return cli.on_terminal(columns, lines, { "sh", "-c", command }, env)
end

function cli.on_terminal(columns, lines, argv, env)
  local pid, master = posix.forkpty(columns, lines)
  if pid == 0 then
    for _, setting in ipairs(env or {}) do posix.setenv(setting:match("^(.-)=(.*)$")) end
    pcall(posix.exec, argv)
    posix.exit(127)
  end
  return setmetatable({ pid = pid, master = master, output = "" }, Terminal)
end

--- Reads until is_done(lines of the last screen, all output) is true.
function Terminal:wait_for(is_done)
  local deadline = os.time() + DEADLINE
  while not is_done(cli.last_screen(self.output), self.output) do
    local bytes = posix.read(self.master, 65536, DEADLINE)
    if not bytes or bytes == "" or os.time() > deadline then
      error("the terminal shows something else: " .. self.output:sub(-2000):gsub("\27", "^["), 2)
    end
    self.output = self.output .. bytes
  end
  return cli.last_screen(self.output)
end

function Terminal:send(keys) posix.write(self.master, keys) end

function Terminal:resize(columns, lines) posix.resize(self.master, columns, lines) end

--- Reads to the end of the output.
-- @return "exit" or "signal", and the exit status or the signal's number
function Terminal:finish()
  repeat
    local bytes = posix.read(self.master, 65536, DEADLINE)
    self.output = self.output .. (bytes or "")
  until not bytes or bytes == ""
  local how, status = posix.wait(self.pid, DEADLINE)
  posix.close(self.master)
  return how, status
end

return cli

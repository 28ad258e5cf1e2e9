--- Other processes for the tests, connected to the test by a pair of pipes.
-- Every wait has a deadline, and no child outlives the test runner. A child that the test no
-- longer refers to is killed.
local finalized = require "spec.helper.finalized"
local posix = require "spec.helper.posix"

local process = {}

local DEADLINE = 30 -- seconds
-- An interpreter looks at LUA_PATH if it has no variable of its version, as in LuaJIT.
local VERSION = rawget(_G, "jit") and "" or _VERSION:gsub("Lua (%d)%.(%d)", "_%1_%2")

local root = posix.getcwd()

--- The interpreter that runs the specs and the programs that they start: the Makefile's LUA.
process.LUA = os.getenv "LUA" or "lua5.4"

local function absolute(path)
  return (";" .. path):gsub(";%./", ";" .. root .. "/"):sub(2)
end

local Child = {}
Child.__index = Child

local function start(run)
  local child_in, to = posix.pipe()
  local from, child_out = posix.pipe()
  local pid = posix.fork()
  if pid == 0 then
    posix.dup2(child_in, 0)
    posix.dup2(child_out, 1)
    posix.dup2(child_out, 2)
    for _, fd in ipairs { child_in, child_out, to, from } do posix.close(fd) end
    local ok, message = pcall(run)
    if not ok then io.stderr:write(tostring(message), "\n") end
    io.stdout:flush()
    posix.exit(ok and 0 or 1)
  end
  posix.close(child_in)
  posix.close(child_out)
  local child = { pid = pid, to = to, from = from, unread = "", starter = posix.getpid() }
  return finalized(child, Child)
end

--- Runs a program, found by PATH, with this process's Lua module paths.
-- @tparam table argv the program and its arguments; `cwd` is the directory to run it in
-- @treturn Child stdout and stderr come out of the same pipe
function process.start(argv)
  return start(function()
    posix.setenv("LUA_PATH" .. VERSION, absolute(package.path))
    posix.setenv("LUA_CPATH" .. VERSION, absolute(package.cpath))
    if argv.cwd then posix.chdir(argv.cwd) end
    posix.exec(argv)
  end)
end

--- Runs Lua source text in a process of its own.
-- @tparam string source a chunk, called with the other arguments; it prints line by line
-- @tparam string ... its arguments
-- @treturn Child
function process.spawn(source, ...)
  return process.start { process.LUA, root .. "/spec/helper/child.lua", source, ... }
end

--- Runs a function in a fork of this process. The fork inherits all open files and handles.
-- @tparam function fn its stdin and stdout are the child's; an error gives exit status 1
-- @treturn Child
function process.fork(fn)
  return start(function()
    io.stdout:setvbuf("line")
    fn()
  end)
end

--- The next line that the child prints.
-- @treturn string|nil nil at the end
function Child:line()
  while true do
    local line, rest = self.unread:match("^(.-)\n(.*)$")
    if line then
      self.unread = rest
      return line
    end
    local bytes = posix.read(self.from, 4096, DEADLINE)
    if not bytes then
      error(("the child printed nothing for %d seconds after %q"):format(DEADLINE, self.unread), 2)
    end
    if bytes == "" then
      local last = self.unread
      self.unread = ""
      return last ~= "" and last or nil
    end
    self.unread = self.unread .. bytes
  end
end

--- Asserts that the next line equals a text.
-- @tparam string expected
function Child:expect(expected)
  local line = self:line()
  if line ~= expected then
    error(("the child was to print %q, and printed %s")
          :format(expected, line and ("%q"):format(line) or "nothing more"), 2)
  end
end

--- Asserts that the next line matches a pattern.
-- @tparam string pattern
-- @return its captures, or the whole match
function Child:match(pattern)
  local line = self:line()
  if not (line and line:match(pattern)) then
    error(("the child was to print a line like %q, and printed %s")
          :format(pattern, line and ("%q"):format(line) or "nothing more"), 2)
  end
  return line:match(pattern)
end

--- Writes a line to the child's stdin.
-- @tparam string line without its end
function Child:send(line)
  posix.write(self.to, line .. "\n")
end

--- Closes the child's stdin, which ends it, unless a later fork without a program of its own still
-- has the pipe.
function Child:close_input()
  posix.close(self.to)
  self.to = nil
end

--- Sends a signal.
-- @tparam[opt=SIGKILL] integer signal `posix.SIGINT`, …
function Child:kill(signal)
  assert(not self.how, "the child has ended already")
  posix.kill(self.pid, signal or posix.SIGKILL)
end

--- Stops the child (SIGSTOP), and returns when it has stopped.
function Child:stop()
  self:kill(posix.SIGSTOP)
  local how = posix.wait(self.pid, DEADLINE)
  assert(how == "stop", "the child did not stop")
end

--- Lets a stopped child go on.
function Child:continue()
  self:kill(posix.SIGCONT)
end

--- Waits for the child's end.
-- @treturn string `"exit"` or `"signal"`
-- @treturn integer the exit status, or the signal's number
function Child:wait()
  if not self.how then
    local how, code
    repeat
      how, code = posix.wait(self.pid, DEADLINE)
    until how ~= "stop"
    if not how then error(("the child did not end within %d seconds"):format(DEADLINE), 2) end
    self.how, self.code = how, code
  end
  return self.how, self.code
end

--- Asserts that the child ends by itself, with success, and prints nothing more.
function Child:join()
  local line = self:line()
  if line then error(("the child was to end, and printed %q"):format(line), 2) end
  local how, code = self:wait()
  if how ~= "exit" or code ~= 0 then
    error(("the child was to end with success, and ended by %s %d"):format(how, code), 2)
  end
end

function Child:__gc()
  if self.starter ~= posix.getpid() then return end
  if not self.how then
    posix.kill(self.pid, posix.SIGKILL)
    self:wait()
  end
  if self.to then posix.close(self.to) end
  posix.close(self.from)
end

return process

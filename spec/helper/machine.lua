--- Machines that share a segment: each is a process with a directory of its own.
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"

local machine = {}

-- What each process runs. It prints what the member says, and at last how it ended.
local PROGRAM = [[
local options = load("return " .. ...)()
local cqueues = require "cqueues"
local member = require "ipmmap_share.member"
local signal = require "cqueues.signal"

local loop, is_asked = cqueues.new(), false
signal.block(signal.SIGTERM)
loop:wrap(function()
  signal.listen(signal.SIGTERM):wait()
  is_asked = true
end)
options.say = print
function options.stopping() return is_asked end
loop:wrap(function()
  local done, message, code = member.run(options)
  print(done and "stopped" or ("ended: %s: %s"):format(code, message))
  os.exit(true, true)
end)
assert(loop:loop())
]]

local Machine = {}
Machine.__index = Machine

local function show(value)
  if type(value) ~= "table" then return ("%q"):format(value) end
  local parts = {}
  for name, part in pairs(value) do parts[#parts + 1] = ("[%q]=%s"):format(name, show(part)) end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- Starts to share a segment.
-- @param options as of `member.run`, without its functions; `lease` is 1 by default
function machine.start(options)
  local all = { lease = 1 }
  for name, value in pairs(options) do all[name] = value end
  return setmetatable({ child = process.spawn(PROGRAM, show(all)), options = all }, Machine)
end

--- Waits until the machine says a line that matches a pattern.
-- @return the line
-- @return what it said since the last call, as a list
function Machine:says(pattern)
  local said = {}
  while true do
    local line = self.child:line()
    if not line then
      error(("%s ended without a word like %q; it said:\n%s"):format(self.options.machine, pattern,
        table.concat(said, "\n")), 2)
    end
    said[#said + 1] = line
    if line:find(pattern) then return line, said end
  end
end

--- Ends it in order, and waits for that.
-- @return what it said since the last `says`, as a list
function Machine:finish()
  self.child:kill(posix.SIGTERM)
  local said = {}
  for line in function() return self.child:line() end do said[#said + 1] = line end
  self.child:wait()
  if table.remove(said) ~= "stopped" then
    error(("%s did not end in order; it said:\n%s"):format(self.options.machine,
      table.concat(said, "\n")), 2)
  end
  return said
end

--- Kills it (SIGKILL), and waits for its end.
function Machine:kill()
  self.child:kill()
  self.child:wait()
end

function Machine:stop() self.child:stop() end

function Machine:continue() self.child:continue() end

return machine

--- Diaries: what a process of the test did and saw, in a file.
--
-- Each event is a line, `kind name=value name=value`, and one system call, so that a process that
-- is killed leaves only whole lines. Values are integers, or texts without spaces. Times are
-- nanoseconds of CLOCK_BOOTTIME.
local diary = {}
diary.__index = diary

--- Opens a diary to append to it.
function diary.open(path)
  local file = assert(io.open(path, "ab"))
  file:setvbuf "no"
  return setmetatable({ file = file }, diary)
end

--- Writes an event.
-- @tparam string kind
-- @tparam table values the keys and values
function diary:write(kind, values)
  local words = { kind }
  for name, value in pairs(values) do
    words[#words + 1] = name .. "=" .. tostring(value):gsub("%s+", "_")
  end
  assert(self.file:write(table.concat(words, " ") .. "\n"))
end

local function parse(line)
  local event = { kind = line:match "^%S+" }
  for name, value in line:gmatch " (%S-)=(%S*)" do event[name] = math.tointeger(value) or value end
  return event
end

--- Reads a diary.
-- @treturn table a list of events; none if there is no such file
function diary.read(path)
  local events = {}
  local file = io.open(path, "rb")
  if not file then return events end
  for line in file:lines() do events[#events + 1] = parse(line) end
  file:close()
  return events
end

return diary

--- What a member tells people and programs: lines of a log, and its status.
local voice = {}

local Voice = {}
Voice.__index = Voice

--- @param say a function that is called with each line
-- @param[opt] status an object of ipmmap_share.status
function voice.new(say, status)
  return setmetatable({
    write = say, status = status, told = {}, reported = {}, is_in_trouble = false,
  }, Voice)
end

function Voice:say(format, ...) self.write(format:format(...)) end

--- Sets fields of the status, if one of them is new.
function Voice:tell(fields)
  local is_new = false
  for name, value in pairs(fields) do
    if self.told[name] ~= value then self.told[name], is_new = value, true end
  end
  if is_new and self.status then self.status:set(fields) end
end

--- Reports a failure that does not end the work. The same one is said once until the work goes on.
-- @param problem { message, is_remote }
function Voice:report(problem)
  if problem.is_remote then self:tell { connected = false } end
  if self.reported[problem.message] then return end
  self.reported[problem.message], self.is_in_trouble = true, true
  self:say("%s", problem.message)
  if self.status then self.status:fail(problem.message) end
end

--- Says what the work waits for, once until it goes on.
function Voice:once(format, ...)
  local message = format:format(...)
  if not self.reported[message] then self:say("%s", message) end
  self.reported[message] = true
end

--- The work goes on, with the server.
function Voice:fine()
  self:tell { connected = true }
  self.reported = {}
  if self.is_in_trouble then self:say("the work goes on") end
  self.is_in_trouble = false
end

return voice

--- What a process that shares a segment tells of failures, in its status.
local ipmmap = require "ipmmap"
local status = require "ipmmap_share.status"

local told = {}
told.__index = told

--- @param one the machine
-- @tparam number patience seconds that it waits for the status, and for each failure
function told.new(one, patience)
  local reader = assert(ipmmap.reader(status.Struct, {
    mmap_dir = one.dir, tag = ("%s_%s"):format(one.S.name, one.tag), wait = patience,
    follow = true,
  }))
  return setmetatable({ reader = reader, last = 0, patience = patience }, told)
end

--- Waits until the process tells a failure that it has not told before. Returns nil if it does not.
function told:wait()
  local deadline = ipmmap.boottime() + self.patience
  repeat
    local version, now = self.reader:version(), self.reader:snapshot()
    if now.error_time > self.last then
      self.last = now.error_time
      return now.error
    end
    self.reader:wait(version, 0.1)
  until ipmmap.boottime() > deadline
  return nil
end

--- What was told until now is old.
function told:forget()
  self.last = self.reader:snapshot().error_time
end

--- Puts a list into a random order, so that a short run tries any of it.
function told.shuffle(list)
  for i = #list, 2, -1 do
    local j = math.random(i)
    list[i], list[j] = list[j], list[i]
  end
  return list
end

return told

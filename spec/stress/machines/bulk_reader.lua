-- usage: lua5.4 spec/stress/machines/bulk_reader.lua DIR TAG PIECES SIZE
--
-- Measures how long commits take from their editor to this replica. For each line `MARK` that it
-- reads it prints, of the commits since the mark before: how many, the median and the 99 % and the
-- worst time, in seconds.
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local bulk = require "spec.stress.machines.bulk"

local SLICE <const> = 0.05 -- seconds
local S = bulk.struct(math.tointeger(arg[3]), math.tointeger(arg[4]))
local reader = assert(ipmmap.reader(S, { mmap_dir = arg[1], tag = arg[2], wait = 60 }))
local times, version = {}, reader:version()
io.stdout:setvbuf "line"

local function report()
  table.sort(times)
  local count = #times
  local function at(part) return times[math.max(1, math.ceil(count * part))] or 0 end
  print(("%d %.6f %.6f %.6f"):format(count, at(0.5), at(0.99), at(1)))
  times = {}
end

while true do
  local newer = reader:wait(version, SLICE)
  if newer then
    version = newer
    times[#times + 1] = ipmmap.boottime() - reader:read "at" / 1e9
  end
  if posix.poll(0, 0) then
    if not io.read() then break end
    report()
  end
end

--- Prints the counters each time they change, from a process of its own.
-- usage: lua show.lua [DIR]
package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path
local ipmmap = require "ipmmap"
local Requests = require "requests"

local reader <close> = assert(ipmmap.reader(Requests, { mmap_dir = arg[1] }))
io.stdout:setvbuf "line"
while true do
  local requests, version = reader:versioned_snapshot()
  print(("%d requests, %d bytes"):format(requests.count, requests.bytes))
  assert(reader:wait(version))
end

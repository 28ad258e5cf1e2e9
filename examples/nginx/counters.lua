--- Counts requests for all workers together.
local ipmmap = require "ipmmap"
local Requests = require "requests"

local counters = {}
local requests

--- Opens the counters in a directory, and makes them if they are not there. The workers call this,
-- not the master: a process cannot use the handles that its parent opened before the fork.
function counters.open(dir)
  requests = assert(ipmmap.manager(Requests, { create = true, mmap_dir = dir }))
end

local function add(data, bytes)
  data.count = data.count + 1
  data.bytes = data.bytes + bytes
  return data.count
end

--- Counts one request, and returns its number.
function counters.count(bytes)
  return assert(requests:try_with(1, add, bytes)) -- a worker waits a second at most
end

return counters

--- Counts the results of tests while a report in TAP comes in.
-- usage: busted --output=TAP | lua count.lua
package.path = arg[0]:match("^(.-)[^/]*$") .. "lua/?.lua;" .. package.path
local ipmmap = require "ipmmap"
local TestResults = require "test_results"

local results <close> = assert(ipmmap.manager(TestResults, { create = true }))
results:set { passed = 0, failed = 0 }

for line in io.lines() do
  if line:find "^ok " then
    results:add("passed", 1)
  elseif line:find "^not ok " then
    results:add("failed", 1)
  end
end

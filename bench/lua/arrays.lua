--- Whole arrays of 1 to 10^7 doubles between Lua and a segment, by the number of elements.
local ipmmap = require "ipmmap"
local measure = require "measure"

local MOST = tonumber(os.getenv "BENCH_MOST") or 10 ^ 7

local function compare(count)
  local name = ("Doubles%d"):format(count)
  local struct = ipmmap.base:extend(name, { { "doubles", ("double[%d]"):format(count) } })
  local manager <close> = measure.manager(struct, "arrays")
  local data <close> = manager:lock()
  local doubles = data.doubles
  local bytes = ipmmap.bytes(doubles)
  local numbers = {}
  for i = 1, count do
    numbers[i] = i + 0.5
  end
  local ways = {
    totable = function() return ipmmap.totable(doubles) end,
    bytes = function() return ipmmap.bytes(doubles) end,
    setbytes = function() ipmmap.setbytes(doubles, bytes) end,
    assign = function() data.doubles = numbers end,
  }
  for way, once in pairs(ways) do
    local took = measure.time(function(times)
      for _ = 1, times do
        once()
      end
    end)
    measure.print(("arrays.%s/%d"):format(way, count), took)
    collectgarbage()
  end
  manager:destroy()
end

local count = 1
while count <= MOST do
  compare(count)
  count = count * 10
end

--- Timing and printing for the benchmarks in Lua and LuaJIT; the same as measure.h does for those
-- in C.
local ipmmap = require "ipmmap"

local measure = {}

local SLICE = 250e-6
local patience = (tonumber(os.getenv "BENCH_MS") or 100) / 1000

local function slice(what, count)
  local before = ipmmap.now()
  what(count)
  return ipmmap.now() - before
end

--- Nanoseconds that `what` takes once; `what(n)` does it n times.
function measure.time(what)
  local count = 1
  while slice(what, count) < SLICE do
    count = count * 2
  end
  local took = {}
  local stop = ipmmap.now() + patience
  repeat
    took[#took + 1] = slice(what, count) / count
  until #took >= 3 and ipmmap.now() >= stop
  table.sort(took)
  return took[math.floor(#took / 2) + 1] * 1e9
end

--- Bytes of Lua memory that `what` takes once, without what the collector gets back.
function measure.memory(what)
  local COUNT = 10000
  what(COUNT)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  what(COUNT)
  local after = collectgarbage "count"
  collectgarbage "restart"
  return (after - before) * 1024 / COUNT
end

function measure.print(metric, value)
  print(("%s %.9g"):format(metric, value))
end

--- The struct of the documentation, 688 bytes, and where its segments are.
function measure.demo()
  ipmmap.struct("Point2D", { { "x", "double" }, { "y", "double" } })
  ipmmap.struct("MultiPointsData", {
    { "multi_data_int", "int32" },
    { "multi_points", "Point2D[24]" },
  })
  return ipmmap.base:extend("DemoMmapStructure", {
    { "data_int", "int32" },
    { "data_string", "char[256]" },
    { "data_xy", "Point2D" },
    { "multi_pts", "MultiPointsData" },
  })
end

--- A struct with an array of 1,000 structs of 6 fields.
function measure.entities()
  ipmmap.struct("Entity", {
    { "id", "int32" },
    { "health", "int32" },
    { "x", "double" },
    { "y", "double" },
    { "angle", "double" },
    { "score", "int64" },
  })
  return ipmmap.base:extend("Entities", { { "entities", "Entity[1000]" } })
end

--- A manager of a fresh segment of the struct; `feed` as the library's option.
function measure.manager(struct, tag, feed)
  return assert(ipmmap.manager(struct, {
    tag = tag,
    mmap_dir = assert(os.getenv "BENCH_DIR") .. "/segments",
    create = true,
    force = true,
    feed = feed,
  }))
end

return measure

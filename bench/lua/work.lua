--- The ways to write and to read from Lua, timed, and the Lua memory that each takes once warm.
local ipmmap = require "ipmmap"
local measure = require "measure"

local manager <close> = measure.manager(measure.demo(), "work")
local value = manager:snapshot()

-- A struct of the same size with four fields of its own.
local flat <close> = measure.manager(ipmmap.base:extend("Flat", {
  { "a", "int32" },
  { "b", "int32" },
  { "x", "double" },
  { "y", "double" },
  { "rest", "char[648]" },
}), "work")

local ways = {}

function ways.lock_1(count)
  for i = 1, count do
    local data <close> = manager:lock()
    data.data_int = i & 0xffff
  end
end

function ways.lock_4(count)
  for i = 1, count do
    local data <close> = flat:lock()
    data.a = i & 0xffff
    data.b = 1
    data.x = i
    data.y = i
  end
end

function ways.lock_4_nested(count)
  for i = 1, count do
    local data <close> = manager:lock()
    local xy = data.data_xy
    data.data_int = i & 0xffff
    xy.x = i
    xy.y = i
    data.multi_pts.multi_data_int = i & 0xffff
  end
end

function ways.lock_4_text(count)
  for i = 1, count do
    local data <close> = manager:lock()
    data.data_int = i & 0xffff
    data.data_string = "hello world!"
    data.data_xy.x = i
    data.multi_pts.multi_data_int = i & 0xffff
  end
end

function ways.write(count)
  for i = 1, count do
    manager:write("data_int", i & 0xffff)
  end
end

function ways.set(count)
  local fields = { data_int = 1, data_xy = { x = 1, y = 2 }, multi_pts = { multi_data_int = 3 } }
  for _ = 1, count do
    manager:set(fields)
  end
end

function ways.add(count)
  for _ = 1, count do
    manager:add("data_xy.x", 1)
  end
end

function ways.read(count)
  for _ = 1, count do
    local _ = manager:read "data_int"
  end
end

function ways.read_nested(count)
  for _ = 1, count do
    local _ = manager:read "multi_pts.multi_points[3].x"
  end
end

function ways.read_struct(count)
  for _ = 1, count do
    local _ = manager:read "data_xy"
  end
end

function ways.snapshot(count)
  for _ = 1, count do
    local _ = manager:snapshot()
  end
end

function ways.snapshot_into(count)
  for _ = 1, count do
    manager:snapshot(value)
  end
end

local names = {}
for name in pairs(ways) do
  names[#names + 1] = name
end
table.sort(names)
for _, name in ipairs(names) do
  measure.print("lua." .. name, measure.time(ways[name]))
  measure.print("memory." .. name, measure.memory(ways[name]))
end
manager:destroy()
flat:destroy()

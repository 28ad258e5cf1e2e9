--- The ways to write and to read from LuaJIT, timed, and the Lua memory that each takes once warm.
-- The option "interpreted" times them without the compiler.
local measure = require "measure"
local ipmmap = require "ipmmap"
local band = require("bit").band

local prefix = "jit"
if arg[1] == "interpreted" then
  prefix = "interpreted"
  jit.off() -- luacheck: ignore 113
end

local manager = measure.manager(measure.demo(), prefix)
local value = manager:snapshot()

-- A struct of the same size with four fields of its own.
local flat = measure.manager(ipmmap.base:extend("Flat", {
  { "a", "int32" },
  { "b", "int32" },
  { "x", "double" },
  { "y", "double" },
  { "rest", "char[648]" },
}), prefix)

local ways = {}

local function write_1(data, i)
  data.data_int = band(i, 0xffff)
end

function ways.lock_1(count)
  for i = 1, count do
    manager:with(write_1, i)
  end
end

local function write_4(data, i)
  data.a = band(i, 0xffff)
  data.b = 1
  data.x = i
  data.y = i
end

function ways.lock_4(count)
  for i = 1, count do
    flat:with(write_4, i)
  end
end

local function write_4_nested(data, i)
  local xy = data.data_xy
  data.data_int = band(i, 0xffff)
  xy.x = i
  xy.y = i
  data.multi_pts.multi_data_int = band(i, 0xffff)
end

function ways.lock_4_nested(count)
  for i = 1, count do
    manager:with(write_4_nested, i)
  end
end

local function write_4_text(data, i)
  data.data_int = band(i, 0xffff)
  data.data_string = "hello world!"
  data.data_xy.x = i
  data.multi_pts.multi_data_int = band(i, 0xffff)
end

function ways.lock_4_text(count)
  for i = 1, count do
    manager:with(write_4_text, i)
  end
end

function ways.write(count)
  for i = 1, count do
    manager:write("data_int", band(i, 0xffff))
  end
end

local fields = { data_int = 1, data_xy = { x = 1, y = 2 }, multi_pts = { multi_data_int = 3 } }

function ways.set(count)
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
  local sum = 0
  for _ = 1, count do
    sum = sum + manager:read "data_int"
  end
  return sum
end

function ways.read_nested(count)
  local sum = 0
  for _ = 1, count do
    sum = sum + manager:read "multi_pts.multi_points[3].x"
  end
  return sum
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
  ways[name](10000) -- compiled before the times count
  measure.print(("%s.%s"):format(prefix, name), measure.time(ways[name]))
  measure.print(("memory.%s_%s"):format(prefix, name), measure.memory(ways[name]))
end
manager:destroy()
flat:destroy()

--- The ways to write and to read from LuaJIT, timed, and the Lua memory that each takes once warm.
local measure = require "measure"
local ipmmap = require "ipmmap"
local band = require("bit").band

local prefix = jit.status() and "jit" or "interpreted" -- luacheck: ignore 113

local the_manager = measure.manager(measure.demo(), prefix)
local the_value = the_manager:snapshot()

-- A struct of the same size with four fields of its own.
local the_flat = measure.manager(ipmmap.base:extend("Flat", {
  { "a", "int32" },
  { "b", "int32" },
  { "x", "double" },
  { "y", "double" },
  { "rest", "char[648]" },
}), prefix)

local the_entities = measure.manager(measure.entities(), prefix)

-- The handles are local variables of the loops, as in the benchmarks in C. LuaJIT loads them, and
-- what they lead to, once. If a function takes them from outside, it does so for each call.
local ways = {}

local function write_1(data, i)
  data.data_int = band(i, 0xffff)
end

function ways.lock_1(count, manager)
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

function ways.lock_4(count, _, flat)
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

function ways.lock_4_nested(count, manager)
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

function ways.lock_4_text(count, manager)
  for i = 1, count do
    manager:with(write_4_text, i)
  end
end

function ways.write(count, manager)
  for i = 1, count do
    manager:write("data_int", band(i, 0xffff))
  end
end

local fields = { data_int = 1, data_xy = { x = 1, y = 2 }, multi_pts = { multi_data_int = 3 } }

function ways.set(count, manager)
  for _ = 1, count do
    manager:set(fields)
  end
end

function ways.add(count, manager)
  for _ = 1, count do
    manager:add("data_xy.x", 1)
  end
end

local function move_all(data)
  local entities = data.entities
  for i = 1, 1000 do
    local entity = entities[i]
    entity.id = band(entity.id + 1, 0xffff)
    entity.health = band(entity.health + 1, 0xffff)
    entity.x = entity.x + 1
    entity.y = entity.y + 1
    entity.angle = entity.angle + 1
    entity.score = band(entity.score + 1, 0xffff)
  end
end

function ways.loop(count, _, _, _, entities)
  for _ = 1, count do
    entities:with(move_all)
  end
end

function ways.read(count, manager)
  local sum = 0
  for _ = 1, count do
    sum = sum + manager:read "data_int"
  end
  return sum
end

function ways.read_nested(count, manager)
  local sum = 0
  for _ = 1, count do
    sum = sum + manager:read "multi_pts.multi_points[3].x"
  end
  return sum
end

function ways.read_struct(count, manager)
  for _ = 1, count do
    local _ = manager:read "data_xy"
  end
end

function ways.snapshot(count, manager)
  for _ = 1, count do
    local _ = manager:snapshot()
  end
end

function ways.snapshot_into(count, manager, _, value)
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
  local function way(count)
    ways[name](count, the_manager, the_flat, the_value, the_entities)
  end
  way(10000) -- compiled before the times count
  measure.print(("%s.%s"):format(prefix, name), measure.time(way))
  measure.print(("memory.%s_%s"):format(prefix, name), measure.memory(way))
end
the_manager:destroy()
the_flat:destroy()
the_entities:destroy()

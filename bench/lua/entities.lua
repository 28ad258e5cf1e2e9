--- Turns 1,000 structs of 6 fields into tables, and tables into structs, compared with loops in C.
local ipmmap = require "ipmmap"
local loop = require "loop"
local measure = require "measure"

local manager <close> = measure.manager(measure.entities(), "entities")

local function print_time(metric, once)
  measure.print(metric, measure.time(function(count)
    for _ = 1, count do
      once()
    end
  end))
end

do
  local data <close> = manager:lock()
  local entities = {}
  for i = 1, 1000 do
    entities[i] = { id = i, health = 100, x = i + 0.5, y = -i, angle = 0.25, score = i * i }
  end
  print_time("entities.assign", function() data.entities = entities end)
  print_time("floor.entities_assign", function() loop.assign(entities) end)
  local view = data.entities
  print_time("entities.totable", function() return ipmmap.totable(view) end)
  print_time("floor.entities_totable", loop.totable)
end
manager:destroy()

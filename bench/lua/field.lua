--- A view's fields read and written, against a minimal C module's.
local bare = require "bare"
local measure = require "measure"
local minimal = require "minimal"

local manager <close> = measure.manager(measure.demo(), "field")
local ways = {}

function ways.get(object)
  return function(count)
    for _ = 1, count do
      local _ = object.data_int
    end
  end
end

function ways.set(object)
  return function(count)
    for _ = 1, count do
      object.data_int = 7
    end
  end
end

function ways.get_nested(object)
  return function(count)
    for _ = 1, count do
      local _ = object.data_xy.x
    end
  end
end

function ways.get_element(object)
  local points = object.multi_pts.multi_points
  return function(count)
    for _ = 1, count do
      local _ = points[3].x
    end
  end
end

function ways.lock(handle)
  return function(count)
    for i = 1, count do
      local data <close> = handle:lock()
      data.data_int = i & 0xffff
    end
  end
end

measure.print("floor.lock_1", measure.time(ways.lock(minimal.handle(minimal.new()))))
measure.print("floor.lock_1_core", measure.time(ways.lock(bare.handle())))
do
  local data <close> = manager:lock()
  local plain = minimal.new()
  measure.print("field.get", measure.time(ways.get(data)))
  measure.print("floor.field_get", measure.time(ways.get(plain)))
  measure.print("field.set", measure.time(ways.set(data)))
  measure.print("floor.field_set", measure.time(ways.set(plain)))
  measure.print("field.get_nested", measure.time(ways.get_nested(data)))
  measure.print("field.get_element", measure.time(ways.get_element(data)))
end
manager:destroy()

--- The struct that demo_editor.lua and demo_reader.lua share. Load it with `ipmmap.load`.
local ipmmap = require "ipmmap"

ipmmap.struct("Point2D", {
  { "x", "double" },
  { "y", "double" },
})

ipmmap.struct("MultiPointsData", {
  { "multi_data_int", "int32" },
  { "multi_points",   "Point2D[24]" },
})

return ipmmap.base:extend("DemoMmapStructure", {
  { "data_int",    "int32" },
  { "data_string", "char[256]" },
  { "data_xy",     "Point2D" },
  { "multi_pts",   "MultiPointsData" },
})

--- The structs that the game and tune.lua share.
local ipmmap = require "ipmmap"

local Score = ipmmap.struct("CatchScore", {
  { "caught", "int32" },
  { "missed", "int32" },
})

local structs = {}

--- Changed by tune.lua, read by the game in each frame.
structs.Tuning = ipmmap.base:extend("CatchTuning", {
  { "speed", "double" },   -- of the apple, in pixels per second
  { "width", "double" },   -- of the basket, in pixels
  { "sky", "float[3]" },   -- red, green and blue, from 0 to 1
})

--- Written by the game in each frame.
structs.State = ipmmap.base:extend("CatchState", {
  { "frame", "int64" },
  { "tuning", "int64" },   -- the version of the tuning that the frame has
  { "score", Score },
})

return structs

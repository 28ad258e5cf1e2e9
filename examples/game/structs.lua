--- The structs that the game and its tuner share; game.h declares the same structs in C.
local ipmmap = require "ipmmap"

ipmmap.struct("Ball", {
  { "x",  "double" },       -- 0 to 1, from the left
  { "y",  "double" },       -- 0 to 1, from the ground
  { "vx", "double" },       -- per second
  { "vy", "double" },
})

ipmmap.base:extend("GameState", {
  { "frame", "int64" },     -- steps since the first start
  { "count", "int32" },     -- balls in play
  { "balls", "Ball[64]" },
})

ipmmap.base:extend("GameTuning", {
  { "gravity", "double" },  -- per second squared, downwards
  { "wind",    "double" },  -- per second squared, to the right
  { "bounce",  "double" },  -- 0 to 1: the part of its speed that a ball keeps
  { "count",   "int32" },   -- balls wanted
})

--- The rules of the game, run by the host: balls in a box, stepped once a frame.
-- The script keeps the world in a value of its own, and publishes a copy in the segment. Other
-- processes read that copy, and a new game continues from it after the old one was killed. So
-- another process that holds a lock, or is stopped, cannot stop the game.
local ipmmap = require "ipmmap"

ipmmap.load { "structs" }

local state = assert(ipmmap.editor("GameState", { prefault = true }))
local tuning = assert(ipmmap.reader("GameTuning", { prefault = true }))
local world = state:snapshot()
local knobs = tuning:snapshot()
local balls = world.balls
local MOST <const> = #balls

local function clamp(value, least, most)
  if value ~= value then return least end -- not a number
  return math.max(least, math.min(most, value))
end

local function add_ball()
  world.count = world.count + 1
  balls[world.count] = { x = math.random(), y = 0.5 + math.random() / 2, vx = math.random() - 0.5 }
end

--- Moves along one axis between the walls at 0 and 1: the new position and speed.
local function move(position, speed, bounce)
  if position < 0 then return -position, -speed * bounce end
  if position > 1 then return 2 - position, -speed * bounce end
  return position, speed
end

local function step(ball, dt, gravity, wind, bounce)
  local vx, vy = ball.vx + wind * dt, ball.vy - gravity * dt
  local x, y
  x, vx = move(ball.x + vx * dt, vx, bounce)
  y, vy = move(ball.y + vy * dt, vy, bounce)
  ball.x, ball.y, ball.vx, ball.vy = clamp(x, 0, 1), clamp(y, 0, 1), vx, vy
end

local function publish()
  local live <close> = state:try_lock()
  if not live then return false end
  live.frame, live.count, live.balls = world.frame, world.count, balls
  return true
end

--- One frame of `dt` seconds. Returns whether the world could be published.
return function(dt)
  tuning:snapshot(knobs)
  local gravity, wind = clamp(knobs.gravity, -100, 100), clamp(knobs.wind, -100, 100)
  local bounce = clamp(knobs.bounce, 0, 1)
  local wanted = clamp(knobs.count, 0, MOST)
  while world.count < wanted do add_ball() end
  world.count = wanted
  for i = 1, wanted do step(balls[i], dt, gravity, wind, bounce) end
  world.frame = world.frame + 1
  return publish()
end

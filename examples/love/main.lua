--- A game whose tuning another process changes while it runs: catch the apples with the mouse.
-- usage: love examples/love [DIR]
local ipmmap = require "ipmmap"
local structs = require "structs"

local GROUND, RADIUS = 300, 8

local tuning, state                   -- handles
local settings = structs.Tuning:new() -- a copy of the tuning, renewed in each frame
local version
local frame, score = 0, { caught = 0, missed = 0 }
local apple

local function new_apple()
  apple = { x = love.math.random(RADIUS, love.graphics.getWidth() - RADIUS), y = 0 }
end

function love.load(arguments)
  local options = { create = true, mmap_dir = arguments[1] }
  tuning = assert(ipmmap.manager(structs.Tuning, options))
  state = assert(ipmmap.manager(structs.State, options))
  if tuning:version() == 0 then
    tuning:set { speed = 200, width = 90, sky = { 0.55, 0.75, 0.9 } }
  end
  new_apple()
end

-- The state of this frame. `data` is the struct, live in the segment.
local function publish(data)
  data.frame, data.tuning, data.score = frame, version, score
end

function love.update(seconds)
  settings, version = tuning:versioned_snapshot(settings) -- never waits
  apple.y = apple.y + settings.speed * seconds
  if apple.y >= GROUND then
    local is_caught = math.abs(apple.x - love.mouse.getX()) <= settings.width / 2 + RADIUS
    local what = is_caught and "caught" or "missed"
    score[what] = score[what] + 1
    new_apple()
  end
  frame = frame + 1
  state:try_with(publish) -- if another process holds the lock now, the next frame publishes
end

function love.draw()
  local graphics, sky = love.graphics, settings.sky
  graphics.clear(sky[1], sky[2], sky[3])
  graphics.setColor(0.8, 0.1, 0.1)
  graphics.circle("fill", apple.x, apple.y, RADIUS)
  graphics.setColor(0.4, 0.25, 0.1)
  graphics.rectangle("fill", love.mouse.getX() - settings.width / 2, GROUND, settings.width, 8)
  graphics.setColor(0, 0, 0)
  graphics.print(("caught %d, missed %d"):format(score.caught, score.missed), 8, 8)
end

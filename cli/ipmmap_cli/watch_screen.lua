--- watch on a terminal: redrawn at each commit, but not more often than eyes can follow.
local ipmmap = require "ipmmap"
local screen = require "ipmmap_cli.screen"
local terminal = require "ipmmap_cli.terminal"
local uv = require "luv"

local FRAME_MS <const> = 33 -- between two redraws, at least
local IDLE_MS <const> = 500 -- and at most, for the rate and the highlights to fade

-- The first row to show after a key.
local function scroll(first, keys, rows, room)
  local steps = {
    ["\27[A"] = -1, ["\27[B"] = 1, k = -1, j = 1, ["\27[5~"] = -room, ["\27[6~"] = room,
    [" "] = room, g = -rows, G = rows,
  }
  return math.max(1, math.min(first + (steps[keys] or 0), rows - room + 1))
end

--- @return what to call after each commit; and what gives the terminal back when it is closed
return function(history, take, guard, title)
  local first, drawn_at, is_due = 1, -FRAME_MS, false
  local timer = uv.new_timer()

  local function draw(keys)
    local width, height = terminal.size()
    first = scroll(first, keys, #history.rows, math.max(height - 2, 1))
    terminal.draw(screen.render(history, title, first, width, height, ipmmap.now()), height)
    drawn_at = uv.now()
  end

  local function tick()
    is_due = false
    draw()
    timer:start(IDLE_MS, 0, guard(tick))
  end

  local function on_commit()
    take()
    if is_due then return end
    is_due = true
    timer:start(math.max(0, drawn_at + FRAME_MS - uv.now()), 0, guard(tick))
  end

  local resized = uv.new_signal()
  resized:start("sigwinch", guard(function() draw() end))
  terminal.enter(guard(function(keys)
    if keys:find("[q\3\4]") then return uv.stop() end
    draw(keys)
  end))
  return on_commit, setmetatable({}, { __close = terminal.leave })
end

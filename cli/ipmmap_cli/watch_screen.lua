--- `ipmmap watch` on a terminal: redraws the screen after each commit, but at most every FRAME_MS,
-- because nobody can read faster.
local ipmmap = require "ipmmap"
local keys = require "ipmmap_cli.keys"
local new_cursor = require "ipmmap_cli.cursor"
local screen = require "ipmmap_cli.screen"
local terminal = require "ipmmap_cli.terminal"
local uv = require "luv"

local FRAME_MS <const> = 33 -- the least time between two redraws
local IDLE_MS <const> = 500 -- the longest, so that highlights and the rate fade out

--- @param args the command line's; `file` is where an edited value is set
-- @return a function to call after each commit
-- @return a to-be-closed value that restores the terminal
return function(history, take, guard, title, S, args)
  local drawn_at, is_due = -FRAME_MS, false
  local timer, cursor = uv.new_timer(), nil

  local function draw()
    local width, height = terminal.size()
    local lines, row, column = screen.render(history, title, cursor, width, height, ipmmap.now())
    terminal.draw(lines, height, row, column)
    drawn_at = uv.now()
  end
  cursor = new_cursor(history.rows, S, args, guard, draw)

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
  terminal.enter(guard(function(bytes)
    local _, height = terminal.size()
    keys.each(bytes, function(key)
      if cursor:press(key, screen.room(height)) == "quit" then uv.stop() end
    end)
    draw()
  end))
  return on_commit, setmetatable({}, { __close = terminal.leave })
end

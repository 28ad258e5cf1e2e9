--- `ipmmap watch` on a terminal: redraws the screen after each commit, but at most every FRAME_MS,
-- because nobody can read faster.
local ipmmap = require "ipmmap"
local screen = require "ipmmap_cli.screen"
local terminal = require "ipmmap_cli.terminal"
local uv = require "luv"

local FRAME_MS <const> = 33 -- the least time between two redraws
local IDLE_MS <const> = 500 -- the longest, so that highlights and the rate fade out

-- The actions of keys. Some keys have several entries, because terminals send different sequences.
local ACTIONS <const> = {
  k = "up", ["\27[A"] = "up", ["\27OA"] = "up",
  j = "down", ["\27[B"] = "down", ["\27OB"] = "down",
  ["\27[5~"] = "page up", ["\27[6~"] = "page down", [" "] = "page down",
  g = "first", ["\27[H"] = "first", ["\27OH"] = "first", ["\27[1~"] = "first",
  ["\27[7~"] = "first",
  G = "last", ["\27[F"] = "last", ["\27OF"] = "last", ["\27[4~"] = "last", ["\27[8~"] = "last",
  q = "quit", ["\3"] = "quit", ["\4"] = "quit",
}

-- Calls visit(action) for each key in the bytes that a terminal sent.
local function each_action(keys, visit)
  local at = 1
  while at <= #keys do
    local key = keys:match("^\27[%[O][%d;]*[%a~]", at) or keys:sub(at, at)
    if ACTIONS[key] then visit(ACTIONS[key]) end
    at = at + #key
  end
end

-- The number of the first row to show after an action. There are `rows` rows, and the screen has
-- room for `room` of them.
local function scroll(first, action, rows, room)
  local steps = {
    up = -1, down = 1, ["page up"] = -room, ["page down"] = room, first = -rows, last = rows,
  }
  return math.max(1, math.min(first + (steps[action] or 0), rows - room + 1))
end

--- @return a function to call after each commit
-- @return a to-be-closed value that restores the terminal
return function(history, take, guard, title)
  local first, drawn_at, is_due = 1, -FRAME_MS, false
  local timer = uv.new_timer()

  local function draw(action)
    local width, height = terminal.size()
    first = scroll(first, action, #history.rows, math.max(height - 2, 1))
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
    each_action(keys, function(action)
      if action == "quit" then uv.stop() else draw(action) end
    end)
  end))
  return on_commit, setmetatable({}, { __close = terminal.leave })
end

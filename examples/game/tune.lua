--- Shows and tunes the running game from a process of its own. Start it in the directory in which
-- the game was started.
--   lua5.4 tune.lua                        shows the state and the tuning once a second
--   lua5.4 tune.lua gravity=3 wind=-0.5    sets gravity, wind, bounce or count, all at once
--   lua5.4 tune.lua storm                  changes the wind without pause
package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path

local ipmmap = require "ipmmap"

ipmmap.load { "structs" }

local editor <close> = assert(ipmmap.editor("GameTuning"))

local function set(settings)
  local changes = {}
  for _, setting in ipairs(settings) do
    local name, value = setting:match("^(%a+)=(.+)$")
    changes[name or error("not a setting: " .. setting)] = tonumber(value)
  end
  editor:set(changes)
end

local function storm()
  print("writing without pause")
  local angle = 0
  while true do
    local tuning <close> = editor:lock()
    angle = angle + 0.01
    tuning.wind = math.sin(angle)
    tuning.gravity = 2 + math.cos(angle)
  end
end

local function watch()
  local state <close> = assert(ipmmap.reader("GameState"))
  while true do
    local now, tuning = state:snapshot(), editor:snapshot()
    print(("frame %d, %d balls; gravity=%g wind=%g bounce=%g count=%d")
          :format(now.frame, now.count, tuning.gravity, tuning.wind, tuning.bounce, tuning.count))
    ipmmap.sleep(1)
  end
end

io.stdout:setvbuf("line")
if arg[1] == "storm" then
  storm()
elseif arg[1] then
  set(arg)
else
  watch()
end

--- Tunes the running game from a process of its own, or follows its score.
--   lua5.4 tune.lua DIR                                   prints the score when it changes
--   lua5.4 tune.lua DIR speed=400 width=40 sky=0.95,0.6,0.35  sets these, all at once
package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path
local ipmmap = require "ipmmap"
local structs = require "structs"

-- The game may start later, and may be started again.
local options = { mmap_dir = arg[1], wait = 10, follow = true }

local function tune(settings)
  local changes = {}
  for _, setting in ipairs(settings) do
    local name, values = setting:match "^(%l+)=(.+)$"
    assert(name, "not a setting: " .. setting)
    local numbers = {}
    for number in values:gmatch "[^,]+" do numbers[#numbers + 1] = tonumber(number) end
    changes[name] = name == "sky" and numbers or numbers[1]
  end
  assert(ipmmap.editor(structs.Tuning, options)):set(changes)
end

local function follow()
  local state = assert(ipmmap.reader(structs.State, options))
  local score = state:read "score"
  while true do
    print(("caught %d, missed %d"):format(score.caught, score.missed))
    score = assert(state:wait "score")
  end
end

io.stdout:setvbuf "line"
if arg[2] then
  tune { table.unpack(arg, 2) }
else
  follow()
end

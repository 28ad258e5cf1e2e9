--- kill -9 of the server, of the home's share process, of followers and of editors, at random.
local ipmmap = require "ipmmap"
local world = require "spec.stress.machines.world"

local MACHINES <const> = 3
local MOST <const> = 0.7 -- seconds between two kills, and until a process starts again

-- What may be killed, and how often in proportion.
local VICTIMS <const> = {
  "server", "server", "share 1", "share 1", "share 2", "share 3", "editor 1", "remote 3",
}

local function kill(it, victim)
  if victim == "server" then
    it.server:kill()
    ipmmap.sleep(math.random() * MOST)
    it.server:restart()
    return
  end
  local kind, number = victim:match "^(%a+) (%d)$"
  local one = it.machines[tonumber(number)]
  local name = kind == "editor" and "editor" .. math.random(2) or kind == "remote" and "remote3"
    or kind
  one:kill(name)
  ipmmap.sleep(math.random() * MOST / 2)
  one:restart(name)
end

--- Runs the test.
-- @tparam number seconds
-- @tparam string sync the server's appendfsync
return function(seconds, sync)
  local it <close> = world.new { machines = MACHINES, sync = sync }
  local home, first, second = table.unpack(it.machines)
  home:create()
  home:share()
  first:follow()
  second:follow()
  it:await_replicas(30)
  for number = 1, 2 do home:editor(number, 0.01) end
  for number, one in ipairs(it.machines) do one:observer(number) end
  first:remote(1, 0.02)
  first:remote(2, 0.02)
  second:remote(3, 0.05)
  it:sample(0.01)
  local kills, ends = 0, ipmmap.boottime() + seconds
  while ipmmap.boottime() < ends do
    ipmmap.sleep(math.random() * MOST)
    kill(it, VICTIMS[math.random(#VICTIMS)])
    kills = kills + 1
  end
  local verdict, counts = it:verdict {
    followers = { [2] = true, [3] = true }, forward = sync == "always",
  }
  counts.kills = kills
  return verdict, counts
end

--- Machines that are cut off, stopped past the lease or without a share process, while editors work
-- on each of them and standbys take over.
local ipmmap = require "ipmmap"
local world = require "spec.stress.machines.world"

local MACHINES <const> = 3
local HOMES <const> = 2 -- machines 1 and 2 may become the home; machine 3 only follows

local disturb = {}

for _, direction in ipairs { "to", "from", "both" } do
  disturb["cut " .. direction] = {
    start = function(one) one.host:cut(direction) end,
    finish = function(one) one.host:mend() end,
  }
end

disturb.stop = {
  start = function(one) one:stop "share" end,
  finish = function(one) one:continue "share" end,
}

disturb.kill = {
  start = function(one) one:kill "share" end,
  finish = function(one) one:restart "share" end,
}

-- An editor that is stopped, perhaps in its block; and its share process too, so that the deadline
-- finds it there.
disturb["stop editor"] = {
  start = function(one)
    one:stop "share"
    one:stop "editor1"
  end,
  finish = function(one)
    one:continue "editor1"
    one:continue "share"
  end,
}

local NAMES <const> = { "cut to", "cut from", "cut both", "stop", "kill", "stop editor" }

-- The server hangs, or is killed, while a machine is cut off.
local function trouble_server(it)
  if math.random(2) == 1 then
    it.server.child:stop()
    ipmmap.sleep(it.lease * 1.5 * math.random())
    it.server.child:continue()
  else
    it.server:kill()
    it.server:restart()
  end
end

-- Runs one disturbance of one machine for a while.
local function trouble(it, name, one, seconds)
  if not one.processes.editor1 and name == "stop editor" then name = "stop" end
  local kind = disturb[name]
  if not one:is_running "share" then one:restart "share" end
  kind.start(one)
  local from = ipmmap.boottime()
  ipmmap.sleep(seconds / 2)
  if math.random(4) == 1 then trouble_server(it) end
  ipmmap.sleep(seconds / 2)
  it:silenced(one, from, ipmmap.boottime())
  kind.finish(one)
end

local function start(it)
  it.machines[1]:create()
  it.machines[1]:share()
  it.machines[2]:follow "--standby"
  it.machines[3]:follow()
  it:await_replicas(30)
  it.machines[1]:will_stand_by()
  for number, one in ipairs(it.machines) do one:observer(number) end
  for number = 1, HOMES do
    for editor = 1, 2 do it.machines[number]:editor(editor, 0.01) end
  end
  it.machines[3]:remote(1, 0.02)
  it.machines[2]:remote(2, 0.05)
  it:sample(0.01)
end

--- Runs the test.
-- @tparam number seconds
-- @tparam string cuts how machines are cut off, as for `world.new`
return function(seconds, cuts)
  local it <close> = world.new { machines = MACHINES, sync = "always", cuts = cuts }
  start(it)
  ipmmap.sleep(it.lease)
  local count = 0
  local ends = ipmmap.boottime() + seconds
  while ipmmap.boottime() < ends do
    -- The machines that may be the home are disturbed more often.
    local one = it.machines[math.random(10) == 1 and MACHINES or math.random(HOMES)]
    trouble(it, NAMES[count % #NAMES + 1], one, it.lease * (0.3 + 2 * math.random()))
    ipmmap.sleep(it.lease * math.random())
    count = count + 1
  end
  local verdict, counts = it:verdict { followers = { [3] = true }, forward = true }
  counts.troubles = count
  return verdict, counts
end

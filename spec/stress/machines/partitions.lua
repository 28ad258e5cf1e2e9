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

local NAMES <const> = { "cut to", "cut from", "cut both", "stop", "kill" }

-- Runs one disturbance of one machine for a while.
local function trouble(it, name, one, seconds)
  local kind = disturb[name]
  if not one:is_running "share" then one:restart "share" end
  kind.start(one)
  local from = ipmmap.boottime()
  ipmmap.sleep(seconds)
  it:silenced(one, from, ipmmap.boottime())
  kind.finish(one)
end

local function start(it)
  it.machines[1]:create()
  it.machines[1]:share()
  it.machines[2]:follow "--standby"
  it.machines[3]:follow()
  it:await_replicas(30)
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

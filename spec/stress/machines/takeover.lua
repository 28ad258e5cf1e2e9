--- One machine takes over from another in the worst moments: the order of the steps is given, not
-- random.
local ipmmap = require "ipmmap"
local shell = require "spec.helper.shell"
local world = require "spec.stress.machines.world"

local PATIENCE <const> = 30 -- seconds

local function is_home(one)
  one.watcher = one.watcher or ipmmap.reader(one.S, { mmap_dir = one.dir, follow = true })
  local share = one.watcher and one.watcher:share()
  return share and share.place == "home" and (share.deadline or 0) > ipmmap.boottime()
end

local function await_home(it, number, bad)
  local one = it.machines[number]
  if not it.wait_until(PATIENCE, is_home, one) then
    bad[#bad + 1] = ("machine %d does not become the home; its log ends with: %s"):format(number,
      one:log("share"):sub(-300):gsub("\n", " | "))
  end
end

local function has_commits(it, number)
  local one = it.machines[number]
  local function turn()
    local bytes = one:bytes()
    return bytes and string.unpack("<i8", bytes, one.S:offsetof "turn" + 1) or 0
  end
  local before = turn()
  return it.wait_until(PATIENCE, function() return turn() > before + 5 end)
end

local function await_commits(it, number, bad)
  if not has_commits(it, number) then
    bad[#bad + 1] = ("machine %d gets no commits"):format(number)
  end
end

local function empty_server(it)
  it.server:kill()
  shell.run("rm -rf " .. it.server.dir .. "/appendonlydir")
  it.server:restart()
end

-- Machine 1 is the home, machine 2 a standby, machine 3 follows; editors on 1 and 2.
local function start(bad)
  local it = world.new { machines = 3, lease = 1 }
  it.machines[1]:create()
  it.machines[1]:share()
  it.machines[2]:follow "--standby"
  it.machines[3]:follow()
  it:await_replicas(30)
  for number, one in ipairs(it.machines) do one:observer(number) end
  for number = 1, 2 do it.machines[number]:editor(1, 0.005) end
  it:sample(0.01)
  await_commits(it, 3, bad)
  return it
end

local happen = {}

happen["a home that was stopped past its lease goes on as a replica"] = function(it, bad)
  it.machines[1]:stop "share"
  await_home(it, 2, bad)
  await_commits(it, 3, bad)
  it.machines[1]:continue "share"
  await_commits(it, 1, bad)
end

happen["a home whose process was killed gets the lease back after a standby"] = function(it, bad)
  it.machines[1]:kill "share"
  await_home(it, 2, bad)
  await_commits(it, 3, bad)
  it.machines[1]:restart "share"
  await_commits(it, 1, bad)
end

-- The home from before asks for its lease again at a server that has forgotten who has it now.
happen["the server forgets the lease of a standby that took over"] = function(it, bad)
  it.machines[1]:stop "share"
  await_home(it, 2, bad)
  await_commits(it, 3, bad)
  it.server:kill()
  shell.run("rm -rf " .. it.server.dir .. "/appendonlydir")
  it.machines[1]:continue "share"
  it.server:restart()
  await_commits(it, 3, bad)
end

happen["the server and the home are lost together"] = function(it, bad)
  it.machines[1]:kill "share"
  empty_server(it)
  await_home(it, 2, bad)
  await_commits(it, 3, bad)
  it.machines[1]:restart "share"
  await_commits(it, 1, bad)
end

happen["a home that ends in order is followed by a standby"] = function(it, bad)
  local how, status = it.machines[1]:finish "share"
  if how ~= "exit" or status ~= 0 then
    bad[#bad + 1] = ("share ended by %s %s"):format(how, status)
  end
  await_home(it, 2, bad)
  await_commits(it, 3, bad)
  it.machines[1]:will_stand_by()
  it.machines[1]:restart "share"
  await_commits(it, 1, bad)
end

--- Runs the test.
return function()
  local verdict, names, sums = {}, {}, {}
  for name in pairs(happen) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local bad = {}
    local it <close> = start(bad)
    happen[name](it, bad)
    local rest, counts = it:verdict { followers = { [3] = not name:find "lost" } }
    for _, one in ipairs(rest) do
      for _, complaint in ipairs(one[2]) do bad[#bad + 1] = one[1] .. ": " .. complaint end
    end
    verdict[#verdict + 1] = { name, bad }
    for what, count in pairs(counts) do
      if math.type(count) then sums[what] = (sums[what] or 0) + count end
    end
  end
  return verdict, sums
end

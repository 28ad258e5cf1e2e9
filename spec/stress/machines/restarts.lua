--- The server comes back empty, with an old file, or without its functions; and the home's machine
-- is lost with it.
local ipmmap = require "ipmmap"
local shell = require "spec.helper.shell"
local world = require "spec.stress.machines.world"

local PATIENCE <const> = 30 -- seconds

local function epoch_of(it)
  return math.tointeger(tonumber(it.server:call("HGET", it.prefix .. "meta", "epoch"))) or 0
end

local function turn_of(one)
  local bytes = one:bytes()
  local at = one.S:offsetof "turn"
  return bytes and string.unpack("<i8", bytes, at + 1) or 0
end

-- Returns whether the machine gets commits that are made after now.
local function goes_on(it, one)
  local turn = turn_of(it.machines[1])
  return it.wait_until(PATIENCE, function() return turn_of(one) > turn end)
end

local happen = {}

happen["with no file"] = function(it)
  it.server:kill()
  shell.run("rm -rf " .. it.server.dir .. "/appendonlydir")
  it.server:restart()
end

local function restart_from_old(it, seconds)
  local dir = it.server.dir
  it.server:kill()
  shell.run(("rm -rf %s/old; cp -r %s/appendonlydir %s/old"):format(dir, dir, dir))
  it.server:restart()
  goes_on(it, it.machines[2])
  ipmmap.sleep(seconds)
  it.server:kill()
  shell.run(("rm -rf %s/appendonlydir; mv %s/old %s/appendonlydir"):format(dir, dir, dir))
  it.server:restart()
end

happen["with a file in which the lease has ended"] = function(it)
  restart_from_old(it, 1.5 * it.lease)
end

-- The lease in the file goes on, and so does its epoch.
happen["with a file of a moment ago"] = function(it)
  restart_from_old(it, 0.2)
end

happen["without its functions"] = function(it)
  it.server:call("FUNCTION", "FLUSH")
end

happen["with no file, while the home was dead"] = function(it)
  it.machines[1]:kill "share"
  happen["with no file"](it)
  it.machines[1]:restart "share"
end

local KEEPS_EPOCH <const> = {
  ["without its functions"] = true, ["with a file of a moment ago"] = true,
}

local function start(it)
  it.machines[1]:create()
  it.machines[1]:share()
  it.machines[2]:follow()
  it:await_replicas(PATIENCE)
  it.machines[1]:editor(1, 0.01)
  for number, one in ipairs(it.machines) do one:observer(number) end
  it.machines[2]:remote(1, 0.05)
  return goes_on(it, it.machines[2])
end

--- Runs the test.
return function()
  local it <close> = world.new { machines = 2 }
  local verdict = { { "a follower gets the commits", start(it) and {} or { "it does not" } } }
  local names = {}
  for name in pairs(happen) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local before, complaints = epoch_of(it), {}
    local begun = ipmmap.boottime()
    happen[name](it)
    if not goes_on(it, it.machines[2]) then complaints[1] = "the follower gets nothing more" end
    local epoch = epoch_of(it)
    if not KEEPS_EPOCH[name] and epoch <= before then
      complaints[#complaints + 1] = ("epoch %d after %d"):format(epoch, before)
    end
    print(("# %s: %.1f s"):format(name, ipmmap.boottime() - begun))
    verdict[#verdict + 1] = { "the server comes back " .. name, complaints }
  end
  local rest, counts = it:verdict {}
  return table.move(rest, 1, #rest, #verdict + 1, verdict), counts
end

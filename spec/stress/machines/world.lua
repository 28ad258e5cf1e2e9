--- A test of several machines: a server, machines, their diaries, and the verdict at the end.
local ipmmap = require "ipmmap"
local cutting_proxy = require "spec.helper.cutting_proxy"
local diary = require "spec.stress.machines.diary"
local judge = require "spec.stress.machines.judge"
local machine = require "spec.stress.machines.machine"
local network = require "spec.stress.machines.network"
local process = require "spec.helper.process"
local saved = require "spec.stress.machines.saved"
local server = require "spec.stress.machines.server"
local shell = require "spec.helper.shell"
local struct = require "spec.stress.machines.struct"
local tmpdir = require "spec.helper.tmpdir"

local world = {}
world.__index = world

local SLICE <const> = 0.05 -- seconds between two looks
local DEADLINE <const> = 0.8 -- of the lease

local DIRECTIONS <const> = { to = "up", from = "down", both = "both" }

-- A host that is cut off by a proxy before the server.
local function behind_proxy(port)
  local proxy = cutting_proxy.start(port)
  return {
    address = "127.0.0.1", port = proxy.port,
    cut = function(_, direction) proxy:freeze(DIRECTIONS[direction]) end,
    mend = function() proxy:pass() end,
  }
end

--- A new world.
-- @tparam table options `machines`: how many; `lease` in seconds; `sync`: the server's appendfsync;
-- `cuts`: the machines can be cut off, by `"namespaces"` or by `"proxies"`; `S` and `tag` of the
-- segment; `dir`: a new directory
function world.new(options)
  local self = setmetatable({
    dir = options.dir or tmpdir(), machines = {}, lease = options.lease or 2,
    prefix = ("ipm:{%s_%s}:"):format((options.S or struct.S).name, options.tag or ""),
  }, world)
  self.network = options.cuts == "namespaces" and network.new(options.machines) or nil
  self.server = server.start {
    sync = options.sync, more = options.more,
    within = self.network and self.network:within_server(),
    bind = self.network and "0.0.0.0" or nil,
  }
  for number = 1, options.machines do
    local host = self.network and self.network.hosts[number]
      or options.cuts and behind_proxy(self.server.port)
      or { address = "127.0.0.1", port = self.server.port }
    self.machines[number] = machine.new {
      number = number, dir = self.dir, lease = self.lease, within = host.within,
      S = options.S, tag = options.tag,
      url = ("redis://%s:%d"):format(host.address, host.port or self.server.port),
    }
    self.machines[number].host = host
  end
  return self
end

--- Starts the process that writes down what the server has.
function world:sample(pause)
  local argv = table.move(self.server.within, 1, #self.server.within, 1, {})
  table.move({ process.LUA, "spec/stress/machines/sampler.lua",
    "redis://127.0.0.1:" .. self.server.port, self.machines[1].diaries .. "/sampler", pause },
    1, 5, #argv + 1, argv)
  for _, one in ipairs(self.machines) do argv[#argv + 1] = one.number .. "=" .. one.dir end
  self.machines[1]:run("sampler", argv)
end

--- Writes down that no answer of the server reached a machine's share process.
-- @tparam table one the machine
-- @tparam number from seconds of CLOCK_BOOTTIME, as `to`
function world:silenced(one, from, to)
  self.notes = self.notes or diary.open(self.machines[1].diaries .. "/notes")
  self.notes:write("silenced", {
    machine = one.number, from = math.floor(from * 1e9), to = math.floor(to * 1e9),
  })
end

--- Waits until a condition holds. Returns what it returned, or nil after so many seconds.
function world.wait_until(seconds, condition, ...)
  local deadline = ipmmap.boottime() + seconds
  repeat
    local result = condition(...)
    if result then return result end
    ipmmap.sleep(SLICE)
  until ipmmap.boottime() > deadline
  return nil
end

--- The states of all machines and of the server, by name.
function world:states()
  local states = {}
  for _, one in ipairs(self.machines) do
    states["machine " .. one.number] = one:bytes() or "(none)"
  end
  states.server = self.server:call("GET", self.prefix .. "state")
  return states
end

--- Waits until all states are the same, for so many seconds.
-- @return the complaints of the last look
function world:converge(seconds)
  local complaints, states
  self.wait_until(seconds, function()
    states = self:states()
    complaints = judge.converged(states)
    return #complaints == 0
  end)
  return complaints, states
end

--- The events of all diaries.
function world:events()
  local events = {}
  for path in shell.run("ls " .. self.machines[1].diaries):gmatch "[^\n]+" do
    local more = diary.read(self.machines[1].diaries .. "/" .. path)
    table.move(more, 1, #more, #events + 1, events)
  end
  return events
end

local function append(all, more)
  table.move(more, 1, #more, #all + 1, all)
end

-- Processes that ended by themselves, and problems that processes wrote down.
local function accidents(self, events)
  local list = {}
  for event in judge.each(events, "problem") do
    list[#list + 1] = ("the %s of machine %d: %s: %s"):format(event.who, event.machine, event.code,
      event.message)
  end
  for _, one in ipairs(self.machines) do
    for name, of in pairs(one.processes) do
      if not of.is_dead and not one:is_running(name) or of.ended then
        list[#list + 1] = ("%s of machine %d ended by itself: %s: %s"):format(name, one.number,
          of.ended, one:log(name):sub(-300):gsub("\n", " | "))
      end
    end
  end
  return list
end

-- How many answers and sums had each result.
local function results(events)
  local counts = {}
  for _, kind in ipairs { "answer", "sum" } do
    for event in judge.each(events, kind) do
      counts[event.result] = (counts[event.result] or 0) + 1
    end
  end
  local words = {}
  for result, count in pairs(counts) do words[#words + 1] = count .. " " .. result end
  table.sort(words)
  return table.concat(words, " ")
end

-- How many times each letter arrived, also if no editor has taken it out of its slot; and the sums.
local function copy_counts(value)
  local received, added = {}, {}
  for remote = 1, struct.REMOTES do
    local counts, letter = ipmmap.totable(value.received[remote]), value.slots[remote].letter
    if letter ~= 0 then counts[letter] = counts[letter] + 1 end
    received[remote], added[remote] = counts, value.added[remote]
  end
  return received, added
end

--- Waits until each machine has a state, so that the test begins with machines that work.
function world:await_replicas(seconds)
  for _, one in ipairs(self.machines) do
    if not self.wait_until(seconds, one.bytes, one) then
      error(("machine %d has no state; its log: %s"):format(one.number, one:log "share"))
    end
  end
end

-- The processes without a trace in the diaries: what they are for was not tested.
local function idle(self, events)
  local bad, seen = {}, {}
  for event in judge.each(events, "saw") do seen["observer " .. event.observer] = true end
  for event in judge.each(events, "answer") do seen["remote " .. event.remote] = true end
  for _, one in ipairs(self.machines) do
    for name in pairs(one.processes) do
      local kind, number = name:match "^(%a+)(%d+)$"
      local key = kind == "observer" and ("observer %d:%s"):format(one.number, number)
        or kind == "remote" and "remote " .. number
      if key and not seen[key] then
        bad[#bad + 1] = ("the %s of machine %d did nothing"):format(name, one.number)
      end
    end
  end
  return bad
end

--- Ends the writers, lets all machines converge, and judges.
-- @tparam table options `followers`: a set of the machines that were followers only; `forward`: the
-- server may never go back; `converge`: seconds
-- @return complaints, by what was to hold; and counts for the report
function world:verdict(options)
  for _, one in ipairs(self.machines) do
    one:kill_all "editor"
    one:kill_all "remote"
  end
  local converged, states = self:converge(options.converge or 30)
  local verdict = { { "all machines have the same bytes in the end", converged } }
  local function say(what, complaints) verdict[#verdict + 1] = { what, complaints } end
  ipmmap.sleep(0.3) -- the observers write down the last commits
  local events = self:events()
  local value = struct.S:new()
  if #states.server == struct.S.size then ipmmap.setbytes(value, states.server) end
  local commits = judge.commits(events)
  local accepted, broken = judge.accepted(commits, value.chain)
  local kept, logs = saved.chains(self.machines)
  say("no state is torn", judge.torn(events))
  say("the last state stands on commits that were made", broken)
  local lost = judge.acknowledged(events, accepted)
  append(lost, judge.published(events, commits, accepted))
  say("each commit that was published is there", lost)
  say("each commit that was not published is saved", judge.saved(commits, accepted, kept))
  local periods, epochs = judge.periods(commits)
  say("never two homes", periods)
  say("followers see what is accepted, in order",
    judge.followed(events, accepted, options.followers or {}))
  local received, added = copy_counts(value)
  say("without its share process a machine's editors are done by the deadline",
    judge.silenced(events, commits, math.floor(self.lease * DEADLINE * 1e9)))
  local edits = judge.letters(events, received)
  append(edits, judge.added(events, added))
  say("each edit from elsewhere is applied once or never, as its sender was told", edits)
  if options.forward then say("the server never goes back", judge.forward(events)) end
  say("each machine has worked", idle(self, events))
  say("no process fails", accidents(self, events))
  return verdict, {
    turns = value.turn, epochs = epochs, letters = value.total, events = #events,
    saved = logs, edits = results(events),
  }
end

--- Ends everything.
function world:close()
  for _, one in ipairs(self.machines) do one:kill_all "" end
  self.server:close()
  if self.network then self.network:close() end
end

world.__close = world.close

return world

--- Decides from diaries whether what several machines did is one history.
--
-- Each function takes what it needs, and returns a list of complaints: texts, none if all is well.
-- Events are those of diary.lua:
--
--     intent   an editor's commit, written inside its block: machine, epoch, turn, chain, parent,
--              locked (when it had the lock), leaving (right before the commit)
--     done     the commit succeeded: chain, version
--     undone   it did not, and was rolled back: chain, code
--     saw      an observer's state of one commit: machine, version, missed, chain, turn
--     torn     an observer's state whose fields disagree: what
--     meta     what the server had at one moment: epoch, version, chain
--     status   what a home said that it had published: machine, epoch, version
--     answer   what a remote editor was told of a letter: remote, letter, result
local judge = {}

local MOST <const> = 5 -- complaints of one kind

local Complaints = {}
Complaints.__index = Complaints

local function new_complaints()
  return setmetatable({ count = 0 }, Complaints)
end

function Complaints:add(format, ...)
  self.count = self.count + 1
  if self.count <= MOST then self[self.count] = format:format(...) end
end

local function finish(self)
  if self.count > MOST then self[MOST + 1] = ("and %d more"):format(self.count - MOST) end
  self.count = nil
  return setmetatable(self, nil)
end

local function each(events, kind)
  local at = 0
  return function()
    repeat at = at + 1 until not events[at] or events[at].kind == kind
    return events[at]
  end
end
judge.each = each

--- The commits that editors began, by chain, each with `how`: "done", "undone", or nil if the
-- editor died before it knew.
function judge.commits(events)
  local commits = {}
  for event in each(events, "intent") do commits[event.chain] = event end
  for _, kind in ipairs { "done", "undone" } do
    for event in each(events, kind) do
      commits[event.chain].how, commits[event.chain].version = kind, event.version
    end
  end
  return commits
end

--- No observer saw fields of two commits in one state.
function judge.torn(events)
  local bad = new_complaints()
  for event in each(events, "torn") do
    bad:add("machine %s saw a torn state at version %s: %s", event.machine, event.version,
      event.what)
  end
  return finish(bad)
end

--- The commits that a state stands on.
-- @return a set of chains; and complaints
function judge.accepted(commits, chain)
  local accepted, bad = { [0] = true }, new_complaints()
  while chain ~= 0 do
    local commit = commits[chain]
    if not commit or accepted[chain] then
      bad:add("no editor made the commit %016x, which the last state stands on", chain)
      break
    end
    if commit.how == "undone" then
      bad:add("the commit %016x (turn %d) was rolled back, and the last state stands on it",
        chain, commit.turn)
    end
    accepted[chain] = true
    chain = commit.parent
  end
  return accepted, finish(bad)
end

--- All that was once published is in the end.
-- @param accepted a set of chains
-- @param spared a set of chains that need not be there
function judge.acknowledged(events, accepted, spared)
  local bad = new_complaints()
  for event in each(events, "meta") do
    if not accepted[event.chain] and not (spared or {})[event.chain] then
      bad:add("the server had %d-%d (%016x), which is lost", event.epoch, event.version,
        event.chain)
    end
  end
  return finish(bad)
end

--- The server never goes back.
function judge.forward(events)
  local bad, before = new_complaints(), nil
  for event in each(events, "meta") do
    if before and (event.epoch < before.epoch
        or event.epoch == before.epoch and event.version < before.version) then
      bad:add("the server had %d-%d, and %d-%d later", before.epoch, before.version, event.epoch,
        event.version)
    end
    before = event
  end
  return finish(bad)
end

-- The machine's commits that succeeded, by version.
local function done_by_version(commits, machine)
  local list = {}
  for _, commit in pairs(commits) do
    if commit.machine == machine and commit.version then list[#list + 1] = commit end
  end
  table.sort(list, function(a, b) return a.version < b.version end)
  return list
end

--- What a home said that it had published is in the end.
function judge.published(events, commits, accepted)
  local bad, newest = new_complaints(), {}
  for event in each(events, "status") do
    local epochs = newest[event.machine] or {}
    newest[event.machine] = epochs
    epochs[event.epoch] = math.max(epochs[event.epoch] or 0, event.version)
  end
  for machine, epochs in pairs(newest) do
    for _, commit in ipairs(done_by_version(commits, machine)) do
      if commit.version <= (epochs[commit.epoch] or 0) and not accepted[commit.chain] then
        bad:add("machine %d published its version %d of epoch %d, which is lost", machine,
          commit.version, commit.epoch)
      end
    end
  end
  return finish(bad)
end

--- Each commit that succeeded and is not in the end was saved by its machine.
-- @param saved a set of chains
function judge.saved(commits, accepted, saved)
  local bad = new_complaints()
  for chain, commit in pairs(commits) do
    if commit.how == "done" and not accepted[chain] and not saved[chain] then
      bad:add("machine %d committed turn %d (%016x), which is neither in the end nor saved",
        commit.machine, commit.turn, chain)
    end
  end
  return finish(bad)
end

--- A machine that is only a follower sees what is accepted, in order.
-- @param machines a set of the machines that are only followers
function judge.followed(events, accepted, machines)
  local bad, last = new_complaints(), {}
  for event in each(events, "saw") do
    if machines[event.machine] then
      if not accepted[event.chain] then
        bad:add("follower %d saw %016x (turn %d), which is not in the end", event.machine,
          event.chain, event.turn)
      end
      local before = last[event.observer]
      if before and event.version ~= before.version + 1 + event.missed then
        bad:add("follower %d: version %d after %d, with %d missed", event.machine,
          event.version, before.version, event.missed)
      elseif before and event.turn < before.turn then
        bad:add("follower %d: turn %d after %d", event.machine, event.turn, before.turn)
      end
      last[event.observer] = event
    end
  end
  return finish(bad)
end

local function periods(commits)
  local of_epoch = {}
  for _, commit in pairs(commits) do
    if commit.how ~= "undone" then
      local period = of_epoch[commit.epoch]
      if not period then
        period = { epoch = commit.epoch, machine = commit.machine, machines = {},
          first = math.maxinteger, last = math.mininteger }
        of_epoch[commit.epoch] = period
      end
      period.machines[commit.machine] = true
      period.first = math.min(period.first, commit.locked)
      -- A commit whose editor died may never have been made.
      if commit.how == "done" then period.last = math.max(period.last, commit.leaving) end
    end
  end
  local list = {}
  for _, period in pairs(of_epoch) do list[#list + 1] = period end
  table.sort(list, function(a, b) return a.epoch < b.epoch end)
  return list
end

--- Each epoch is one machine's, and a machine's editors are done before those of the next begin.
function judge.periods(commits)
  local bad, list = new_complaints(), periods(commits)
  local last, holder = math.mininteger, nil
  for _, period in ipairs(list) do
    local machine = next(period.machines)
    local other = next(period.machines, machine)
    if other then
      bad:add("editors of machines %d and %d committed in epoch %d", machine, other, period.epoch)
    end
    if holder and holder ~= machine and period.first <= last then
      bad:add("an editor of machine %d had the lock in epoch %d, %.6f s before one of machine %d "
        .. "committed in an epoch before", machine, period.epoch, (last - period.first) / 1e9,
        holder)
    end
    if period.last > last then last, holder = period.last, machine end
  end
  return finish(bad), #list
end

--- Where nobody renews the lease, editing ends by the deadline.
-- Events `silenced` say when no answer of the server reached the machine's share process: machine,
-- from, to.
-- @tparam integer within nanoseconds
function judge.silenced(events, commits, within)
  local bad = new_complaints()
  for event in each(events, "silenced") do
    for _, commit in pairs(commits) do
      if commit.machine == event.machine and commit.how == "done"
          and commit.leaving > event.from + within and commit.leaving < event.to then
        bad:add("an editor of machine %d committed %.3f s after its share process was cut off",
          event.machine, (commit.leaving - event.from) / 1e9)
      end
    end
  end
  return finish(bad)
end

-- How many times an edit with that result is there; after others it may be.
local CERTAIN <const> = {
  applied = 1, timeout = 0, refused = 0, conflict = 0, system = 0, not_found = 0,
}

--- Each letter arrived once or never, as its sender was told.
-- @param received received[remote][letter]: how many times it arrived
function judge.letters(events, received)
  local bad, answers = new_complaints(), {}
  for event in each(events, "answer") do
    answers[event.remote] = answers[event.remote] or {}
    answers[event.remote][event.letter] = event.result
  end
  for event in each(events, "sending") do
    answers[event.remote] = answers[event.remote] or {}
    local of_remote = answers[event.remote]
    of_remote[event.letter] = of_remote[event.letter] or "unknown"
  end
  for remote, counts in ipairs(received) do
    for letter, count in ipairs(counts) do
      local result = answers[remote] and answers[remote][letter]
      if count > 1 then
        bad:add("letter %d of %d was applied %d times", letter, remote, count)
      elseif count == 1 and not result then
        bad:add("letter %d of %d arrived, and was never sent", letter, remote)
      elseif result and CERTAIN[result] and CERTAIN[result] ~= count then
        bad:add("letter %d of %d: its sender was told %s, and it arrived %d times", letter,
          remote, result, count)
      end
    end
  end
  return finish(bad)
end

--- What remote editors added is there once.
-- @param added added[remote]: the sum in the end
function judge.added(events, added)
  local bad, least, most = new_complaints(), {}, {}
  local begun = {}
  for event in each(events, "adding") do begun[event.remote] = (begun[event.remote] or 0) + 1 end
  for event in each(events, "sum") do
    local remote = event.remote
    begun[remote] = begun[remote] - 1
    if event.result == "applied" then least[remote] = (least[remote] or 0) + 1 end
    if not CERTAIN[event.result] then most[remote] = (most[remote] or 0) + 1 end
  end
  for remote, sum in ipairs(added) do
    local low = least[remote] or 0
    local high = low + (most[remote] or 0) + (begun[remote] or 0)
    if sum < low or sum > high then
      bad:add("remote %d added between %d and %d, and the sum is %d", remote, low, high, sum)
    end
  end
  return finish(bad)
end

--- All machines have the same bytes, and the server too.
-- @param states by name: bytes
function judge.converged(states)
  local bad, first, bytes = new_complaints(), nil, nil
  local names = {}
  for name in pairs(states) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if not first then
      first, bytes = name, states[name]
    elseif states[name] ~= bytes then
      bad:add("%s and %s differ in the end", first, name)
    end
  end
  return finish(bad)
end

return judge

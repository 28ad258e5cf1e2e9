-- The checks of `make machines` notice what they are there for.
local judge = require "spec.stress.machines.judge"

-- Two editors of machine 1 in epoch 1, then one of machine 2 in epoch 2: a history without fault.
local function history()
  local events = {}
  local function add(kind, event)
    event.kind = kind
    events[#events + 1] = event
  end
  local function commit(machine, epoch, turn, how)
    add("intent", { machine = machine, epoch = epoch, turn = turn, chain = turn, parent = turn - 1,
      locked = turn * 100, leaving = turn * 100 + 50 })
    if how then add(how, { chain = turn, version = turn + 10, code = "not_home" }) end
  end
  commit(1, 1, 1, "done")
  commit(1, 1, 2) -- killed
  commit(1, 1, 3, "done")
  commit(2, 2, 4, "done")
  commit(2, 2, 5, "done")
  for turn = 1, 5 do
    add("saw", { machine = 3, observer = 1, version = turn, missed = 0, chain = turn, turn = turn })
  end
  add("meta", { epoch = 1, version = 13, chain = 3 })
  add("status", { machine = 1, epoch = 1, version = 13 })
  add("meta", { epoch = 2, version = 15, chain = 5 })
  for letter, result in ipairs { "applied", "timeout", "unknown" } do
    add("sending", { remote = 1, letter = letter })
    add("answer", { remote = 1, letter = letter, result = result })
  end
  for _, result in ipairs { "applied", "applied", "unknown", "conflict" } do
    add("adding", { remote = 1 })
    add("sum", { remote = 1, result = result })
  end
  add("adding", { remote = 1 }) -- killed
  return events
end

local function find(events, kind, nth)
  for event in judge.each(events, kind) do
    nth = nth - 1
    if nth == 0 then return event end
  end
end

local function check(events, last, spared)
  local commits = judge.commits(events)
  local accepted, bad = judge.accepted(commits, last or 5)
  local all = {}
  local function add(complaints) table.move(complaints, 1, #complaints, #all + 1, all) end
  add(bad)
  add(judge.torn(events))
  add(judge.acknowledged(events, accepted, spared))
  add(judge.forward(events))
  add(judge.published(events, commits, accepted))
  add(judge.saved(commits, accepted, spared or {}))
  add(judge.followed(events, accepted, { [3] = true }))
  add((judge.periods(commits)))
  return table.concat(all, "; ")
end

describe("the judge of many machines", function()
  it("accepts a history without fault", function()
    assert.equal("", check(history()))
    assert.same({}, judge.letters(history(), { { 1, 0, 0 } }))
    assert.same({}, judge.letters(history(), { { 1, 0, 1 } }))
    for sum = 2, 4 do assert.same({}, judge.added(history(), { sum })) end
    assert.same({}, judge.converged { a = "x", b = "x", c = "x" })
  end)

  it("notices a torn state", function()
    local events = history()
    events[#events + 1] = { kind = "torn", machine = 3, version = 4, what = "copies[2]" }
    assert.match("torn state at version 4: copies%[2%]", check(events))
  end)

  it("notices a commit that nobody made, and one that was rolled back", function()
    assert.match("no editor made the commit 0*9,", check(history(), 9))
    local events = history()
    for event in judge.each(events, "done") do
      if event.chain == 4 then event.kind = "undone" end
    end
    assert.match("turn 4%) was rolled back", check(events))
  end)

  it("notices that published commits are lost", function()
    local events = history()
    find(events, "intent", 4).parent = 1 -- machine 2 took over without turns 2 and 3
    local complaints = check(events)
    assert.match("the server had 1%-13 %(0*3%), which is lost", complaints)
    assert.match("machine 1 published its version 13 of epoch 1, which is lost", complaints)
    assert.match("machine 1 committed turn 3 %(0*3%), which is neither in the end nor saved", complaints)
    assert.match("follower 3 saw 0*3 %(turn 3%), which is not in the end", complaints)
  end)

  it("does not miss an unpublished commit that was saved", function()
    local events = history()
    find(events, "intent", 4).parent = 2
    find(events, "meta", 1).chain = 2
    find(events, "status", 1).version = 12
    find(events, "saw", 3).chain = 2
    assert.match("neither in the end nor saved", check(events))
    assert.equal("", check(events, 5, { [3] = true }))
  end)

  it("notices that the server went back", function()
    local events = history()
    find(events, "meta", 2).epoch = 1
    find(events, "meta", 2).version = 12
    assert.match("the server had 1%-13, and 1%-12 later", check(events))
  end)

  it("notices a follower that goes back, or skips without saying so", function()
    local events = history()
    find(events, "saw", 3).version = 5
    assert.match("version 5 after 2, with 0 missed", check(events))
    events = history()
    find(events, "saw", 3).turn = 1
    assert.match("turn 1 after 2", check(events))
  end)

  it("notices editors of two machines in one epoch", function()
    local events = history()
    find(events, "intent", 4).epoch = 1
    assert.match("editors of machines %d and %d committed in epoch 1", check(events))
  end)

  it("notices a home that goes on beside the next one", function()
    local events = history()
    find(events, "intent", 3).leaving = 401
    assert.match("machine 2 had the lock in epoch 2, 0.000000 s before one of machine 1", check(events))
    find(events, "done", 2).kind = "undone"
    find(events, "intent", 4).parent = 2
    assert.no.match("had the lock", check(events))
  end)

  it("notices editors that go on after the deadline", function()
    local function silenced(from, to)
      local events = history()
      events[#events + 1] = { kind = "silenced", machine = 1, from = from, to = to }
      return table.concat(judge.silenced(events, judge.commits(events), 100), "; ")
    end
    assert.equal("", silenced(251, 1000))
    assert.equal("", silenced(100, 350))
    assert.match("machine 1 committed 0.000 s after its share process was cut off", silenced(249, 1000))
  end)

  it("notices letters that came twice, not at all, or from nobody", function()
    local function letters(counts) return table.concat(judge.letters(history(), { counts }), "; ") end
    assert.match("letter 1 of 1 was applied 2 times", letters { 2, 0, 0 })
    assert.match("letter 3 of 1 was applied 2 times", letters { 1, 0, 2 })
    assert.match("told applied, and it arrived 0 times", letters { 0, 0, 0 })
    assert.match("told timeout, and it arrived 1 times", letters { 1, 1, 0 })
    assert.match("letter 4 of 1 arrived, and was never sent", letters { 1, 0, 0, 1 })
  end)

  it("notices a sum that is too small or too large", function()
    assert.same({ "remote 1 added between 2 and 4, and the sum is 1" }, judge.added(history(), { 1 }))
    assert.same({ "remote 1 added between 2 and 4, and the sum is 5" }, judge.added(history(), { 5 }))
  end)

  it("notices machines that differ in the end", function()
    assert.same({ "a and c differ in the end" }, judge.converged { a = "x", b = "x", c = "y" })
  end)
end)

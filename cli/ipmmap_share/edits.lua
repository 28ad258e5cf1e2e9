--- The edits that other machines send to a segment's home. Each is made as a transaction here, is
-- published as every other commit, and is answered when it is.
local cqueues = require "cqueues"
local hold = require "ipmmap_share.hold"
local trouble = require "ipmmap_share.trouble"

local edits = {}

local BLOCK <const> = 10 -- seconds of a wait for edits
local PATIENCE <const> = 5 -- seconds in which the write lock must be had

local Edits = {}
Edits.__index = Edits

--- @param home { handle, publisher, lease, bell (a condition that is signalled when commits were
-- published), report (a function that is told a failure), applied (called for each edit) }
function edits.new(home)
  return setmetatable({
    home = home,
    answers = {}, -- those that are owed, in the order of the edits: { id, result, detail }
  }, Edits)
end

-- Makes the edit, in one transaction. Returns the answer: { id, result, detail }.
local function make(session, edit)
  local home, ending = session.home, cqueues.monotime() + PATIENCE
  local before, done, why
  local function answer(result, detail)
    return { id = edit.id, result = result, detail = detail }
  end
  local ok, problem = trouble.catch(hold, home.handle, function()
    before = home.handle:version()
    done, why = home.handle:edit(edit.expect, edit.patch)
    return true
  end, function() return session.is_over or cqueues.monotime() > ending end)
  if not ok then return answer("refused", problem.message) end
  if before == nil then return answer("refused", "the segment is locked") end
  if done == nil then return answer("refused", why) end
  if not done then return answer("conflict", { epoch = home.lease.epoch, version = before }) end
  home.applied()
  return answer("applied", {
    epoch = home.lease.epoch, version = math.min(home.handle:version(), before + 1),
  })
end

local function refuse(link, edit)
  link:call("drop", edit)
  if edit.id then link:call("reply", edit.id, "refused", edit.problem) end
end

-- Takes an edit and makes it, unless another home has, or its time is over.
local function take(session, edit)
  local word = session.link:call("take", session.home.lease, edit)
  if word == "lost" then trouble.raise("lost", "the lease has ended") end
  if word == "taken" then table.insert(session.answers, make(session, edit)) end
end

-- Waits until an answer may be given: until the commit is published.
local function wait_for(session, answer)
  local home = session.home
  while answer.result == "applied" and not session.is_over
        and not home.publisher:has(answer.detail.version) do
    home.bell:wait()
  end
end

-- Gives the answers that are owed.
local function reply(session)
  while session.answers[1] do
    local answer = session.answers[1]
    wait_for(session, answer)
    session.link:call("reply", answer.id, answer.result, answer.detail)
    table.remove(session.answers, 1)
  end
end

local function round(session)
  reply(session)
  for _, edit in ipairs(session.link:call("edits", "0", BLOCK)) do
    if edit.problem then refuse(session.link, edit) else take(session, edit) end
  end
  session.link:worked()
  session.home.bell:signal() -- there may be commits to publish
end

local function work(session)
  while not session.is_over do
    local ok, problem = trouble.catch(round, session)
    if not ok and not session.is_over then
      session.home.report(problem)
      cqueues.sleep(session.link:pause())
    end
  end
end

--- Serves edits in a coroutine of the running loop.
-- @param link a connection of its own
function Edits:start(link)
  local session = { home = self.home, answers = self.answers, link = link, is_over = false }
  self.session = session
  cqueues.running():wrap(work, session)
end

--- The commits of this home that were not published are not part of the segment's history any more:
-- it is not known which edits are. What was refused, or did not fit, stays so.
function Edits:forget_applied()
  for i = #self.answers, 1, -1 do
    if self.answers[i].result == "applied" then table.remove(self.answers, i) end
  end
end

--- Ends that. Nothing of the home is touched from then on. Answers that are owed are given after
-- the next `start`.
function Edits:stop()
  self.session.is_over = true
  self.session.link:close()
  self.home.bell:signal()
end

return edits

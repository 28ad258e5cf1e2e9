--- The edits that other machines send to a segment's home. Each is made as a transaction here, is
-- published as every other commit, and is answered when it is.
local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local hold = require "ipmmap_share.hold"
local trouble = require "ipmmap_share.trouble"

local edits = {}

local BLOCK <const> = 2 -- seconds
local PATIENCE <const> = 5 -- seconds in which the write lock must be had

local Edits = {}
Edits.__index = Edits

--- @param home { handle, publisher, lease, bell (a condition that is signalled when commits were
-- published), report (a function that is told a failure), applied (called for each edit) }
function edits.new(home)
  return setmetatable({
    home = home, ended = condition.new(), is_over = true, has_ended = true,
    answers = {}, -- those that are owed, in the order of the edits: { id, result, detail }
  }, Edits)
end

--- Serves edits in a coroutine of the running loop.
-- @param link a connection of its own
function Edits:start(link)
  self.link, self.is_over, self.has_ended = link, false, false
  cqueues.running():wrap(function() self:run() end)
end

--- Ends that coroutine. Answers that are owed are given after the next `start`.
function Edits:stop()
  if self.is_over then return end
  self.is_over = true
  self.link:close()
  self.home.bell:signal()
  while not self.has_ended do self.ended:wait() end
end

-- Makes the edit, in one transaction. Returns the answer: { id, result, detail }.
local function make(self, edit)
  local home, ending = self.home, cqueues.monotime() + PATIENCE
  local before, done, why
  local function answer(result, detail)
    return { id = edit.id, result = result, detail = detail }
  end
  local ok, problem = trouble.catch(hold, home.handle, function()
    before = home.handle:version()
    done, why = home.handle:edit(edit.expect, edit.patch)
    return true
  end, function() return self.is_over or cqueues.monotime() > ending end)
  if not ok then return answer("refused", problem.message) end
  if before == nil then return answer("refused", "the segment is locked") end
  if done == nil then return answer("refused", why) end
  if not done then return answer("conflict", { epoch = home.lease.epoch, version = before }) end
  home.applied()
  return answer("applied", {
    epoch = home.lease.epoch, version = math.min(home.handle:version(), before + 1),
  })
end

local function refuse(self, edit)
  self.link:call("drop", edit)
  if edit.id then self.link:call("reply", edit.id, "refused", edit.problem) end
end

-- Takes an edit and makes it, unless another home has, or its time is over.
local function take(self, edit)
  local word = self.link:call("take", self.home.lease, edit)
  if word == "lost" then trouble.raise("lost", "the lease has ended") end
  if word ~= "taken" then return end
  table.insert(self.answers, make(self, edit))
end

-- Gives the answers that are owed, each when its commit is published.
local function reply(self)
  while self.answers[1] do
    local answer = self.answers[1]
    while answer.result == "applied" and not self.home.publisher:has(answer.detail.version) do
      if self.is_over then return end
      self.home.bell:wait()
    end
    self.link:call("reply", answer.id, answer.result, answer.detail)
    table.remove(self.answers, 1)
  end
end

local function round(self)
  reply(self)
  for _, edit in ipairs(self.is_over and {} or self.link:call("edits", "0", BLOCK)) do
    if edit.problem then refuse(self, edit) else take(self, edit) end
  end
  self.link:worked()
  self.home.bell:signal()
end

function Edits:run()
  while not self.is_over do
    local ok, problem = trouble.catch(round, self)
    if not ok and not self.is_over then
      self.home.report(problem)
      cqueues.sleep(self.link:pause())
    end
  end
  self.has_ended = true
  self.ended:signal()
end

return edits

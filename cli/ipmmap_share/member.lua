--- A segment on this machine, and its part among the machines that share it.
local claim = require "ipmmap_share.claim"
local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local edits = require "ipmmap_share.edits"
local file = require "ipmmap_share.file"
local following = require "ipmmap_share.following"
local home = require "ipmmap_share.home"
local joining = require "ipmmap_share.joining"
local link = require "ipmmap_share.link"
local resign = require "ipmmap_share.resign"
local segment = require "ipmmap_cli.segment"
local store = require "ipmmap_share.store"
local trouble = require "ipmmap_share.trouble"
local voice = require "ipmmap_share.voice"

local member = {}

local Member = {}
Member.__index = Member

local LEASE <const> = 10 -- seconds
local AT_HOME <const> = { claim = true, settle = true, home = true } -- states
local LAYOUT_PAUSE <const> = 5 -- seconds between two looks at a layout that does not fit
local TICK <const> = 0.2 -- seconds between two questions whether to stop

-- What the states share --------------------------------------------------------------------------

--- A connection of its own to the server.
function Member:new_link()
  local options = self.options
  return link.new(function()
    return store.open(options.address, self.name, math.max(1, self.ttl / 3))
  end, self.ttl / 4)
end

--- Exchanges the handle of the segment.
function Member:take_handle(handle, S)
  self:drop_handle()
  self.handle, self.S = handle, S
end

--- Lets the system notify of commits. If it does not, as too many ask it to, they are looked for.
function Member:listen()
  if self.descriptor then return end
  local ok, fd = trouble.catch(self.handle.fd, self.handle)
  self.descriptor = ok and { pollfd = fd, events = "r" } or nil
end

function Member:drop_handle()
  self:drop_publisher()
  if self.descriptor then cqueues.cancel(self.descriptor.pollfd) end
  if self.handle then self.handle:close() end
  self.descriptor, self.handle = nil, nil
end

--- Forgets what was published, and what was to be.
function Member:drop_publisher()
  self.edits:forget_applied()
  if not self.publisher then return end
  self.bytes_out = self.bytes_out + self.publisher.bytes
  self.publisher:close()
  self.publisher = nil
end

--- The server has done what it was asked to. While it refuses a home's commits, nothing else is
-- worth a word.
function Member:worked()
  if self.is_refused and AT_HOME[self.state] then return end
  self.link:worked()
  self.voice:fine()
end

--- Sleeps; less if the member is to stop.
function Member:rest(seconds)
  if not self.is_stopping then cqueues.poll(self.bell, seconds) end
end

--- Calls a method of the store that waits; the wait ends if the member is to stop.
function Member:wait_for(...)
  self.is_waiting = true
  local results = table.pack(pcall(self.link.call, self.link, ...))
  self.is_waiting = false
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- The states -------------------------------------------------------------------------------------
--
-- Each with what it does, and with the states that it goes on with.
--
-- open     opens the file
--            claim   it is to be the home
--            follow  it is a replica
--            join    there is no file
--            resign  it was the home, and shall not be
-- claim    asks for the lease, or renews it
--            settle  it has the lease
--            resign  it was the home, and another has published since
--            follow  a standby that is not needed now
-- settle   compares the file with what is stored, and becomes the home
--            home    the file has all that is stored
--            follow  a replica that lacks something
--            resign  it was the home, and lacks something
-- home     publishes, renews the lease, makes edits
--            claim   the server was lost, or the lease
-- resign   saves what was not published, and becomes a replica
--            join
-- join     fetches the whole state
--            follow
--            settle  it has the lease
-- follow   takes commits over
--            join    the log does not go on from here
--            settle  it has the lease, and all commits
--            claim   a standby, now and then
--
-- A state that fails begins again after a pause, except as `after_failure` says.

local states = { claim = claim.ask, settle = claim.settle, home = home.serve, resign = resign,
                 join = joining, follow = following }

function states.open(self)
  local handle, S = file.open(self.path, self.options)
  if not handle then
    if self.claims then trouble.raise("not_found", "%s: there is no such segment", self.path) end
    return "join"
  end
  self:take_handle(handle, S)
  local place = handle:share().place
  if self.claims or place == "home" and self.is_standby then return "claim" end
  if place == "home" then return "resign" end
  if place == "replica" then return "follow" end
  trouble.raise("refused", "%s is no replica: it would be overwritten", self.path)
end

-- What to do after a failure: the next state; nil if it ends the member.
local function after_failure(self, problem)
  local code, state = problem.code, self.state
  -- An open connection means that the server has answered.
  self.is_refused = state == "home" and problem.is_remote and self.link.store ~= nil
  if code == "lost" then
    self.lease, self.has_lost = nil, true
    self.voice:say("%s", problem.message)
    return self.handle:share().place == "home" and "claim" or state
  elseif code == "behind" then
    return "settle"
  elseif code == "replaced" then
    self.lease = nil -- a new epoch for what may be a new layout
    self:drop_handle()
    return "open"
  elseif code == "layout" and self.has_followed then
    -- The replica stays as it is. Its home may come back to this layout.
    self.voice:tell { role = "waiting" }
    self.voice:report(problem)
    self:rest(LAYOUT_PAUSE)
    return state
  elseif code == "moved" then
    self:rest(TICK)
    return state
  elseif problem.is_remote and (code ~= "permission" or self.link.has_worked) then
    self.voice:report(problem)
    self:rest(self.link:pause())
    if state == "home" or state == "settle" then return "claim" end
    return state == "follow" and code == "corrupt" and "join" or state
  end
end

-- Running ----------------------------------------------------------------------------------------

local function split(options)
  if options.file then return segment.split(options.file) end
  return options.dir, options.name .. ".mmap"
end

local function new(options)
  local dir, name = split(options)
  local self = setmetatable({
    options = options, dir = dir, path = dir .. "/" .. name, name = (name:gsub("%.mmap$", "")),
    ttl = options.lease or LEASE, machine = options.machine, is_forced = options.force,
    claims = options.file ~= nil, is_standby = options.standby,
    voice = voice.new(options.say, options.status), bell = condition.new(), state = "open",
    claim_at = 0, bytes_out = 0, joins = 0, bytes_in = 0, edits_made = 0,
  }, Member)
  self.link = self:new_link()
  function self.report(problem) self.voice:report(problem) end
  function self.go_on() -- while the member waits, or fetches a state
    if self.lease and not self.lease.is_over then home.keep(self) end
    if self.is_stopping then trouble.raise("stopping", "stopping") end
  end
  function self.applied()
    self.edits_made = self.edits_made + 1
    self.voice:tell { edits = self.edits_made }
  end
  self.edits = edits.new(self)
  return self
end

-- Asks now and then whether to stop, and ends what would wait longer.
local function watch(self)
  while not self.is_over do
    if self.options.stopping() then
      self.is_stopping = true
      self.bell:signal()
      if self.is_waiting then self.link:close() end
      return
    end
    cqueues.sleep(TICK)
  end
end

-- Says what could not be done at the end.
local function tell_what_is_left(self)
  if self.publisher and not self.publisher:has(self.handle:version()) then
    self.voice:say("the last commits are not published, and only in %s", self.path)
  end
  self.voice:say("the lease was not given back, and ends by itself in %.4g s at most", self.ttl)
end

-- Ends the member.
local function leave(self)
  if self.lease and self.handle then
    local ok, problem = trouble.catch(home.leave, self)
    if not ok then self.voice:report(problem) end
    if self.lease then tell_what_is_left(self) end
  end
  self.is_over = true
  self.link:close()
  self:drop_handle()
  self.voice:tell { role = "stopped", connected = false }
end

local function work(self)
  while not self.is_stopping do
    local ok, result = trouble.catch(states[self.state], self)
    if not ok and not self.is_stopping then
      local next_state = after_failure(self, result)
      if not next_state then return nil, result.message, result.code end
      self.state = next_state
    elseif ok then
      self.state = result or self.state
    end
  end
  return true
end

--- Shares a segment until the member is to stop. Runs inside a cqueue, and holds up nothing else in
-- it.
-- @param options a table:
--
--   - `address` of the server, as of `url.options`
--   - `file`: the path of a segment that this machine is to be the home of; or
--   - `dir` and `name`, `<Struct>_<tag>`: of a replica. The file is made if there is none
--   - `machine`: the name of this machine
--   - `lease`: seconds, the same on all machines; by default 10
--   - `standby`: whether a replica becomes the home when the lease of the present one ends
--   - `force`: with `file`: replaces what is stored
--   - `status`: an object of ipmmap_share.status, or nil
--   - `say`: a function that is called with each line for the log
--   - `stopping`: a function that returns true when the member is to stop
--   - `lock_dir`, `trust`: as for every segment
-- @return true once it has stopped; or nil, message, code: `refused`: the segment has another home,
-- or must not be overwritten; `layout`, `not_found`, `permission` and so on
function member.run(options)
  local self = new(options)
  cqueues.running():wrap(watch, self)
  self.voice:tell { role = "starting" }
  local results = table.pack(pcall(work, self))
  leave(self)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

return member

--- Edits of a segment whose home is another machine. Each is made in a copy of the local replica,
-- and sent to the home, which checks and applies it as one transaction.
local draft = require "ipmmap_share.draft"
local ipmmap = require "ipmmap"
local needed = require "ipmmap_share.needed"
local request = require "ipmmap_share.request"
local segment = require "ipmmap_cli.segment"
local url = require "ipmmap_share.url"

local TIMEOUT <const> = 10 -- seconds
local LARGEST <const> = 512 * 1024 -- bytes of a struct that `with` sends as a whole
local FIRST_PAUSE <const>, LONGEST_PAUSE <const> = 0.001, 0.02 -- seconds, until the replica follows

local Remote = {}
Remote.__index = Remote

-- A failure of the library that it raises as an error object, as nil, message, code.
local function caught(fn, ...)
  local results = table.pack(pcall(fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local problem = results[2]
  if type(problem) ~= "table" or not problem.code then error(problem, 0) end
  return nil, problem.message, problem.code
end

-- Checks that the server has the segment, with the layout of the file.
local function check_schema(self)
  local schema, message, code = self.requests.store:schema()
  if schema == nil then return nil, message, code end
  if not schema then
    return nil, ("%s: it is not shared on %s"):format(self.name, url.show(self.address)),
      "not_found"
  end
  if schema == tostring(self.S) then return true end
  local S = ipmmap.parse(schema)
  local reader
  reader, message, code = ipmmap.reader(S, self.how)
  if not reader then return nil, message, code end
  reader:close()
  return true
end

-- Checks the layout again after the home or its segment may have been replaced.
local function check(self, epoch)
  local fine, message, code = self.requests:connect()
  if not fine then return nil, message, code end
  if epoch ~= 0 and epoch == self.checked then return true end
  fine, message, code = check_schema(self)
  if not fine then return nil, message, code end
  self.checked = epoch
  return true
end

-- The present state here.
-- @return the struct's value, its version, and whose it is, as `share` returns it
local function look(self)
  while true do
    local share = self.reader:share()
    local value, version = self.reader:versioned_snapshot()
    local again = self.reader:share()
    if share.epoch == again.epoch and share.ahead == again.ahead then
      return value, version, again
    end
  end
end

-- Waits until the replica has a state of the home.
-- @return whether it has it by the deadline
local function await(self, at, deadline)
  local pause = FIRST_PAUSE
  while true do
    local share = self.reader:share()
    local is_there = share.epoch > at.epoch
      or share.epoch == at.epoch and self.reader:version() >= at.version + share.ahead
    if is_there then return true end
    local left = deadline - self.cqueues.monotime()
    if left <= 0 then return false end
    self.cqueues.sleep(math.min(pause, left))
    pause = math.min(2 * pause, LONGEST_PAUSE)
  end
end

-- The version here of a state of the home; 0 if the replica is not yet that home's, or is gone.
local function version_here(self, at)
  local share = caught(self.reader.share, self.reader)
  return share and share.epoch == at.epoch and at.version + share.ahead or 0
end

local function conflict(self)
  return nil, ("%s: other processes changed the same fields again and again"):format(self.name),
    "conflict"
end

-- Makes an edit, again and again while the home has other values than it depends on.
-- @param fn called with a draft
-- @return the version, and what fn returned; or nil, message, code
local function transact(self, fn)
  local deadline, is_contested = self.cqueues.monotime() + self.timeout, false
  while true do
    local value, version, share = caught(look, self)
    if not value then return nil, version, share end
    local fine, message, code = caught(check, self, share.epoch)
    if not fine then return nil, message, code end
    local change = draft.new(self.S, value)
    local results = table.pack(fn(change))
    local changes = change:changes()
    if changes == "" then return version, table.unpack(results, 1, results.n) end
    local reply
    reply, message, code = self.requests:run({
      base = { epoch = share.epoch, version = math.max(0, version - share.ahead) },
      expect = change:expected(), patch = changes,
    }, deadline)
    if not reply and code == "timeout" and is_contested then return conflict(self) end
    if not reply then return nil, message, code end
    if reply.result == "applied" then
      return version_here(self, reply.position), table.unpack(results, 1, results.n)
    elseif reply.result == "refused" then
      return nil, ("%s: its home refuses the edit: %s"):format(self.name, reply.message), "refused"
    end
    fine, message, code = caught(await, self, reply.position, deadline)
    if fine == nil then return nil, message, code end
    if not fine then
      return nil, ("%s: the home has other values than this replica, which did not get them in "
        .. "time: does `ipmmap follow` run here?"):format(self.name), "conflict"
    elseif self.cqueues.monotime() >= deadline then
      return conflict(self)
    end
    is_contested = true
  end
end

local function release(self)
  if self.requests then self.requests:close() end
  if self.reader then self.reader:close() end
  self.requests, self.reader = nil, nil
end

-- The end of an edit, also of one that raises, and of one whose coroutine is closed.
local Busy = {}

function Busy:__close(problem)
  local remote = self.remote
  remote.is_busy = false
  if not self.is_done and problem == nil then remote.requests:close() end -- it may be within a call
  if remote.is_closed then release(remote) end
end

-- Makes an edit, and no other one meanwhile.
local function edit(self, fn)
  if self.is_closed then error("this Remote is closed", 3) end
  if self.is_busy then
    error("this Remote makes an edit already: each coroutine needs its own", 3)
  end
  self.is_busy = true
  local busy <close> = setmetatable({ remote = self }, Busy)
  local results = table.pack(transact(self, fn))
  busy.is_done = true
  return table.unpack(results, 1, results.n)
end

local function check_function(name, fn)
  if type(fn) ~= "function" then
    error(("%s takes a function, not %s"):format(name, tostring(fn)), 3)
  end
end

-- The results of an edit with the version behind them.
local function value_first(version, ...)
  if not version then return nil, ... end
  return ..., version
end

--- Makes several changes as one transaction. What it reads of the struct must be the same at the
-- home; otherwise it begins again, so `fn` can be called several times.
-- @param fn called with a draft, which has the methods `read`, `write`, `set`, `add` and `update`
-- @return the version that the replica gets with the edit; 0 if that is not known, because the
-- replica has not followed the home yet. Or nil, message, code
function Remote:edit(fn)
  check_function("edit", fn)
  return edit(self, function(change) fn(change) end)
end

--- Sets one field, as `Handle:write` does; returns as `edit`.
function Remote:write(path, value)
  return edit(self, function(change) change:write(path, value) end)
end

--- Sets several fields, as `Handle:set` does; returns as `edit`.
function Remote:set(fields)
  return edit(self, function(change) change:set(fields) end)
end

--- Adds to a number, as `Handle:add` does.
-- @return the new value, and the version as of `edit`; or nil, message, code
function Remote:add(path, n)
  return value_first(edit(self, function(change) return change:add(path, n) end))
end

--- Changes a field by a function of its value, as `Handle:update` does. The function is called
-- again if the field was changed at the home meanwhile.
-- @return the new value, and the version as of `edit`; or nil, message, code
function Remote:update(path, fn)
  check_function("update", fn)
  return value_first(edit(self, function(change) return change:update(path, fn) end))
end

--- Calls a function with a copy of the struct, and sends what it changes, if the whole struct is
-- the same at the home. Otherwise it begins again.
-- @param fn called as `fn(value)`
-- @return as of `edit`
-- @raise an error if the struct has more than 512 KiB
function Remote:with(fn)
  check_function("with", fn)
  if self.S.size > LARGEST then
    error(("%s: with sends the whole struct, which has more than %d bytes"):format(self.S.name,
      LARGEST), 2)
  end
  return edit(self, function(change) change:with(fn) end)
end

--- Closes the connection and the replica's handle, or lets the edit that is under way do so at its
-- end. Again is harmless.
function Remote:close()
  self.is_closed = true
  if not self.is_busy then release(self) end
end

Remote.__close, Remote.__gc = Remote.close, release

local OPTIONS <const> = {
  timeout = "number", password_file = "string", ca = "string", cert = "string", key = "string",
  insecure = "boolean", lock_dir = "string", trust = false,
}

local function check_arguments(file, server, options)
  if type(file) ~= "string" then error("remote: the file is not a string", 3) end
  if type(server) ~= "string" then error("remote: the URL is not a string", 3) end
  if type(options) ~= "table" then error("remote: the options are not a table", 3) end
  for name, value in pairs(options) do
    local wanted = OPTIONS[name]
    if wanted == nil then
      error(("remote: there is no option '%s'"):format(tostring(name)), 3)
    elseif wanted and type(value) ~= wanted then
      error(("remote: the option %s is not a %s"):format(name, wanted), 3)
    end
  end
  local timeout = options.timeout
  if timeout and not (timeout > 0 and timeout < math.huge) then
    error("remote: the option timeout is not a number of seconds above 0", 3)
  end
end

local function open_reader(file, options)
  local S, how, code = segment.describe(file, options)
  if not S then return nil, how, code end
  how.follow = true
  local reader, message, why = ipmmap.reader(S, how)
  if not reader then return nil, message, why end
  return reader, S, how
end

local function connect(self)
  local share = self.reader:share()
  if share.place == "unshared" then
    return nil, ("%s: it is not shared: `ipmmap follow` makes replicas"):format(self.name),
      "refused"
  end
  local message, code
  self.requests, message, code = request.new(self.address, self.name,
    self.timeout)
  if not self.requests then return nil, message, code end
  return check(self, share.epoch)
end

--- Opens a replica, or a segment at its home, to edit it at its home: see `ipmmap.remote`.
-- @param file the data file
-- @param server the URL of the server
-- @param[opt] options `timeout`, `password_file`, `ca`, `cert`, `key`, `insecure`; and `lock_dir`
-- and `trust`, as for every segment
-- @return Remote; or nil, message, code
return function(file, server, options)
  if options == nil then options = {} end
  check_arguments(file, server, options)
  local cqueues, message, code = needed "cqueues"
  if not cqueues then return nil, message, code end
  local address
  address, message, code = url.options(server, options)
  if not address then return nil, message, code end
  local reader, S, how = open_reader(file, options)
  if not reader then return nil, S, how end
  local self = setmetatable({
    address = address, cqueues = cqueues, reader = reader, S = S, how = how,
    name = S.name .. "_" .. how.tag, timeout = options.timeout or TIMEOUT,
  }, Remote)
  local connected
  connected, message, code = caught(connect, self)
  if not connected then
    self:close()
    return nil, message, code
  end
  return self
end

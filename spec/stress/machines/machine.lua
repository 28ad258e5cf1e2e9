--- A machine of the tests: a directory, perhaps a namespace of the network, and processes, which
-- can be killed, stopped and started again.
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local shell = require "spec.helper.shell"
local struct = require "spec.stress.machines.struct"

local machine = {}
machine.__index = machine

local HERE <const> = "spec/stress/machines/"
local RING <const> = 8 << 20 -- bytes

--- A machine.
-- @tparam table options `number`, `dir`: where its directory is made; `url` of the server; `lease`
-- in seconds; `within`: the start of a command line that runs in its namespace; `S` and `tag` of
-- the segment, by default those of struct.lua
function machine.new(options)
  local self = setmetatable({
    number = options.number, dir = ("%s/m%d"):format(options.dir, options.number),
    url = options.url, lease = options.lease, within = options.within or {}, processes = {},
    diaries = options.dir .. "/diaries", S = options.S or struct.S, tag = options.tag or "",
  }, machine)
  shell.run(("mkdir -p %s %s"):format(shell.quote(self.dir), shell.quote(self.diaries)))
  self.file = ("%s/%s_%s.mmap"):format(self.dir, self.S.name, self.tag)
  return self
end

--- Makes the segment, as a program at home does.
-- @tparam[opt] integer ring bytes of the feed's ring
function machine:create(ring)
  local manager = assert(ipmmap.manager(self.S, {
    mmap_dir = self.dir, tag = self.tag, create = true, feed = ring or RING, mode = "640",
  }))
  manager:close()
end

local function command(self, name, argv)
  local all = table.move(self.within, 1, #self.within, 1, {})
  local log = self.dir .. "/" .. name .. ".log"
  for _, words in ipairs { { "sh", "-c", 'exec "$@" >>"$0" 2>&1', log }, argv } do
    for _, word in ipairs(words) do all[#all + 1] = tostring(word) end
  end
  return all
end

--- Starts a process.
-- @tparam string name by which the other methods know it; its output is in `name`.log
-- @tparam table argv
function machine:run(name, argv)
  assert(not self.processes[name], name)
  local all = command(self, name, argv)
  self.processes[name] = { argv = all, child = process.start(all) }
end

function machine:command(name, ...)
  self:run(name, { process.LUA, "bin/ipmmap", ... })
end

local function options(self)
  return "--lease", self.lease, "--insecure", "--machine", "m" .. self.number
end

--- Starts `ipmmap share` for the machine's segment.
function machine:share(...)
  local words = { options(self) }
  table.move({ ... }, 1, select("#", ...), #words + 1, words)
  table.move({ self.url, self.file }, 1, 2, #words + 1, words)
  self:command("share", "share", table.unpack(words))
end

local function follow(self, ...)
  local words = { "follow", options(self) }
  table.move({ ... }, 1, select("#", ...), #words + 1, words)
  local name = self.tag == "" and self.S.name or self.S.name .. ":" .. self.tag
  table.move({ "--dir", self.dir, self.url, name }, 1, 4, #words + 1, words)
  return words
end

--- Starts `ipmmap follow`.
function machine:follow(...)
  self:command("share", table.unpack(follow(self, ...)))
end

--- When the process `share` is started again, it is `ipmmap follow --standby`: as a home that has
-- had its turn.
function machine:will_stand_by()
  self.processes.share.argv = command(self, "share",
    { process.LUA, "bin/ipmmap", table.unpack(follow(self, "--standby")) })
end

local function worker(self, kind, number, ...)
  local name = kind .. number
  self:run(name, { process.LUA, HERE .. kind .. ".lua", ... })
end

local function diary_of(self, kind, number)
  return ("%s/%s-%d-%s"):format(self.diaries, kind, self.number, number)
end

function machine:editor(number, pause)
  worker(self, "editor", number, self.dir, self.number, number, diary_of(self, "editor", number),
    pause)
end

function machine:observer(number)
  local name = self.number .. ":" .. number
  worker(self, "observer", number, self.dir, self.number, name,
    diary_of(self, "observer", number))
end

function machine:remote(number, pause)
  worker(self, "remote", number, self.dir, self.url, self.number, number,
    diary_of(self, "remote", number), pause)
end

--- Whether the process runs. One that ended by itself is a complaint of the test.
function machine:is_running(name)
  local one = self.processes[name]
  if one.is_dead then return false end
  local how, code = posix.wait(one.child.pid, 0)
  if not how or how == "stop" then return true end
  one.child.how, one.child.code = how, code
  one.is_dead, one.ended = true, ("%s %d"):format(how, code)
  return false
end

function machine:kill(name)
  local one = self.processes[name]
  if not self:is_running(name) then return end
  one.child:kill()
  one.child:wait()
  one.is_dead = true
end

--- Starts a process again that was killed, or has ended.
function machine:restart(name)
  local one = self.processes[name]
  one.child, one.is_dead = process.start(one.argv), false
end

function machine:stop(name)
  self.processes[name].child:stop()
end

function machine:continue(name)
  self.processes[name].child:continue()
end

--- Ends a process in order, and returns how: "exit", status.
function machine:finish(name, signal)
  local one = self.processes[name]
  one.child:kill(signal or posix.SIGTERM)
  one.is_dead = true
  return one.child:wait()
end

--- Kills all processes whose names begin with a text.
function machine:kill_all(prefix)
  for name, one in pairs(self.processes) do
    if name:sub(1, #prefix) == prefix and not one.is_dead then self:kill(name) end
  end
end

--- The bytes of the segment, or nil if there is none.
function machine:bytes()
  self.reader = self.reader or ipmmap.reader(self.S,
    { mmap_dir = self.dir, tag = self.tag, follow = true })
  if not self.reader then return nil end
  local there, value = pcall(self.reader.snapshot, self.reader)
  return there and ipmmap.bytes(value) or nil
end

--- The lines that a process has written.
function machine:log(name)
  local file = io.open(self.dir .. "/" .. name .. ".log", "rb")
  if not file then return "" end
  local text = file:read "a"
  file:close()
  return text
end

return machine

--- A large segment is published and joined while editors write to it, and the server goes on
-- answering.
local ipmmap = require "ipmmap"
local bulk = require "spec.stress.machines.bulk"
local process = require "spec.helper.process"
local shell = require "spec.helper.shell"
local world = require "spec.stress.machines.world"

local SIZE <const> = 4096 -- bytes that a commit writes
local PATIENCE <const> = 120 -- seconds
local LONGEST <const> = 1 -- seconds for an answer of the server

-- Starts a process that asks the server for an answer again and again. It prints the worst time.
local function start_asking(it)
  return process.spawn([[
    local ipmmap = require "ipmmap"
    local posix = require "spec.helper.posix"
    package.path = "cli/?.lua;" .. package.path
    local redis, url = require "ipmmap_share.redis", require "ipmmap_share.url"
    local connection = assert(redis.connect(assert(url.parse(...)), 60))
    local worst = 0
    repeat
      local begun = ipmmap.boottime()
      assert(connection:call "PING")
      worst = math.max(worst, ipmmap.boottime() - begun)
    until posix.poll(0, 0.001)
    print(worst)
  ]], "redis://127.0.0.1:" .. it.server.port)
end

local function end_asking(child)
  child:send "end"
  return tonumber((child:match "^(%S+)$"))
end

local function has_state(it)
  return tonumber(it.server:call("STRLEN", it.prefix .. "state")) == it.S.size
end

-- Measures what an action takes until a condition holds, and the server's worst answer meanwhile.
local function measure(it, action, condition)
  local asking = start_asking(it)
  local begun = ipmmap.boottime()
  action()
  local done = it.wait_until(PATIENCE, condition)
  local took = ipmmap.boottime() - begun
  return done and took, end_asking(asking)
end

local function run(bytes, dir)
  local pieces = bytes // SIZE
  local S = bulk.struct(pieces, SIZE)
  local it <close> = world.new { machines = 2, S = S, dir = dir }
  it.S = S
  local home, follower = table.unpack(it.machines)
  home:create(0) -- without a ring, which would be larger than the segment
  home:run("editor", { process.LUA, "spec/stress/machines/bulk_editor.lua", home.dir, "", pieces,
    SIZE, 0.01 })
  ipmmap.sleep(it.lease + 1) -- a server that has just started grants no lease
  local published, worst_publishing = measure(it, function() home:share() end,
    function() return has_state(it) end)
  local joined, worst_joining = measure(it, function() follower:follow() end,
    function() return follower:bytes() ~= nil end)
  ipmmap.sleep(0.5)
  home:kill "editor"
  local late = {}
  for what, worst in pairs { publishing = worst_publishing, joining = worst_joining } do
    if worst > LONGEST then
      late[#late + 1] = ("an answer of the server took %.3f s while %s"):format(worst, what)
    end
  end
  return {
    { "a large segment is published under writes", published and {} or { "it is not" } },
    { "a follower joins it under writes", joined and {} or { "it does not" } },
    { "the server goes on answering", late },
    { "the follower has the home's bytes in the end", (it:converge(60)) },
  }, {
    ["published in s"] = ("%.2f"):format(published or -1),
    ["joined in s"] = ("%.2f"):format(joined or -1),
    ["worst answer in s"] = ("%.3f publishing, %.3f joining"):format(worst_publishing,
      worst_joining),
  }
end

--- Runs the test.
-- @tparam integer bytes the size of the segment
return function(bytes)
  local dir = shell.run("mktemp -d"):gsub("\n", "") -- on a disk: the files are large
  local ok, verdict, counts = xpcall(run, debug.traceback, bytes, dir)
  shell.run("rm -rf " .. shell.quote(dir))
  if not ok then error(verdict, 0) end
  return verdict, counts
end

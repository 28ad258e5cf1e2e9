--- A follower that is stopped, while the home commits more than the server keeps.
local ipmmap = require "ipmmap"
local bulk = require "spec.stress.machines.bulk"
local judge = require "spec.stress.machines.judge"
local process = require "spec.helper.process"
local world = require "spec.stress.machines.world"

local PIECES <const>, SIZE <const> = 16, 32768
local KEPT <const> = 16 << 20 -- bytes that the server's log has at most
local SLACK <const> = 24 << 20 -- bytes of the server for connections, and for the struct itself
local DELAY <const> = 2 -- seconds that a commit may need to a follower on a busy machine

local function mark(reader)
  reader:send "mark"
  local count, median, most, worst = reader:match "^(%d+) (%S+) (%S+) (%S+)$"
  return { count = tonumber(count), median = tonumber(median), most = tonumber(most),
    worst = tonumber(worst) }
end

-- Watches the server until so many bytes were committed. Returns the most memory that it used.
local function watch_memory(it, bytes)
  local home, most = it.machines[1], 0
  local first = home.counter:version()
  while (home.counter:version() - first) * SIZE < bytes do
    most = math.max(most, it.server:info "used_memory")
    ipmmap.sleep(0.1)
  end
  return most
end

local function start(it)
  local home, stopped, other = table.unpack(it.machines)
  home:create()
  home:share()
  stopped:follow()
  other:follow()
  assert(it.wait_until(20, function() return #judge.converged(it:states()) == 0 end),
    "the followers do not get the state")
  home:run("editor", { process.LUA, "spec/stress/machines/bulk_editor.lua", home.dir, "", PIECES,
    SIZE, 0.005 })
  home.counter = ipmmap.reader(it.S, { mmap_dir = home.dir })
  return process.start { process.LUA, "spec/stress/machines/bulk_reader.lua", other.dir, "",
    tostring(PIECES), tostring(SIZE) }
end

--- Runs the test.
-- @tparam number bytes how much is committed while the follower is stopped
return function(bytes)
  local S = bulk.struct(PIECES, SIZE)
  local it <close> = world.new { machines = 3, S = S }
  it.S = S
  local reader = start(it)
  watch_memory(it, bytes // 4)
  local before = mark(reader)
  it.machines[2]:stop "share"
  local most = watch_memory(it, bytes)
  local beside = mark(reader)
  it.machines[2]:continue "share"
  it.machines[1]:kill "editor"
  local memory, delayed = {}, {}
  if most > KEPT + SLACK then
    memory[1] = ("the server used %.1f MiB"):format(most / 2 ^ 20)
  end
  if beside.count == 0 or beside.most > before.most + DELAY then
    delayed[1] = ("99 %% of the commits took %.3f s to another follower, and %.3f s before")
      :format(beside.most, before.most)
  end
  return {
    { "the server's memory is bounded while a follower is stopped", memory },
    { "other followers are not delayed", delayed },
    { "the follower joins again", (it:converge(30)) },
  }, {
    ["server MiB"] = ("%.1f"):format(most / 2 ^ 20),
    ["before, s"] = ("median %.4f, 99 %% %.4f"):format(before.median, before.most),
    ["beside it, s"] = ("median %.4f, 99 %% %.4f"):format(beside.median, beside.most),
  }
end

-- usage: lua5.4 spec/stress/machines/scale.lua [SECONDS]
--
-- Measures what commits cost the server, the home and followers, and computes from it what many
-- segments and many followers need. Each row is measured for SECONDS. Prints a table in Markdown.

local ipmmap = require "ipmmap"
local bulk = require "spec.stress.machines.bulk"
local process = require "spec.helper.process"
local world = require "spec.stress.machines.world"

local SECONDS <const> = tonumber(arg[1]) or 5
local PIECES <const>, SIZE <const> = 10, 64
local PAUSE <const> = 0.02 -- seconds between two commits: so long that followers get each alone
local IDLE <const> = 30 -- seconds
local FOLLOWERS <const> = { 0, 1, 10, 50, 100 }
local TICK <const> = 100 -- a second in /proc/PID/stat
local SEGMENTS <const>, MANY <const> = 1000, 100 -- what is computed

local function cpu_of(pid)
  local file <close> = assert(io.open("/proc/" .. pid .. "/stat"))
  local fields, n = file:read("a"):match "%) (.*)", 0
  local sum = 0
  for word in fields:gmatch "%S+" do
    n = n + 1
    if n == 12 or n == 13 then sum = sum + tonumber(word) end
  end
  return sum / TICK
end

local function published(it)
  return tonumber(it.server:call("HGET", it.prefix .. "meta", "version")) or 0
end

local COUNTS <const> = { "used_cpu_user", "used_cpu_sys", "total_commands_processed",
  "total_net_input_bytes", "total_net_output_bytes" }

local function look(it)
  local now = { commits = published(it), time = ipmmap.boottime() }
  local text = it.server:call("INFO", "all")
  for _, name in ipairs(COUNTS) do now[name] = tonumber(text:match("\n" .. name .. ":([%d.]+)")) end
  now.server = now.used_cpu_user + now.used_cpu_sys
  for number, one in ipairs(it.machines) do
    local of = one.processes.share
    now["share" .. number] = of and cpu_of(of.child.pid) or 0
  end
  return now
end

-- What each commit cost in so many seconds.
-- @param[opt=0] idle how busy the server is without commits
local function measure(it, seconds, idle)
  local before = look(it)
  ipmmap.sleep(seconds)
  local after, row = look(it), {}
  local commits, time = after.commits - before.commits, after.time - before.time
  for name, value in pairs(after) do row[name] = (value - before[name]) / math.max(1, commits) end
  row.commits, row.rate = commits, commits / time
  row.busy = (after.server - before.server) / time
  row.server = (row.busy - (idle or 0)) * time / math.max(1, commits)
  return row
end

local function start(S, machines)
  local it = world.new { machines = machines, S = S, lease = 10 }
  it.S = S
  it.machines[1]:create()
  it.machines[1]:share()
  local function is_there() return it.server:call("EXISTS", it.prefix .. "meta") == "1" end
  assert(it.wait_until(30, is_there), "nothing is published")
  return it
end

local function edit(it, pause)
  local home = it.machines[1]
  home:run("editor", { process.LUA, "spec/stress/machines/bulk_editor.lua", home.dir, "", PIECES,
    SIZE, pause })
  local first = published(it)
  assert(it.wait_until(20, function() return published(it) > first end), "no commit is published")
end

local function say(format, ...)
  print(format:format(...))
end

local function row(...)
  print("| " .. table.concat({ ... }, " | ") .. " |")
end

local function server_cost(S)
  say("\nThe server, for a commit of %d bytes in a struct of %d bytes:\n", SIZE, S.size)
  row("followers", "commits/s", "commands", "bytes in", "bytes out", "server µs", "server busy",
    "memory of a connection")
  row("---", "---", "---", "---", "---", "---", "---", "---")
  local points = {}
  for _, count in ipairs(FOLLOWERS) do
    local it <close> = start(S, 1)
    local followers = count > 0 and process.start { process.LUA,
      "spec/stress/machines/scale_followers.lua", it.machines[1].url, it.prefix, tostring(count) }
    if followers then followers:expect "ready" end
    local without = measure(it, SECONDS).busy
    edit(it, PAUSE)
    local got = measure(it, SECONDS, without)
    row(count, ("%.0f"):format(got.rate), ("%.1f"):format(got.total_commands_processed),
      ("%.0f"):format(got.total_net_input_bytes), ("%.0f"):format(got.total_net_output_bytes),
      ("%.0f"):format(got.server * 1e6), ("%.0f %%"):format(got.busy * 100),
      ("%.1f KiB"):format(it.server:info "mem_clients_normal"
        / it.server:info "connected_clients" / 1024))
    points[#points + 1] = { count, got.server * 1e6 }
    if followers then followers:kill() end
  end
  return points
end

-- The line through points: what a commit costs, and what each follower adds.
local function fit(points)
  local n, x, y, xx, xy = #points, 0, 0, 0, 0
  for _, point in ipairs(points) do
    x, y, xx, xy = x + point[1], y + point[2], xx + point[1] ^ 2, xy + point[1] * point[2]
  end
  local slope = (n * xy - x * y) / (n * xx - x * x)
  return (y - slope * x) / n, slope
end

local function real_followers(S)
  local it <close> = start(S, 3)
  for number = 2, 3 do it.machines[number]:follow() end
  local reader = process.start { process.LUA, "spec/stress/machines/bulk_reader.lua",
    it.machines[3].dir, "", tostring(PIECES), tostring(SIZE) }
  edit(it, PAUSE)
  ipmmap.sleep(1)
  reader:send "mark"
  reader:line()
  local got = measure(it, SECONDS)
  reader:send "mark"
  local count, median, most, worst = reader:match "^(%d+) (%S+) (%S+) (%S+)$"
  say("\nFrom a home's commit to a follower's reader, at %.0f commits/s with 2 followers:",
    got.rate)
  say("median %.0f µs, 99 %% %.0f µs, worst %.0f µs (%s commits).", median * 1e6, most * 1e6,
    worst * 1e6, count)
  say("Processor time of a commit: `share` %.0f µs, `follow` %.0f µs, server %.0f µs.",
    got.share1 * 1e6, got.share2 * 1e6, got.server * 1e6)
end

local function most_commits(S)
  local it <close> = start(S, 2)
  it.machines[2]:follow()
  edit(it, 0)
  ipmmap.sleep(1)
  local before = it.machines[2]:bytes() and it.machines[2].reader:version()
  local begun = ipmmap.boottime()
  local got = measure(it, SECONDS)
  local followed = (it.machines[2].reader:version() - before) / (ipmmap.boottime() - begun)
  say("\nWith an editor that never pauses: %.0f commits/s published, %.0f a second followed;",
    got.rate, followed)
  say("the server is busy for %.0f %%.", got.busy * 100)
end

local function idle(S)
  local it <close> = start(S, 2)
  local alone = look(it)
  ipmmap.sleep(IDLE)
  local then_ = look(it)
  it.machines[2]:follow()
  it.wait_until(20, function() return it.machines[2]:bytes() ~= nil end)
  local clients = it.server:info "connected_clients"
  local first = look(it)
  ipmmap.sleep(IDLE)
  local last = look(it)
  local function rate(from, to)
    return (to.total_commands_processed - from.total_commands_processed) / (to.time - from.time)
  end
  local home = rate(alone, then_)
  local follower = rate(first, last) - home
  say("\nWithout commits: %.2f commands/s for a home, %.2f for a follower; %d connections.", home,
    follower, clients - 1)
  return follower
end

local S <const> = bulk.struct(PIECES, SIZE)
local points = server_cost(S)
real_followers(S)
most_commits(S)
local polls = idle(S)
local own, each = fit(points)
local cost = own + each * MANY
say("\nA commit costs the server %.0f µs, and %.1f µs more for each follower: %.0f µs with %d.",
  own, each, cost, MANY)
say("%d segments with %d followers each: one server (one processor) takes %.0f commits/s in all,",
  SEGMENTS, MANY, 1e6 / cost)
say("%.2f a second of each segment; without commits it gets %.0f commands/s.",
  1e6 / cost / SEGMENTS, polls * SEGMENTS * MANY)

-- usage: lua5.4 spec/stress/machines.lua MINUTES [PART]... [seed=N]
--
-- Several machines share a segment over a real redis-server, while processes are killed and stopped
-- and the network is cut. Each part takes its share of the time. Prints TAP.
local network = require "spec.stress.machines.network"

-- Each part: its name, its module of spec/stress/machines, and its argument, which comes after the
-- seconds if it takes those.
local MIB <const> = 1 << 20
local CUTS <const> = network.is_there() and "namespaces" or "proxies"
local PARTS <const> = {
  { "kills", "kills", takes_seconds = true, "everysec" },
  { "kills-always", "kills", takes_seconds = true, "always" },
  { "partitions", "partitions", takes_seconds = true, CUTS },
  { "hostile-follower", "hostile_follower", takes_seconds = true },
  { "hostile-home", "hostile_home", takes_seconds = true },
  { "hostile-remote", "hostile_remote" },
  { "restarts", "restarts" },
  { "takeover", "takeover" },
  { "stopped", "stopped", 48 * MIB },
  { "join", "join", 64 * MIB },
}

local minutes, wanted, seed = tonumber(arg[1]) or 1, {}, os.time()
local is_chosen = false
for i = 2, #arg do
  local number = arg[i]:match "^seed=(%d+)$"
  if number then
    seed = math.tointeger(number)
  else
    wanted[arg[i]], is_chosen = true, true
  end
end
print("# seed " .. seed)

local parts, shares = {}, 0
for _, part in ipairs(PARTS) do
  if not is_chosen or wanted[part[1]] then
    parts[#parts + 1] = part
    shares = shares + (part.takes_seconds and 1 or 0)
  end
end

local count, failed = 0, false
local function report(part, what, complaints)
  count = count + 1
  for _, complaint in ipairs(complaints) do print("# " .. complaint) end
  local is_good = #complaints == 0
  failed = failed or not is_good
  print(("%s %d - machines, %s: %s"):format(is_good and "ok" or "not ok", count, part, what))
end

local function run(part)
  local name = part[1]
  local test = require("spec.stress.machines." .. part[2])
  math.randomseed(seed)
  local verdict, counts
  if part.takes_seconds then
    verdict, counts = test(minutes * 60 / shares, part[3])
  else
    verdict, counts = test(part[3])
  end
  for _, one in ipairs(verdict) do report(name, one[1], one[2]) end
  local words = {}
  for what, value in pairs(counts) do words[#words + 1] = what .. " " .. value end
  table.sort(words)
  print("# " .. name .. ": " .. table.concat(words, ", "))
end

for _, part in ipairs(parts) do
  local ok, message = xpcall(run, debug.traceback, part)
  if not ok then report(part[1], "it ends", { (tostring(message):gsub("\n", "\n# ")) }) end
end
print("1.." .. count)
os.exit(not failed, true)

--- Runs the benchmarks: lua5.4 bench/run.lua <build directory> quick|full [earlier results.json]
--
-- Writes bench/results.json, bench/results.svg and, unless it is quick, the table into
-- docs/performance.md. Prints the table, with the earlier results, if any, beside the new
-- ones.
--
-- A round runs every program three times in turns, so that compared programs are measured directly
-- after each other. It keeps the lowest value of each metric, because disturbances only add time.
-- Each ratio is computed within a round; the table shows the median and the range of five rounds.
local json = require "dkjson"
local machine = require "machine"
local plan = require "plan"
local plot = require "plot"
local report = require "report"
local stats = require "stats"

local build, is_quick = assert(arg[1], "which build directory?"), arg[2] == "quick"
local ROUNDS, SCALING_ROUNDS = is_quick and 3 or 5, is_quick and 1 or 3
local TURNS <const> = is_quick and 1 or 3
local MS = is_quick and 15 or 40

local function output(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  return text, pipe:close()
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

--- Makes a directory: in memory if there is room for the largest segments, else on disk.
local function make_directory()
  local free = tonumber((output "df --output=avail -k /dev/shm 2>/dev/null | tail -n 1")) or 0
  local parent = free > 2 * 1024 * 1024 and "/dev/shm" or os.getenv "TMPDIR" or "/tmp"
  return (output(("mktemp -d '%s/ipmmap-bench.XXXXXX'"):format(parent)):gsub("%s+$", ""))
end

-- Read the earlier results before the rounds: these take minutes, and may replace that file.
local earlier = arg[3] and assert(json.decode(read(arg[3])))

local directory <close> = setmetatable({ path = make_directory() }, {
  __close = function(self)
    os.execute(("rm -rf '%s'"):format(self.path))
  end,
})

local function command_of(program)
  local source = "bench/" .. program
  local run = program:match "^jit/" and "luajit " .. source
    or program:match "%.lua$" and "lua5.4 " .. source
    or program:match "%.py$" and "/usr/bin/python3 " .. source
    or ("%s/%s"):format(build, source)
  local most = is_quick and "BENCH_MOST=1000000 " or ""
  return ("%sBENCH_MS=%d BENCH_DIR='%s' %s"):format(most, MS, directory.path, run)
end

local metrics, left_out = {}, {}

--- Runs a program and keeps the lowest value of each metric that it prints. A program that fails is
-- left out from then on.
local function run(program, least)
  if left_out[program] then
    return
  end
  io.stderr:write((" %s"):format(program:match "[^/]+$"))
  local text, is_good = output(command_of(program))
  if not is_good then
    left_out[program] = true
    return
  end
  for metric, value in text:gmatch "(%S+) (%S+)\n" do
    least[metric] = math.min(least[metric] or math.huge, tonumber(value))
  end
end

local function run_rounds(count, turns, programs)
  for round = 1, count do
    local least = {}
    io.stderr:write(("round %d of %d:"):format(round, count))
    for _ = 1, turns do
      for _, program in ipairs(programs) do
        run(program, least)
      end
    end
    io.stderr:write "\n"
    for metric, difference in pairs(plan.differences) do
      local whole, part = least[difference[1]], least[difference[2]]
      least[metric] = whole and part and whole - part
    end
    for metric, value in pairs(least) do
      metrics[metric] = metrics[metric] or {}
      table.insert(metrics[metric], value)
    end
  end
end

local function ratio(target)
  local over, under = metrics[target[2]], metrics[target[3]]
  if not over or target[3] and not under then
    return nil
  end
  local ratios = {}
  for round, value in ipairs(over) do
    ratios[round] = under and value / under[round] or value
  end
  return stats.summary(ratios)
end

local function judge()
  local results = {}
  for i, target in ipairs(plan.targets) do
    local result = ratio(target) or {}
    result.name, result.least, result.most = target[1], target.least, target.most
    if result.median then
      result.is_reached = result.median >= (target.least or -math.huge)
        and result.median <= (target.most or math.huge)
    end
    results[i] = result
  end
  return results
end

local function grow()
  local results = {}
  for i, line in ipairs(plan.growth) do
    local points = {}
    for metric, values in pairs(metrics) do
      local name, size = metric:match "^(.+)/(%d+)$"
      if name == line[2] then
        points[#points + 1] = { x = tonumber(size), y = stats.median(values) }
      end
    end
    table.sort(points, function(a, b) return a.x < b.x end)
    results[i] = { name = line[1], metric = line[2], points = points, slope = stats.slope(points) }
  end
  return results
end

local before = machine(directory.path)
run_rounds(ROUNDS, TURNS, plan.programs)
run_rounds(SCALING_ROUNDS, 1, plan.scaling)

local summaries, missing = {}, {}
for metric, values in pairs(metrics) do
  summaries[metric] = stats.summary(values)
end
for program in pairs(left_out) do
  missing[#missing + 1] = program
end
table.sort(missing)

local results = {
  is_quick = is_quick,
  rounds = ROUNDS,
  machine = before,
  targets = judge(),
  metrics = summaries,
  growth = grow(),
  left_out = setmetatable(missing, { __jsontype = "array" }),
}
print(report(results, plan.sections, earlier))
write("bench/results.json", json.encode(results, { indent = true }) .. "\n")
if not is_quick then
  local document = read "docs/performance.md"
  local head, tail = document:match "^(.-<!%-%- make bench %-%->\n).-(<!%-%- end %-%->.*)$"
  write("docs/performance.md", ("%s```\n%s```\n%s"):format(
    head, report(results, plan.sections), tail))
end
plot(results, plan, directory.path)

-- usage: lua5.4 spec/mutation/run.lua OPTIONS TEST...
--
-- Changes the core one line at a time, and runs the tests on each change until one fails. Prints a
-- TAP line for each mutant, and the score. A test is a program below build/ with its arguments.
--   --list FILE      try the mutants of a list
--   --generate       try the mutants that the rules generate for the sources named below
--   --some N         try only N mutants; the same sources give the same choice. Some of them no
--                    test can notice, so this fails only if fewer than half are noticed
--   --only TEXT      try only mutants whose file, function or lines contain the text
--   --jobs N         try N mutants at a time
package.path = "./?.lua;" .. package.path

local list = require "spec.mutation.list"
local generate = require "spec.mutation.generate"
local worker = require "spec.mutation.worker"

-- The sources that take locks, order memory, or decide whether a file can be trusted.
local SOURCES <const> = {
  "abandon.c", "adopt.c", "catch_up.c", "changed.c", "clock.c", "create.c", "datafile.c",
  "datafile.h", "descriptor.c", "feed.c", "file.c", "follow.c", "fork.c", "handle.c",
  "high_water.h", "listen.c", "listeners.c", "lock_head.c", "lockfile.c", "migrate.c", "mutex.c",
  "mutex.h", "named.c", "notify.c", "open.c", "process.h", "queue.c", "queue.h", "repair.c",
  "retire.c", "ring.c", "room.c", "rwlock.c", "segment.c", "thread.c", "thread.h", "trailer.c",
  "transaction.c", "transaction.h", "trust.c", "users.c", "wait.c", "waiters.c",
}
local SURVIVORS <const> = "spec/mutation/survivors"
local ENOUGH <const> = 1 / 2 -- of a random choice

local function parse(arguments)
  local options, tests, at = { jobs = 1 }, {}, 1
  while at <= #arguments do
    local name = arguments[at]:match("^%-%-(%a+)$")
    if name == "generate" then
      options.generate = true
    elseif name then
      at = at + 1
      options[name] = tonumber(arguments[at]) or arguments[at]
    else
      tests[#tests + 1] = arguments[at]
    end
    at = at + 1
  end
  return options, tests
end

-- The generated mutants, without those that are known to survive.
local function generated()
  local known, all = {}, {}
  for _, mutant in ipairs(list.read(SURVIVORS)) do known[list.key(mutant)] = true end
  for _, name in ipairs(SOURCES) do
    for _, mutant in ipairs(generate("src/core/" .. name)) do
      if not known[list.key(mutant)] then all[#all + 1] = mutant end
    end
  end
  return all
end

-- Chooses `count` mutants at random. The seed is made from the mutants' text, so that the same
-- sources give the same choice.
local function choose(mutants, count)
  local seed = 0
  for _, mutant in ipairs(mutants) do
    for _, byte in utf8.codes(list.key(mutant)) do seed = (seed * 31 + byte) % 0x7fffffff end
  end
  math.randomseed(seed)
  local chosen = {}
  for _ = 1, math.min(count, #mutants) do
    chosen[#chosen + 1] = table.remove(mutants, math.random(#mutants))
  end
  return chosen
end

local function matches(mutant, text)
  return list.key(mutant):find(text, 1, true) ~= nil
end

local function select_mutants(options)
  local mutants = options.list and list.read(options.list) or generated()
  local lost = list.locate(mutants)
  for _, mutant in ipairs(lost) do
    print(("no such line in %s, %s: %s"):format(mutant.file, mutant.name, mutant.old))
  end
  if #lost > 0 then os.exit(false) end
  local chosen = {}
  for _, mutant in ipairs(mutants) do
    if not options.only or matches(mutant, options.only) then chosen[#chosen + 1] = mutant end
  end
  return options.some and choose(chosen, options.some) or chosen
end

local function describe(mutant)
  if mutant.reason then return ("%s %s: %s"):format(mutant.file, mutant.name, mutant.reason) end
  return ("%s:%d %s: %s => %s"):format(mutant.file, mutant.number, mutant.name, mutant.old,
    mutant.new)
end

-- Tries this job's part of the mutants, and prints a TAP line for each.
local function work(mutants, tests, job, jobs)
  local here <close> = worker.new(tests)
  for at = job, #mutants, jobs do
    local result = here:try(mutants[at])
    if result == "invalid" or result == "same" then
      print(("# %s: %s"):format(result, describe(mutants[at])))
    else
      print(("%s - %s%s"):format(result and "ok" or "not ok", describe(mutants[at]),
        result and (" (noticed by %s)"):format(result) or ""))
    end
    io.stdout:flush()
  end
end

-- Starts this program again as one job.
local function start(job)
  local words = {}
  for at = 1, #arg do words[at] = "'" .. arg[at]:gsub("'", "'\\''") .. "'" end
  local command = ("${LUA:-lua5.4} spec/mutation/run.lua --job %d %s"):format(job,
    table.concat(words, " "))
  return assert(io.popen(command))
end

-- Prints the jobs' reports, as comments if only some mutants are tried, and the score. Returns
-- whether enough mutants were noticed.
local function report(jobs, some)
  local noticed, survived = 0, 0
  for _, pipe in ipairs(jobs) do
    for line in pipe:lines() do
      print(some and line:gsub("^n?o?t? ?ok %- ", "# %0") or line)
      noticed = noticed + (line:match("^ok ") and 1 or 0)
      survived = survived + (line:match("^not ok ") and 1 or 0)
    end
    assert(pipe:close(), "a job ended early")
  end
  local tried <const> = noticed + survived
  local score <const> = ("%d of %d mutants noticed"):format(noticed, tried)
  local good <const> = noticed > 0 and noticed >= tried * (some and ENOUGH or 1)
  if some then print(("%s - %s"):format(good and "ok" or "not ok", score)) end
  print(("1..%d"):format(some and 1 or tried))
  if not some then print("# " .. score) end
  return good
end

local options, tests = parse(arg)
local mutants = select_mutants(options)
if #tests == 0 then
  print(("%d mutants"):format(#mutants))
elseif options.job then
  work(mutants, tests, options.job, options.jobs)
else
  local jobs = {}
  for job = 1, options.jobs do jobs[job] = start(job) end
  os.exit(report(jobs, options.some))
end

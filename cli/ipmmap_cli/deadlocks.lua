--- Finds threads that wait for each other: each holds the lock of a segment and waits for that of
-- another one, which the next thread holds.
local ipmmap = require "ipmmap"
local processes = require "ipmmap_cli.processes"
local segment = require "ipmmap_cli.segment"

local deadlocks = {}

-- Segments are not looked at in one moment. So threads that only pass by could look like a
-- deadlock, but not several times. NAP is in seconds.
local LOOKS <const>, NAP <const> = 3, 0.1

-- Whether a thread that waits cannot get the lock before another one leaves.
local function is_blocked_by(waiter, other)
  if other == waiter or not other.alive then return false end
  if other.waits then return other.next end
  return waiter.writes or other.writes
end

-- Adds who waits for whom on one segment to `waits`: by thread, a list of { thread, pid, path,
-- waits }. `waits`: that thread is itself the next to get the lock.
local function add_waits(waits, path, users)
  for _, waiter in ipairs(users) do
    for _, other in ipairs(waiter.waits and waiter.alive and users or {}) do
      if is_blocked_by(waiter, other) and waiter.tid ~= 0 and other.tid ~= 0 then
        waits[waiter.tid] = waits[waiter.tid] or {}
        table.insert(waits[waiter.tid],
          { thread = other.tid, pid = other.pid, path = path, waits = other.waits })
      end
    end
  end
end

local function look(readers)
  local waits = {}
  for _, one in ipairs(readers) do
    local ok, users = pcall(one.reader.users, one.reader)
    if ok then add_waits(waits, one.path, users) end
  end
  return waits
end

-- The cycle that leads from a thread back to itself: a list of { thread, pid, path, waits }, each
-- of which is waited for by the one before; or nil.
local function cycle_from(waits, start)
  local seen = {}
  local function walk(thread, steps)
    for _, step in ipairs(waits[thread] or {}) do
      steps[#steps + 1] = step
      if step.thread == start then return steps end
      if not seen[step.thread] then
        seen[step.thread] = true
        local found = walk(step.thread, steps)
        if found then return found end
      end
      steps[#steps] = nil
    end
  end
  return walk(start, {})
end

local function is_there(waits, thread, step)
  for _, other in ipairs(waits[thread] or {}) do
    if other.thread == step.thread and other.path == step.path then return true end
  end
  return false
end

-- Whether each step of a cycle is there in a later look.
local function still_stands(waits, cycle)
  local thread = cycle[#cycle].thread
  for _, step in ipairs(cycle) do
    if not is_there(waits, thread, step) then return false end
    thread = step.thread
  end
  return true
end

-- The cycles of a look, each once. A thread is in one of them at most.
local function cycles_of(waits)
  local threads, found, used = {}, {}, {}
  for thread in pairs(waits) do threads[#threads + 1] = thread end
  table.sort(threads)
  for _, thread in ipairs(threads) do
    local cycle = not used[thread] and cycle_from(waits, thread)
    if cycle then
      found[#found + 1] = cycle
      for _, step in ipairs(cycle) do used[step.thread] = true end
    end
  end
  return found
end

local function describe(cycle)
  local parts, last = {}, cycle[#cycle]
  for i, step in ipairs(cycle) do
    local waiter = i == 1 and processes.describe(last.pid) or tostring(cycle[i - 1].pid)
    local holder = i == #cycle and tostring(step.pid) or processes.describe(step.pid)
    parts[i] = ("%s waits for %s, which %s %s"):format(waiter, step.path, holder,
      step.waits and "is to get first" or "holds")
  end
  return ("deadlock: %s. End one of them (kill %d): its changes are rolled back, and the others "
    .. "go on"):format(table.concat(parts, "; "), last.pid)
end

--- The deadlocks between segments.
-- @param paths the data files
-- @param args the command line's `lock_dir` and `trust`
-- @return a list of { paths, text }; `paths` has the data files of the deadlock, in its order
function deadlocks.find(paths, args)
  local readers = {}
  for _, path in ipairs(paths) do
    local reader = segment.try_open("reader", path, args)
    if reader then readers[#readers + 1] = { reader = reader, path = path } end
  end
  local cycles = cycles_of(look(readers))
  for _ = 2, #cycles > 0 and LOOKS or 1 do
    ipmmap.sleep(NAP)
    local waits, standing = look(readers), {}
    for _, cycle in ipairs(cycles) do
      if still_stands(waits, cycle) then standing[#standing + 1] = cycle end
    end
    cycles = standing
  end
  for _, one in ipairs(readers) do one.reader:close() end
  local found = {}
  for i, cycle in ipairs(cycles) do
    local list = {}
    for j, step in ipairs(cycle) do list[j] = step.path end
    found[i] = { paths = list, text = describe(cycle) }
  end
  return found
end

return deadlocks

--- ipmmap stats: how many commits there are a second, and how long the write lock is held and
-- waited for. It looks at the lock's words again and again, which delays nobody. Only with --probe
-- it takes the lock itself.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local stop = require "ipmmap_cli.stop"
local uv = require "luv"

local NAP <const> = 0.0001 -- seconds between two looks at the lock
local LOOKS <const> = 100 -- after which it checks for signals
local PATIENCE <const> = 0.02 -- seconds of a wait for the lock, after which it checks for signals
local PERCENTILES <const> = { 50, 90, 99, 100 }

local function seconds_now() return uv.hrtime() / 1e9 end

-- What one look sees: the pid that holds the write lock, or 0; and how many processes wait.
local function look(reader)
  local holder, waiting = 0, 0
  for _, user in ipairs(reader:users()) do
    if user.waits then waiting = waiting + 1 elseif user.writes then holder = user.pid end
  end
  return holder, waiting
end

-- Looks at the lock until the time is over or the command is asked to stop.
-- @return { seconds, commits, looks, held and waiting (how many looks saw it, summed), gaps (the
-- seconds between looks), holdings (the seconds of those that were seen) }
local function sample(reader, duration)
  local seen = { looks = 0, held = 0, waiting = 0, gaps = {}, holdings = {} }
  local began, first = seconds_now(), reader:version()
  local last, now, holder, version, since = nil, began, 0, first, 0
  while now - began < duration and (seen.looks % LOOKS > 0 or not stop.is_asked()) do
    local before = reader:version()
    local pid, waiting = look(reader)
    now = seconds_now()
    if last then seen.gaps[#seen.gaps + 1] = now - last end
    if holder ~= 0 and (pid ~= holder or before ~= version) then
      -- It ended between the last look and this one, and began likewise between two looks.
      seen.holdings[#seen.holdings + 1] = (last + now) / 2 - since
      holder = 0
    end
    if pid ~= 0 and holder == 0 then since = last and (last + now) / 2 or now end
    holder, version, last = pid, before, now
    seen.looks, seen.waiting = seen.looks + 1, seen.waiting + waiting
    seen.held = seen.held + (pid ~= 0 and 1 or 0)
    ipmmap.sleep(NAP)
  end
  if holder ~= 0 then seen.holdings[#seen.holdings + 1] = now - since end -- so far
  seen.seconds, seen.commits = now - began, reader:version() - first
  return seen
end

-- The percentiles of a list of seconds. `unseen` further ones are shorter than all in the list; a
-- percentile among them is 0.
local function percentiles(list, unseen)
  table.sort(list)
  local found, all = {}, #list + unseen
  for i, percent in ipairs(PERCENTILES) do
    found[i] = list[math.ceil(all * percent / 100) - unseen] or 0
  end
  return found
end

-- Sleeps. Returns whether the command is asked to stop.
local function nap(seconds)
  local ending = seconds_now() + seconds
  repeat
    ipmmap.sleep(math.max(math.min(PATIENCE, ending - seconds_now()), 0))
  until stop.is_asked() or seconds_now() >= ending
  return stop.is_asked()
end

-- Takes the write lock and gives it back unchanged, at random moments.
-- @return the seconds that each took
local function probe(editor, times, pause)
  local waits = {}
  while #waits < times and not nap(math.random() * 2 * pause) do
    local began, view, message, code = seconds_now(), nil, nil, "timeout"
    while not view and code == "timeout" do
      view, message, code = editor:try_lock(PATIENCE)
      if not view and stop.is_asked() then return waits end
    end
    if not view then failure.raise(code, "%s", message) end
    waits[#waits + 1] = seconds_now() - began
    editor:rollback()
  end
  return waits
end

-- Seconds for people, such as "0.25 ms".
local function show(seconds)
  return seconds >= 1 and ("%.2f s"):format(seconds) or ("%.2f ms"):format(seconds * 1000)
end

-- @param least what cannot be told from 0
local function show_percentiles(list, least)
  local texts = {}
  for i, percent in ipairs(PERCENTILES) do
    local name = percent == 100 and "longest" or percent .. " %"
    texts[i] = ("%s %s"):format(name, list[i] > least and show(list[i]) or "< " .. show(least))
  end
  return table.concat(texts, ", ")
end

local function print_text(title, seen, found)
  output.print("%s: %.1f s", title, seen.seconds)
  output.print("commits          %.1f a second (%d)", seen.commits / seen.seconds, seen.commits)
  output.print("write lock held  %.1f %% of the time%s", found.held * 100,
    seen.commits > 0 and (", %s a commit on average"):format(show(found.held_mean)) or "")
  if #seen.holdings > 0 or seen.commits > 0 then
    output.print("  how long       %s", show_percentiles(found.holdings, found.gaps[1]))
  end
  output.print("waiting for it   %.2f processes on average%s", found.waiting,
    seen.commits > 0 and (", %s a commit"):format(show(found.waiting_mean)) or "")
  output.print("looked           every %s (99 %% %s, longest %s)", show(found.gaps[1]),
    show(found.gaps[3]), show(found.gaps[4]))
  if found.probes then
    output.print("probe            took the lock %s: %s", output.count(found.probed, "time"),
      show_percentiles(found.probes, 0.00001))
  end
end

local function percentiles_for_json(list)
  return { "p50", list[1] }, { "p90", list[2] }, { "p99", list[3] }, { "max", list[4] }
end

local function print_json(S, tag, seen, found)
  local has_commits = seen.commits > 0
  output.json(output.object {
    { "struct", S.name }, { "tag", tag }, { "seconds", seen.seconds }, { "commits", seen.commits },
    { "commits_per_second", seen.commits / seen.seconds },
    { "held", output.object { { "share", found.held },
      { "mean", has_commits and found.held_mean or nil }, percentiles_for_json(found.holdings) } },
    { "waiting", output.object { { "average", found.waiting },
      { "mean", has_commits and found.waiting_mean or nil } } },
    { "looks", output.object { { "count", seen.looks }, percentiles_for_json(found.gaps) } },
    { "probe", found.probes and output.object { { "times", found.probed },
      percentiles_for_json(found.probes) } or nil },
  })
end

return function(args)
  local reader <close>, S = segment.open("reader", args.file, args)
  local info = reader:info()
  if not info.lockable then
    failure.raise("permission", "%s: this process cannot look into the lock file", args.file)
  end
  local editor <close> = args.probe and segment.open("editor", args.file, args) or nil
  stop.notice()
  local seen = sample(reader, args.seconds)
  local found = {
    held = seen.held / seen.looks, waiting = seen.waiting / seen.looks,
    held_mean = seen.held / seen.looks * seen.seconds / seen.commits,
    waiting_mean = seen.waiting / seen.looks * seen.seconds / seen.commits,
    holdings = percentiles(seen.holdings, math.max(seen.commits - #seen.holdings, 0)),
    gaps = percentiles(seen.gaps, 0),
  }
  if editor then
    local waits = probe(editor, args.probe, args.seconds / args.probe)
    found.probes, found.probed = percentiles(waits, 0), #waits
  end
  if args.json then return print_json(S, info.tag, seen, found) end
  print_text(S.name .. (info.tag ~= "" and (" '%s'"):format(info.tag) or ""), seen, found)
end

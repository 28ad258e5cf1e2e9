--- ipmmap record: writes every commit with its time to a log.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local commits = require "ipmmap_cli.commits"
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local new_runs = require "ipmmap_cli.runs"
local output = require "ipmmap_cli.output"
local parts = require "ipmmap_cli.parts"
local segment = require "ipmmap_cli.segment"
local stop = require "ipmmap_cli.stop"

local function create(path)
  if files.status(path) then failure.raise("usage", "%s is there already", path) end
  local file, message = io.open(path, "wb")
  if not file then
    failure.raise(message:find("No such file", 1, true) and "not_found" or "permission",
      "cannot write %s", message)
  end
  return file
end

local function check(ok, message)
  if not ok then failure.raise("no_space", "cannot write the log: %s", message) end
end

local function write(file, bytes, sum)
  check(file:write(bytes))
  return sum
end

-- Records until the command is asked to stop. Counts in `done`, which is right also if an error
-- ends the recording. The state at the start does not count as a commit.
local function record(reader, S, file, args, done, sum)
  local started = ipmmap.now()
  local feed <close>, first, at = commits.open(reader)
  local start, runs = new_runs(S, args.paths, feed, first)
  sum = write(file, log.frame(started, at, start, sum))
  local function look()
    check(file:flush())
    return stop.is_asked() or ipmmap.now() - started >= (args.seconds or math.huge)
  end
  for whole, version, missed in commits.each(feed, look) do
    local changed, time = runs(whole), feed:time()
    if changed then
      sum = write(file, log.frame(time > 0 and time or ipmmap.now(), version, changed, sum))
      done.commits = done.commits + 1
    end
    done.missed = done.missed + missed
    if done.commits >= (args.commits or math.huge) then break end
  end
end

local function report(args, done, ring)
  if args.json then
    return output.json(output.object {
      { "log", args.output }, { "commits", done.commits }, { "missed", done.missed },
      { "bytes", files.status(args.output).size },
    })
  end
  output.say("%s recorded in %s (%s)", output.count(done.commits, "commit"), args.output,
    output.bytes(files.status(args.output).size))
  if done.missed > 0 then
    output.say("%d more were missed: %s", done.missed, ring == 0
      and "the segment has no ring, which its manager makes with the option feed"
      or ("the segment's ring of %s was too small"):format(output.bytes(ring)))
  end
end

return function(args)
  local reader <close>, S = segment.open("reader", args.file, args)
  if S.size > log.MAX_SIZE then
    failure.raise("usage", "%s has %d bytes: record takes structs of at most %d", S.name, S.size,
      log.MAX_SIZE)
  end
  parts.of(S, args.paths)
  local file <close> = create(args.output)
  local done = { commits = 0, missed = 0 }
  stop.notice()
  local info = reader:info()
  local sum = write(file, log.header(tostring(S), info.tag, args.paths))
  if output.is_terminal(2) then output.say("recording %s; Ctrl-C ends it", args.file) end
  local ok, problem = pcall(record, reader, S, file, args, done, sum)
  check(file:flush())
  report(args, done, info.feed)
  if not ok then error(problem, 0) end
end

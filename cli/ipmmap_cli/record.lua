--- ipmmap record: writes every commit with its time to a log.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local follow = require "ipmmap_cli.follow"
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local new_leaves = require "ipmmap_cli.leaves"
local new_tracker = require "ipmmap_cli.tracker"
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

-- Reads each bool and text and assigns it again, so that its bytes become canonical.
local function tidy(view, type)
  local is_struct = type.kind == "struct"
  for i = 1, is_struct and #type.fields or type.count do
    local key = is_struct and type.fields[i].name or i
    local part = is_struct and type.fields[i].type or type.element
    if part.kind == "bool" or part.kind == "char" then
      view[key] = view[key]
    elseif part.kind == "struct" or part.kind == "array" then
      tidy(view[key], part)
    end
  end
end

-- The canonical bytes of a state: those that the library would store for these values. A host in C
-- may leave bytes after a text's NUL, or a true that is not 1. These bytes mean nothing, and replay
-- refuses them.
local function tidy_bytes(value, type)
  local bytes = ipmmap.bytes(value)
  if pcall(ipmmap.setbytes, value, bytes) then return bytes end
  tidy(value, type)
  return ipmmap.bytes(value)
end

-- How string.pack writes scalars, except texts and bools.
local FORMATS <const> = {
  int8 = "i1", int16 = "i2", int32 = "i4", int64 = "i8", uint8 = "I1", uint16 = "I2",
  uint32 = "I4", uint64 = "i8", float = "f", double = "d",
}

-- The canonical bytes of a scalar.
local function bytes_of(type, data)
  if type.kind == "char" then return data .. ("\0"):rep(type.size - #data) end
  if type.kind == "bool" then return data and "\1" or "\0" end
  return string.pack(FORMATS[type.kind], data)
end

-- The runs of scalars, which an iterator of offset, type and data returns in the order of memory.
-- Scalars that follow each other without a gap are one run.
local function runs_of(next_scalar)
  local runs, texts, start, ending = {}, {}, 0, 0
  local function flush()
    if #texts > 0 then runs[#runs + 1] = { start, table.concat(texts) } end
  end
  for offset, type, data in next_scalar do
    if offset ~= ending then
      flush()
      texts, start = {}, offset
    end
    texts[#texts + 1] = bytes_of(type, data)
    ending = offset + type.size
  end
  flush()
  return runs
end

-- For a recording of everything: the runs of a first state, and a function that returns those of
-- the feed's present commit.
local function record_all(S, feed, first)
  local leaf_at = new_leaves(S)
  local bytes = tidy_bytes(S:new(first), S:type())
  return log.difference(("\0"):rep(#bytes), bytes), function()
    local next_change = feed:changes()
    return runs_of(function()
      local path, data = next_change()
      if not path then return nil end
      local leaf = leaf_at(path)
      return leaf.offset, leaf.type, data
    end)
  end
end

-- The same for a recording of some parts. The function returns nil if the commit left them as they
-- were.
local function record_parts(S, paths, first)
  local scalars = parts.scalars(S, paths)
  for _, scalar in ipairs(scalars) do scalar.offset = S:offsetof(scalar.path) end
  table.sort(scalars, function(a, b) return a.offset < b.offset end)
  local track = new_tracker(scalars)
  local function runs(whole)
    local changed, at = track(whole), 0
    if #changed == 0 then return nil end
    return runs_of(function()
      at = at + 1
      local change = changed[at]
      if change then return scalars[change.number].offset, change.type, change.data end
    end)
  end
  return runs(first), runs
end

-- Records until the command is asked to stop. Counts in `done`, which is right also if an error
-- ends the recording. The state at the start does not count as a commit.
local function record(reader, S, file, args, done, sum)
  local started = ipmmap.now()
  local feed <close>, first, at = follow.open(reader)
  local start, runs
  if #args.paths > 0 then
    start, runs = record_parts(S, args.paths, first)
  else
    start, runs = record_all(S, feed, first)
  end
  sum = write(file, log.frame(started, at, start, sum))
  local function look()
    check(file:flush())
    return stop.is_asked() or ipmmap.now() - started >= (args.seconds or math.huge)
  end
  for whole, version, missed in follow.commits(feed, look) do
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

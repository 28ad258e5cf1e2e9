--- ipmmap record: writes every commit with its time to a log.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local stop = require "ipmmap_cli.stop"

local SLICE <const> = 0.1 -- seconds of a wait, after which signals are checked

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

-- Records until the command is asked to stop. Counts in `done`, which is right also if an error
-- ends the recording. The state at the start does not count as a commit.
local function record(reader, type, file, args, done, sum)
  local started = ipmmap.now()
  local value, version = reader:versioned_snapshot()
  local bytes = tidy_bytes(value, type)
  sum = write(file, log.frame(started, version, ("\0"):rep(#bytes), bytes, sum))
  local function is_over()
    return stop.is_asked() or done.commits >= (args.commits or math.huge)
      or ipmmap.now() - started >= (args.seconds or math.huge)
  end
  while not is_over() do
    local now, message, code = reader:wait(version, SLICE)
    if now then
      local last, old = version, bytes
      version = select(2, reader:versioned_snapshot(value))
      bytes = tidy_bytes(value, type)
      sum = write(file, log.frame(ipmmap.now(), version, old, bytes, sum))
      done.commits, done.missed = done.commits + 1, done.missed + version - last - 1
    elseif code == "timeout" then
      check(file:flush())
    else
      failure.raise(code, "%s", message)
    end
  end
end

local function report(args, done)
  if args.json then
    return output.json(output.object {
      { "log", args.output }, { "commits", done.commits }, { "missed", done.missed },
      { "bytes", files.status(args.output).size },
    })
  end
  output.say("%s recorded in %s (%s)", output.count(done.commits, "commit"), args.output,
    output.bytes(files.status(args.output).size))
  if done.missed > 0 then
    output.say("%d more were missed: they went by faster than the segment can be copied",
      done.missed)
  end
end

return function(args)
  local reader <close>, S = segment.open("reader", args.file, args)
  if S.size > log.MAX_SIZE then
    failure.raise("usage", "%s has %d bytes: record takes structs of at most %d", S.name, S.size,
      log.MAX_SIZE)
  end
  local file <close> = create(args.output)
  local done = { commits = 0, missed = 0 }
  stop.notice()
  local sum = write(file, log.header(tostring(S), reader:info().tag))
  if output.is_terminal(2) then output.say("recording %s; Ctrl-C ends it", args.file) end
  local ok, problem = pcall(record, reader, S:type(), file, args, done, sum)
  check(file:flush())
  report(args, done)
  if not ok then error(problem, 0) end
end

--- ipmmap replay: writes a log back to a segment, at the speed of the recording or another one.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local stop = require "ipmmap_cli.stop"

local HEADER_BYTES <const> = 16
local LONG <const> = 2 -- seconds; a longer replay shows a progress bar
local SLICE <const> = 0.1 -- seconds of a sleep, after which signals are checked
local BAR <const> = 30

local function damaged(path, what)
  failure.raise("corrupt", "%s is damaged: %s; nothing was replayed", path, what)
end

local function open_log(path)
  local file, message = io.open(path, "rb")
  if not file then
    failure.raise(message:find("No such file", 1, true) and "not_found" or "permission",
      "cannot read %s", message)
  end
  local reader = log.reader(file)
  if not reader then
    failure.raise("usage", "%s cannot be read twice: save what comes from the pipe in a file", path)
  end
  local schema, tag = reader:header()
  if not schema then failure.raise("corrupt", "%s is not a log of ipmmap record", path) end
  local S, problem = ipmmap.parse(schema)
  if not S then damaged(path, "its schema: " .. problem) end
  if S.size > log.MAX_SIZE then damaged(path, ("a struct of %d bytes"):format(S.size)) end
  if not segment.is_tag(tag) then damaged(path, ("'%s' is no tag"):format(tag)) end
  return reader, S, tag
end

-- Checks the whole log before any of it is replayed, also that the struct can hold each state.
-- Returns the number of states, the first and last time, and whether the log is cut off.
local function survey(reader, S, path)
  local about, bytes, value = { states = 0 }, ("\0"):rep(S.size), S:new()
  while true do
    local at = reader.file:seek()
    local frame, why = reader:frame(S.size)
    if why == "damaged" then damaged(path, ("the frame at byte %d"):format(at)) end
    if not frame then
      about.is_cut = why == "cut"
      break
    end
    bytes = log.apply(frame, bytes)
    local ok, problem = pcall(ipmmap.setbytes, value, bytes)
    if not ok then damaged(path, ("the frame at byte %d: %s"):format(at, problem)) end
    about.states = about.states + 1
    about.first = about.first or frame.time
    about.last = frame.time
  end
  reader:rewind()
  return about
end

local function draw(done, about, frame)
  local part = done / about.states
  local filled = math.floor(part * BAR)
  io.stderr:write(("\r[%s%s] %3d%%  %.1f of %.1f s \27[K"):format(("#"):rep(filled),
    ("."):rep(BAR - filled), part * 100, frame.time - about.first, about.last - about.first))
end

local function put(manager, bytes, is_touched)
  local view <close> = manager:lock()
  ipmmap.setbytes(view, ipmmap.bytes(view.header) .. bytes:sub(HEADER_BYTES + 1))
  if is_touched then manager:touch() end
end

-- Sleeps until the time. Returns false if the command is asked to stop.
local function sleep_until(time)
  repeat
    if stop.is_asked() then return false end
    local left = time - ipmmap.now()
    if left > 0 then ipmmap.sleep(math.min(left, SLICE)) end
  until ipmmap.now() >= time
  return true
end

-- Replays the log. Returns the number of commits; the first state does not count as one.
local function replay(reader, manager, about, speed, path)
  local started, size = ipmmap.now(), manager:info().size
  local bytes = ("\0"):rep(size)
  local duration = (about.last - about.first) / speed
  local has_bar = duration >= LONG and output.is_terminal(2)
  local drawn, done = 0, 0
  for number = 1, about.states do
    local frame = reader:frame(size)
    if not frame then failure.raise("corrupt", "%s was changed while it was replayed", path) end
    if not sleep_until(started + (frame.time - about.first) / speed) then break end
    local header = bytes:sub(1, HEADER_BYTES)
    bytes = log.apply(frame, bytes)
    put(manager, bytes, bytes:sub(1, HEADER_BYTES) ~= header and number > 1)
    done = number
    if has_bar and (ipmmap.now() - drawn >= SLICE or number == about.states) then
      draw(number, about, frame)
      drawn = ipmmap.now()
    end
  end
  if has_bar then io.stderr:write("\n") end
  return math.max(0, done - 1)
end

-- Opens the segment. A forged log can have a struct or a tag that makes the library raise an error.
local function open_segment(S, options, path)
  local ok, manager, message, code = pcall(ipmmap.manager, S, options)
  if not ok and manager:find(": feed %d+ is too ") then
    failure.raise("usage", "--feed: %s", manager)
  elseif not ok then
    damaged(path, manager)
  end
  return failure.assert(manager, message, code)
end

return function(args)
  local log_reader, S, tag = open_log(args.log)
  local _ <close> = log_reader.file
  local about = survey(log_reader, S, args.log)
  if about.states == 0 then
    failure.raise("corrupt", "%s is cut off before the first state is whole", args.log)
  end
  local manager <close> = open_segment(S, {
    create = true, mmap_dir = args.dir, lock_dir = args.lock_dir, tag = args.tag or tag,
    trust = args.trust, feed = args.feed,
  }, args.log)
  stop.notice()
  if about.is_cut then
    output.say("%s is cut off: replaying the %s before the cut", args.log,
      output.count(about.states - 1, "commit"))
  end
  local done = replay(log_reader, manager, about, args.speed, args.log)
  local path = manager:info().path
  if args.json then
    output.json(output.object {
      { "path", path }, { "commits", done }, { "cut_off", about.is_cut },
    })
  else
    output.say("%s replayed into %s", output.count(done, "commit"), path)
  end
end

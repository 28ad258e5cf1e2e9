--- ipmmap replay: a log back into a segment, at the pace at which it was recorded or faster.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local output = require "ipmmap_cli.output"
local stop = require "ipmmap_cli.stop"

local HEADER_BYTES <const> = 16
local LONG <const> = 2 -- seconds, from which on there is a progress bar
local SLICE <const> = 0.1 -- seconds, after which a signal is noticed
local BAR <const> = 30

local function open_log(path)
  local file, message = io.open(path, "rb")
  if not file then
    failure.raise(message:find("No such file", 1, true) and "not_found" or "permission",
      "cannot read %s", message)
  end
  local schema, tag = log.read_header(file)
  if not schema then failure.raise("corrupt", "%s is not a log of ipmmap record", path) end
  local S, problem = ipmmap.parse(schema)
  if not S then failure.raise("corrupt", "%s: its schema is damaged: %s", path, problem) end
  return file, S, tag
end

-- What is in the log: the number of frames, the first and last time, whether it is cut off.
local function survey(file, S)
  local start, about = file:seek(), { frames = 0 }
  while true do
    local frame, is_cut = log.read_frame(file, S.size)
    if not frame then
      about.is_cut = is_cut
      break
    end
    about.frames = about.frames + 1
    about.first = about.first or frame.time
    about.last = frame.time
  end
  file:seek("set", start)
  return about
end

local function draw(done, about, frame)
  local part = done / about.frames
  local filled = math.floor(part * BAR)
  io.stderr:write(("\r[%s%s] %3d%%  %.1f of %.1f s \27[K"):format(("#"):rep(filled),
    ("."):rep(BAR - filled), part * 100, frame.time - about.first, about.last - about.first))
end

local function put(manager, bytes, is_touched)
  local view <close> = manager:lock()
  ipmmap.setbytes(view, ipmmap.bytes(view.header) .. bytes:sub(HEADER_BYTES + 1))
  if is_touched then manager:touch() end
end

-- Sleep until the time; false if asked to stop.
local function sleep_until(time)
  repeat
    if stop.is_asked() then return false end
    local left = time - ipmmap.now()
    if left > 0 then ipmmap.sleep(math.min(left, SLICE)) end
  until ipmmap.now() >= time
  return true
end

local function replay(file, manager, about, speed)
  local started, size = ipmmap.now(), manager:info().size
  local bytes = ("\0"):rep(size)
  local duration = (about.last - about.first) / speed
  local has_bar = duration >= LONG and output.is_terminal(2)
  local drawn, done = 0, 0
  for number = 1, about.frames do
    local frame = log.read_frame(file, size)
    if not frame or not sleep_until(started + (frame.time - about.first) / speed) then break end
    local header = bytes:sub(1, HEADER_BYTES)
    bytes = log.apply(frame, bytes)
    put(manager, bytes, bytes:sub(1, HEADER_BYTES) ~= header and number > 1)
    done = number
    if has_bar and (ipmmap.now() - drawn >= SLICE or number == about.frames) then
      draw(number, about, frame)
      drawn = ipmmap.now()
    end
  end
  if has_bar then io.stderr:write("\n") end
  return done
end

return function(args)
  local opened, S, tag = open_log(args.log)
  local file <close> = opened
  local about = survey(file, S)
  if about.frames == 0 then failure.raise("corrupt", "%s holds no whole commit", args.log) end
  local manager <close> = failure.assert(failure.of_user(ipmmap.manager, S, {
    create = true, mmap_dir = args.dir, lock_dir = args.lock_dir, tag = args.tag or tag,
  }))
  stop.notice()
  if about.is_cut then
    output.say("%s is cut off: replaying the %d commits before the cut", args.log, about.frames)
  end
  local done = replay(file, manager, about, args.speed)
  local path = manager:info().path
  if args.json then
    output.json(output.object {
      { "path", path }, { "commits", done }, { "cut_off", about.is_cut },
    })
  else
    output.say("%d commits replayed into %s", done, path)
  end
end

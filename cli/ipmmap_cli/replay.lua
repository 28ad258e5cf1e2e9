--- ipmmap replay: writes a log back to a segment, at the speed of the recording or another one.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local parts = require "ipmmap_cli.parts"
local recording = require "ipmmap_cli.recording"
local stop = require "ipmmap_cli.stop"

local HEADER_BYTES <const> = 16
local LONG <const> = 2 -- seconds; a longer replay shows a progress bar
local SLICE <const> = 0.03 -- seconds of a sleep, after which signals are checked
local FRAME <const> = 0.1 -- seconds between two states of the progress bar
local BAR <const> = 30

-- The parts of the log that are replayed; none: everything.
local function chosen_parts(opened)
  local chosen = {}
  for _, part in ipairs(parts.of(opened.S, opened.paths)) do
    if part.keys[1] ~= "header" then chosen[#chosen + 1] = part end
  end
  return chosen
end

-- Stores a part of a state. What the state does not have stays as it is, except that a recorded
-- optional part is cleared.
local function put_part(whole, part, data)
  local keys = part.keys
  local key = keys[#keys]
  if data ~= nil then
    local container = parts.reach(whole, keys)
    if math.type(key) then -- elements before it, which neither the list nor the log has
      for index = #container + 1, key - 1 do container[index] = data end
    end
    container[key] = data
  elseif part.type.kind == "optional" then
    local container = parts.read(whole, keys, #keys - 1)
    if container ~= nil then container[key] = nil end
  end
end

-- A function that raises an error if the segment cannot have a state, because of its limits. The
-- segment's struct may differ from the log's in its attributes. If it does not, a log of everything
-- has only what such a segment had.
local function new_check(opened, path)
  local T = ipmmap.describe(path) or opened.S
  local value, chosen = T:new(), chosen_parts(opened)
  return function(state, bytes)
    for _, part in ipairs(chosen) do
      put_part(value, part, parts.read(state, part.keys))
    end
    if #opened.paths == 0 and tostring(T) ~= tostring(opened.S) then
      ipmmap.setbytes(value, bytes)
      local ok, problem = ipmmap.check(value)
      if not ok then error(problem, 0) end
    end
  end
end

-- Checks the whole log before any of it is replayed, also that the struct can hold each state.
-- Returns the number of states, the first and last time, and whether the log is cut off.
local function survey(opened, path)
  local about, check = { states = 0, is_cut = false }, new_check(opened, path)
  for state, frame, bytes in recording.states(opened, function() about.is_cut = true end) do
    local ok, problem = pcall(failure.of_user, check, state, bytes)
    if not ok then
      failure.raise("usage", "%s does not fit %s: %s; nothing was replayed", opened.path, path,
        problem.message or problem)
    end
    about.states = about.states + 1
    about.first = about.first or frame.time
    about.last = frame.time
  end
  opened.reader:rewind()
  return about
end

local function draw(done, about, frame)
  local part = done / about.states
  local filled = math.floor(part * BAR)
  io.stderr:write(("\r[%s%s] %3d%%  %.1f of %.1f s \27[K"):format(("#"):rep(filled),
    ("."):rep(BAR - filled), part * 100, frame.time - about.first, about.last - about.first))
end

-- Waits for the lock. Returns nil if the command is asked to stop.
local function lock(manager)
  while not stop.is_asked() do
    local view, message, code = manager:try_lock(SLICE)
    if view then return view end
    if code ~= "timeout" then failure.raise(code, "%s", message) end
  end
end

-- A function that stores a state in the segment, with one commit. Of a log of some parts, it stores
-- those only. The header's code stays; its time is that of the commit. The function returns false
-- if the command is asked to stop before it has the lock.
local function new_put(opened, manager)
  local chosen = chosen_parts(opened)
  return function(state, bytes, is_touched)
    local view <close> = lock(manager)
    if not view then return false end
    if #opened.paths == 0 then
      ipmmap.setbytes(view, ipmmap.bytes(view.header) .. bytes:sub(HEADER_BYTES + 1))
    end
    for _, part in ipairs(chosen) do
      failure.of_user(put_part, view, part, parts.read(state, part.keys))
    end
    if is_touched then manager:touch() end
    return true
  end
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
local function replay(opened, manager, about, speed)
  local started, put = ipmmap.now(), new_put(opened, manager)
  local duration = (about.last - about.first) / speed
  local has_bar = duration >= LONG and output.is_terminal(2)
  local drawn, number, header = 0, 0, ("\0"):rep(HEADER_BYTES)
  opened.consequence = "it was changed while it was replayed"
  for state, frame, bytes in recording.states(opened, function() end) do
    if not sleep_until(started + (frame.time - about.first) / speed) then break end
    if not put(state, bytes, bytes:sub(1, HEADER_BYTES) ~= header and number > 0) then break end
    header, number = bytes:sub(1, HEADER_BYTES), number + 1
    if has_bar and (ipmmap.now() - drawn >= FRAME or number == about.states) then
      draw(number, about, frame)
      drawn = ipmmap.now()
    end
    if number == about.states then break end -- a recording may go on
  end
  if has_bar then io.stderr:write("\n") end
  return math.max(0, number - 1)
end

-- Opens the segment. A forged log can have a struct or a tag that makes the library raise an error.
local function open_segment(opened, options)
  local ok, manager, message, code = pcall(ipmmap.manager, opened.S, options)
  if not ok and manager:find(": feed %d+ is too ") then
    failure.raise("usage", "--feed: %s", manager)
  elseif not ok then
    recording.damaged(opened, "%s", manager)
  end
  return failure.assert(manager, message, code)
end

return function(args)
  local opened = recording.open(args.log, "nothing was replayed")
  local _ <close> = opened.file
  local options = {
    create = true, mmap_dir = args.dir, lock_dir = args.lock_dir, tag = args.tag or opened.tag,
    trust = args.trust, feed = args.feed,
  }
  local path = ("%s/%s_%s.mmap"):format(args.dir, opened.S.name, options.tag)
  -- A segment that is there is opened first, because its limits count. A damaged log makes none.
  local manager = files.status(path) and open_segment(opened, options)
  local about = survey(opened, path)
  if about.states == 0 then
    failure.raise("corrupt", "%s is cut off before the first state is whole", args.log)
  end
  manager = manager or open_segment(opened, options)
  local _ <close> = manager
  stop.notice()
  if about.is_cut then
    output.say("%s is cut off: replaying the %s before the cut", args.log,
      output.count(about.states - 1, "commit"))
  end
  local done = replay(opened, manager, about, args.speed)
  path = manager:info().path
  if args.json then
    output.json(output.object {
      { "path", path }, { "commits", done }, { "cut_off", about.is_cut },
      { "parts", output.array(opened.paths) },
    })
  else
    local what = #opened.paths > 0 and " of " .. table.concat(opened.paths, ", ") or ""
    output.say("%s%s replayed into %s", output.count(done, "commit"), what, path)
  end
end

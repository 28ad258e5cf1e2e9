--- ipmmap who: who holds the lock, since when, is it alive; who waits; and who holds bytes of the
-- lock file, by which a process keeps others from opening the segment.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local holders = require "ipmmap_cli.holders"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"

local LOOKS <const>, NAP <const> = 5, 0.05 -- seconds: who is just opening it is in by then

local function describe(user)
  local lock = user.writes and "write" or "read"
  if user.waits then return ("waits for the %s lock"):format(lock) end
  if user.alive then return ("holds the %s lock"):format(lock) end
  return ("died with the %s lock, which the next one gets"):format(lock)
end

local function is_in_the_way(list)
  for _, holder in ipairs(list) do
    if holder.is_in_the_way then return true end
  end
  return false
end

-- Who holds bytes of the lock file, and how many processes could not be looked into. Opening would
-- wait for some of them, so they are given a moment to let go.
local function look(path)
  for looks = 1, LOOKS do
    local list, closed = holders.of(path)
    if looks == LOOKS or not is_in_the_way(list) then return list, closed end
    ipmmap.sleep(NAP)
  end
end

-- Who uses the lock; nil, message, code where that cannot be told.
local function users_of(path, args)
  local reader <close>, message, code = segment.try_open("reader", path, args)
  if not reader then return nil, message, code end
  if not reader:info().lockable then
    local _, why, name = reader:try_lock(0)
    return nil, why, name
  end
  return reader:users()
end

local function command_of(pid) return pid and files.command_of(pid) or "?" end

local function print_json(users, held)
  local list = {}
  for i, holder in ipairs(held) do
    list[i] = output.object {
      { "pid", holder.pid }, { "command", command_of(holder.pid) }, { "does", holder.does },
    }
  end
  for _, user in ipairs(users) do
    list[#list + 1] = output.object {
      { "pid", user.pid }, { "command", command_of(user.pid) },
      { "lock", user.writes and "write" or "read" }, { "waits", user.waits },
      { "alive", user.alive }, { "since", user.since },
    }
  end
  output.json(output.array(list))
end

local function print_rows(users, held)
  local rows, now = {}, os.time()
  for i, holder in ipairs(held) do
    local pid = holder.pid and tostring(holder.pid) or "?"
    rows[i] = { pid, command_of(holder.pid), holder.does, "" }
  end
  for _, user in ipairs(users) do
    rows[#rows + 1] = {
      tostring(user.pid), user.alive and command_of(user.pid) or "-", describe(user),
      ("%s (%d s)"):format(output.time(user.since), math.max(0, now - user.since)),
    }
  end
  if #rows == 0 then return output.print("nobody holds the lock or waits for it") end
  output.columns({ "PID>", "COMMAND", "DOES", "SINCE" }, rows)
end

-- What else there is to say: why those who use the lock are not told; that some may be hidden.
local function report(held, closed, message, code)
  local is_hidden = code == "timeout"
  for _, holder in ipairs(held) do is_hidden = is_hidden or not holder.pid end
  if is_hidden and closed > 0 then
    output.say("%d other processes could not be looked into, of which one may hold it: ask as root",
      closed)
  end
  if message then failure.raise(code, "%s", message) end
end

return function(args)
  local S, options, why = segment.describe(args.file, args)
  if not S then failure.raise(why, "%s", options) end
  local held, closed = look(("%s/%s_%s.lock"):format(options.lock_dir, S.name, options.tag))
  local users, message, code
  if is_in_the_way(held) then
    message = args.file .. " cannot be opened while its lock file is held so: who holds the lock "
      .. "itself cannot be told"
    code = "timeout"
  else
    users, message, code = users_of(args.file, args)
  end
  if users or #held > 0 then (args.json and print_json or print_rows)(users or {}, held) end
  report(held, closed, message, code)
end

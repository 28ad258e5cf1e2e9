--- ipmmap who: lists the processes that hold the lock or wait for it, since when, and whether they
-- are alive; and the processes that hold bytes of the lock file, which can keep others from opening
-- the segment.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local holders = require "ipmmap_cli.holders"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"

-- A process that is just opening the segment has finished within these looks. NAP is in seconds.
local LOOKS <const>, NAP <const> = 5, 0.05

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

-- The locks on bytes of the lock file, and the number of processes whose descriptors cannot be
-- read. Some of these locks would make this process wait when it opens the segment. So it looks
-- again for a moment, until they are released.
local function look(path)
  for looks = 1, LOOKS do
    local list, closed = holders.of(path)
    if looks == LOOKS or not is_in_the_way(list) then return list, closed end
    ipmmap.sleep(NAP)
  end
end

-- The processes that hold the lock or wait for it; or nil, message, code if they cannot be listed.
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

-- Says on stderr that some holders may be hidden. Ends the command with an error if there is a
-- message, which says why the users of the lock cannot be listed.
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

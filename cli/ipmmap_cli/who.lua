--- ipmmap who: lists the threads that hold the lock or wait for it, since when, and whether they
-- are alive; the processes that have the segment open, and the one that committed last; and the
-- processes that hold bytes of the lock file, which can keep others from opening the segment.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local holders = require "ipmmap_cli.holders"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local processes = require "ipmmap_cli.processes"
local segment = require "ipmmap_cli.segment"
local shared = require "ipmmap_cli.shared"
local text = require "ipmmap_cli.text"

-- A process that is just opening the segment has finished within these looks. NAP is in seconds.
local LOOKS <const>, NAP <const> = 5, 0.05

local MOST_ATTACHED <const> = 160 -- as in src/ipmmap.h

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

-- What the two files tell: { users, attached, last_writer, last_commit, is_full, place }; or nil,
-- message, code if that cannot be told.
local function told_by(path, args)
  local reader <close>, message, code = segment.try_open("reader", path, args)
  if not reader then return nil, message, code end
  local info = reader:info()
  if not info.lockable then
    local _, why, name = reader:try_lock(0)
    return nil, why, name
  end
  local users, active = reader:users(), {}
  for _, user in ipairs(users) do active[user.pid] = true end
  local attached = {}
  for _, one in ipairs(processes.grouped(info.attached)) do
    if not active[one.pid] then attached[#attached + 1] = one end
  end
  return { users = users, attached = attached, last_writer = info.last_writer,
    last_commit = info.last_commit, is_full = #info.attached >= MOST_ATTACHED,
    place = info.share.place ~= "unshared" and shared.explain(info.share, path, args) or nil }
end

local function command_of(pid) return pid and files.command_of(pid) or "?" end

local function print_json(told, held)
  local list = {}
  for i, holder in ipairs(held) do
    list[i] = output.object {
      { "pid", holder.pid }, { "command", command_of(holder.pid) }, { "does", holder.does },
    }
  end
  for _, user in ipairs(told.users) do
    list[#list + 1] = output.object {
      { "pid", user.pid }, { "tid", user.tid }, { "command", command_of(user.pid) },
      { "lock", user.writes and "write" or "read" }, { "waits", user.waits },
      { "alive", user.alive }, { "since", user.since },
    }
  end
  for _, one in ipairs(told.attached) do
    list[#list + 1] = output.object {
      { "pid", one.pid }, { "command", command_of(one.pid) }, { "role", one.role },
      { "handles", one.handles }, { "alive", true }, { "since", one.since },
    }
  end
  local writer = told.last_writer
  if writer then
    list[#list + 1] = output.object {
      { "pid", writer.pid }, { "command", writer.alive and command_of(writer.pid) or nil },
      { "does", "committed last" }, { "alive", writer.alive }, { "since", told.last_commit },
    }
  end
  output.json(output.array(list))
end

local function since(seconds)
  return ("%s (%s)"):format(output.time(seconds), processes.age(seconds, os.time()))
end

local FATES <const> = {
  [true] = "committed last", [false] = "committed last, and is gone",
  unknown = "committed last, in another pid namespace",
}

-- The row of the last commit.
local function last_row(told)
  local writer = told.last_writer
  local alive = writer.alive
  if alive == nil then alive = "unknown" end
  return { tostring(writer.pid), alive == true and command_of(writer.pid) or "-", FATES[alive],
    since(told.last_commit) }
end

local ARTICLES <const> = { reader = "a reader", editor = "an editor", manager = "a manager" }

local function describe_handles(one)
  local times = one.handles > 1 and (", %d times"):format(one.handles) or ""
  return ("has it open as %s%s"):format(ARTICLES[one.role], times)
end

local function print_rows(told, held)
  local rows = {}
  for i, holder in ipairs(held) do
    local pid = holder.pid and tostring(holder.pid) or "?"
    rows[i] = { pid, command_of(holder.pid), holder.does, "" }
  end
  for _, user in ipairs(told.users) do
    rows[#rows + 1] = { tostring(user.pid), user.alive and command_of(user.pid) or "-",
      describe(user), since(user.since) }
  end
  if #rows == 0 then output.print("nobody holds the lock or waits for it") end
  for _, one in ipairs(told.attached) do
    rows[#rows + 1] = { tostring(one.pid), command_of(one.pid), describe_handles(one),
      since(one.since) }
  end
  if told.last_writer then rows[#rows + 1] = last_row(told) end
  if #rows > 0 then output.columns({ "PID>", "COMMAND", "DOES", "SINCE" }, rows) end
  if told.place then output.print("%s", text.visible(told.place)) end
  if told.is_full then
    output.print("more may have it open: at most %d handles are listed", MOST_ATTACHED)
  end
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
  local told, message, code
  if is_in_the_way(held) then
    message = args.file .. " cannot be opened while its lock file is held so: who holds the lock "
      .. "itself cannot be told"
    code = "timeout"
  else
    told, message, code = told_by(args.file, args)
  end
  if told or #held > 0 then
    (args.json and print_json or print_rows)(told or { users = {}, attached = {} }, held)
  end
  report(held, closed, message, code)
end

--- Finds in Linux's /proc which processes hold locks on bytes of a lock file. Any process that may
-- write to the file can lock these bytes without opening the segment, and so keep other processes
-- from opening it.
local files = require "ipmmap_cli.files"
local uv = require "luv"

local holders = {}

local USERS <const>, MANAGER <const>, DOOR <const> = 0, 1, 2 -- as in src/core/lockfile.c

-- Matches a line of /proc about a lock: kind, type, process, device and inode, first and last byte.
local LOCK <const> = "(%u+) +%u+ +(%u+) +%-?%d+ +(%x+:%x+:%d+) +(%d+) +(%w+)"

-- The lock in a line: { writes, file, first, last }. Nil if the line has no lock, or one that never
-- conflicts with this library's, or one that is only waited for.
local function parse(line)
  local kind, type, file, first, last = line:match(LOCK)
  if kind ~= "OFDLCK" and kind ~= "POSIX" or line:find("->", 1, true) then return nil end
  return { writes = type == "WRITE", file = file, first = math.tointeger(tonumber(first)),
    last = math.tointeger(tonumber(last)) or math.maxinteger }
end

-- Whether the lock covers the byte. A shared lock on the users' byte does not count, because every
-- process that uses the segment holds one.
local function has(lock, byte)
  return lock.first <= byte and byte <= lock.last and (byte ~= USERS or lock.writes)
end

local function is_ordinary(lock)
  return not lock.writes and lock.first == USERS and lock.last == USERS
end

local MEANINGS <const> = {
  { USERS, "initialises it" }, { MANAGER, "manages it" }, { DOOR, "is opening it" },
}

-- What a process that holds this lock is doing, as text.
local function describe(lock)
  local list = {}
  for _, meaning in ipairs(MEANINGS) do
    if has(lock, meaning[1]) then list[#list + 1] = meaning[2] end
  end
  return #list > 0 and table.concat(list, ", ") or "holds other bytes of it"
end

local function is_same_file(a, b) return a and b and a.dev == b.dev and a.ino == b.ino end

local function read_locks(path)
  local file <close> = io.open(path)
  local text = file and file:read("a")
  if not text then return nil end
  local locks = {}
  for line in text:gmatch("[^\n]+") do
    local lock = parse(line)
    if lock then locks[#locks + 1] = lock end
  end
  return locks
end

-- The names in a directory of /proc, and whether the directory could be read. It cannot be read if
-- its process has ended, or if this process has no permission.
local function names_in(dir)
  local scan = uv.fs_scandir(dir)
  local names = {}
  for name in function() return scan and uv.fs_scandir_next(scan) end do
    names[#names + 1] = name
  end
  return names, scan ~= nil
end

-- Adds the locks on the file that a process holds through its descriptors.
-- @return false if the process lives but its descriptors cannot be read
local function add_locks(found, pid, status)
  local descriptors, is_open = names_in(("/proc/%d/fdinfo"):format(pid))
  for _, fd in ipairs(descriptors) do
    local locks = read_locks(("/proc/%d/fdinfo/%s"):format(pid, fd)) or {}
    if #locks > 0 and is_same_file(uv.fs_stat(("/proc/%d/fd/%s"):format(pid, fd)), status) then
      for _, lock in ipairs(locks) do
        lock.pid = pid
        found[#found + 1] = lock
      end
    end
  end
  return is_open or not files.is_alive(pid)
end

local function is_same_lock(a, b)
  return a.writes == b.writes and a.first == b.first and a.last == b.last
end

-- Adds the locks on the file whose holder was not found. Such a holder is a process whose
-- descriptors cannot be read, or one that has mapped the file and closed its descriptor.
local function add_unseen(found, status)
  local device = status.dev
  local file = ("%02x:%02x:%d"):format(device >> 8 & 0xfff | device >> 32 & ~0xfff,
    device & 0xff | device >> 12 & 0xffffff00, status.ino)
  local seen = table.move(found, 1, #found, 1, {})
  for _, lock in ipairs(read_locks("/proc/locks") or {}) do
    if lock.file == file then
      local at
      for i, known in ipairs(seen) do at = at or is_same_lock(known, lock) and i end
      if at then table.remove(seen, at) else found[#found + 1] = lock end
    end
  end
end

--- The locks on bytes of the file, except the shared lock that every user of the segment holds.
-- @return a list of { pid (nil: not known), does, is_in_the_way }
-- @return the number of processes whose descriptors cannot be read
function holders.of(path)
  local status = uv.fs_stat(path)
  if not status then return {}, 0 end
  local found, closed = {}, 0
  for _, name in ipairs((names_in("/proc"))) do
    local pid = math.tointeger(tonumber(name:match("^%d+$")))
    if pid and not add_locks(found, pid, status) then closed = closed + 1 end
  end
  add_unseen(found, status)
  local list = {}
  for _, lock in ipairs(found) do
    if not is_ordinary(lock) then
      list[#list + 1] = { pid = lock.pid, does = describe(lock),
        is_in_the_way = has(lock, USERS) or has(lock, DOOR) }
    end
  end
  return list, closed
end

return holders

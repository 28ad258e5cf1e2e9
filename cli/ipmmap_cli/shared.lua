--- What is known on this machine about segments that several machines have.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local ipmmap = require "ipmmap"
local segment = require "ipmmap_cli.segment"
local status = require "ipmmap_share.status"

local shared = {}

-- Whether the process that writes a status lives; nil if that cannot be told.
local function is_alive(reader, pid)
  local info = reader:info()
  if not info.lockable then return files.is_alive(pid) end
  for _, one in ipairs(info.attached) do
    if one.role == "manager" and one.pid == pid then return true end
  end
  return false
end

-- Whether a segment has the file of a home whose lease has ended.
local function has_lapsed(path, args)
  local reader <close> = segment.try_open("reader", path, args)
  return reader ~= nil and shared.is_over(reader:share())
end

-- Reads a status: its fields, `name` and `path` of the segment, `alive` and `lease_over`; or
-- `problem` if it cannot be read.
local function read(dir, name, args)
  local row = { name = name, path = ("%s/%s.mmap"):format(dir, name) }
  local reader <close>, message = segment.try_open("reader", status.path(dir, name), args)
  if not reader then
    row.problem = failure.reword(message)
    return row
  end
  local value = ipmmap.totable(reader:snapshot())
  value.header = nil
  for key, part in pairs(value) do row[key] = part end
  row.alive = is_alive(reader, row.pid)
  row.lease_over = row.role == "home" and has_lapsed(row.path, args)
  return row
end

--- The state of a segment that is shared.
-- @param path of its data file, or of its status
-- @return a table with the fields of ShareStatus, `name`, `path`, `alive` and `lease_over`: whether
-- this is a home whose lease has ended; or with `problem` if the status cannot be read; nil if
-- there is no status
function shared.of(path, args)
  local dir, file = segment.split(path)
  local name = status.name_of(file) or file:match("^(.*)%.mmap$")
  if not name or not files.stat(status.path(dir, name)) then return nil end
  return read(dir, name, args)
end

--- The states of all segments in a directory that have one.
function shared.in_directory(dir, args)
  local rows = {}
  for _, path in ipairs(files.in_directory(dir, "%.mmap$")) do
    local _, file = segment.split(path)
    local name = status.name_of(file)
    if name then rows[#rows + 1] = read((dir:gsub("(.)/+$", "%1")), name, args) end
  end
  return rows
end

--- Where a segment may be written, for people; nil if it is a segment of this machine alone.
-- @param share as `handle:share()` returns it
function shared.describe(share)
  if share.place == "unshared" then return nil end
  if share.place == "replica" then return "replica" end
  return shared.is_over(share) and "home, lease over" or "home"
end

--- Whether the lease of this machine, which is the home, has ended.
function shared.is_over(share)
  return share.place == "home" and (share.deadline or 0) <= ipmmap.boottime()
end

--- The same in a sentence, and whether the segment is used as it should be.
-- @param path of the data file
function shared.explain(share, path, args)
  local row = shared.of(path, args)
  local is_served = row and row.alive and row.role ~= "stopped" and row.role ~= "failed"
  if share.place == "replica" then
    if not is_served then return "it is a replica, and no ipmmap follow runs for it", false end
    return row.home == "" and "it is a replica" or "it is a replica; its home is " .. row.home, true
  elseif shared.is_over(share) then
    return "this machine was its home, and its lease has ended: editors are refused until ipmmap "
      .. "share runs again, or ipmmap share --end", false
  end
  return is_served and "this machine is its home"
    or "this machine is its home, and no ipmmap share runs for it", is_served
end

return shared

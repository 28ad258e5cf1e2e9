--- ipmmap ls: lists the segments in a directory.
local failure = require "ipmmap_cli.failure"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local files = require "ipmmap_cli.files"
local processes = require "ipmmap_cli.processes"
local shared = require "ipmmap_cli.shared"
local ipmmap = require "ipmmap"

-- The health of a segment that could be opened: "ok", or what is wrong with it, or that several
-- machines have it.
local function health(info)
  if not info.lockable then return "no locks" end
  if info.pending then return "to be recovered" end
  return shared.describe(info.share) or "ok"
end

local function fill(row, reader)
  local info = reader:info()
  row.tag, row.version, row.touched = info.tag, info.version, reader:last_update()
  row.feed, row.share = info.feed, info.share.place
  row.writer = info.writer_pid ~= 0 and info.writer_pid or nil
  row.readers, row.recoveries, row.health = info.readers, info.recoveries, health(info)
  row.last_commit, row.last_writer = info.last_commit, info.last_writer
  row.attached = info.lockable and processes.grouped(info.attached) or nil
end

local function examine(path, args)
  local S, message, code = ipmmap.describe(path)
  local reader, found = nil, S
  if S then
    reader, message, code = segment.try_open("reader", path, args)
    found = reader and message or S
  end
  local row = { path = path, name = found and found.name, size = found and found.size }
  if not reader then
    row.health = code
    row.problem = failure.reword(message)
    return row
  end
  local _ <close> = reader
  local ok, replaced = pcall(fill, row, reader)
  if not ok then row.health, row.problem = replaced.code, replaced.message end
  return row
end

-- The process that committed last, such as "123", "123 gone", or "123 ?" if that cannot be told.
local function describe_writer(writer)
  if not writer then return "-" end
  return writer.pid .. (writer.alive and "" or writer.alive == false and " gone" or " ?")
end

-- Who holds the lock: "w 123" the writer, "r 2" so many readers.
local function describe_lock(row)
  if not row.readers then return "?" end
  if row.writer then return "w " .. row.writer end
  return row.readers > 0 and "r " .. row.readers or "-"
end

-- How many processes have it open, "?" if that cannot be told.
local function count_open(row)
  if not row.attached then return "?" end
  local seen, count = {}, 0
  for _, one in ipairs(row.attached) do
    if not seen[one.pid] then seen[one.pid], count = true, count + 1 end
  end
  return tostring(count)
end

local function print_rows(rows)
  local lines, now = {}, os.time()
  for i, row in ipairs(rows) do
    local _, file = segment.split(row.path)
    lines[i] = {
      row.tag and row.name or file, row.tag or "", row.size and output.bytes(row.size) or "?",
      row.version and tostring(row.version) or "?",
      row.last_commit and processes.age(row.last_commit, now) or "-",
      describe_writer(row.last_writer), describe_lock(row), count_open(row),
      (row.health:gsub("_", " ")),
    }
  end
  output.columns({ "NAME", "TAG", "SIZE>", "VERSION>", "COMMIT>", "BY", "LOCK", "OPEN>", "HEALTH" },
    lines)
end

local KEYS <const> = { "path", "name", "tag", "size", "feed", "share", "version", "touched",
  "last_commit", "last_writer", "writer", "readers", "attached", "recoveries", "health", "problem" }

local function writer_object(writer)
  return writer and output.object {
    { "pid", writer.pid }, { "start", writer.start }, { "alive", writer.alive },
    { "command", writer.alive and files.command_of(writer.pid) or nil },
  }
end

local function attached_array(attached)
  if not attached then return nil end
  local list = {}
  for i, one in ipairs(attached) do
    list[i] = output.object {
      { "pid", one.pid }, { "command", files.command_of(one.pid) }, { "role", one.role },
      { "handles", one.handles }, { "since", one.since },
    }
  end
  return output.array(list)
end

local function print_json(rows)
  local list = {}
  for i, row in ipairs(rows) do
    local object = {}
    row.last_writer, row.attached = writer_object(row.last_writer), attached_array(row.attached)
    for _, key in ipairs(KEYS) do object[#object + 1] = { key, row[key] } end
    list[i] = output.object(object)
  end
  output.json(output.array(list))
end

return function(args)
  local rows = {}
  for _, path in ipairs(files.in_directory(args.dir, "%.mmap$")) do
    local row = examine(path, args)
    if row.health ~= "not_found" then rows[#rows + 1] = row end -- else it was just destroyed
  end
  if args.json then
    print_json(rows)
  elseif #rows == 0 then
    output.say("no segments in %s", args.dir)
  else
    print_rows(rows)
  end
end

--- ipmmap ls: lists the segments in a directory.
local failure = require "ipmmap_cli.failure"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local files = require "ipmmap_cli.files"
local ipmmap = require "ipmmap"

-- The health of a segment that could be opened: "ok", or what is wrong with it.
local function health(info)
  if not info.lockable then return "no locks" end
  if info.pending then return "to be recovered" end
  return "ok"
end

local function fill(row, reader)
  local info = reader:info()
  row.tag, row.version, row.touched = info.tag, info.version, reader:last_update()
  row.feed = info.feed
  row.writer = info.writer_pid ~= 0 and info.writer_pid or nil
  row.readers, row.recoveries, row.health = info.readers, info.recoveries, health(info)
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

local function print_rows(rows)
  local lines = {}
  for i, row in ipairs(rows) do
    local _, file = segment.split(row.path)
    lines[i] = {
      row.tag and row.name or file, row.tag or "", row.size and output.bytes(row.size) or "?",
      row.version and tostring(row.version) or "?",
      row.touched and output.time(row.touched) or "?",
      row.writer and tostring(row.writer) or "-", row.readers and tostring(row.readers) or "?",
      (row.health:gsub("_", " ")),
    }
  end
  output.columns({ "NAME", "TAG", "SIZE>", "VERSION>", "TOUCHED", "WRITER>", "READERS>", "HEALTH" },
    lines)
end

local KEYS <const> = { "path", "name", "tag", "size", "feed", "version", "touched", "writer",
  "readers", "recoveries", "health", "problem" }

local function print_json(rows)
  local list = {}
  for i, row in ipairs(rows) do
    local object = {}
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

--- ipmmap export: prints a row for each commit of a log or of a segment, as CSV or JSON Lines.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local json = require "ipmmap_cli.json"
local output = require "ipmmap_cli.output"
local recording = require "ipmmap_cli.recording"
local rows = require "ipmmap_cli.rows"
local segment = require "ipmmap_cli.segment"
local stop = require "ipmmap_cli.stop"
local text = require "ipmmap_cli.text"
local value = require "ipmmap_cli.value"

local BATCH <const> = 256 -- the rows of a log that are written at once

-- A field of CSV as RFC 4180 quotes it. A terminal must not be controlled by a text.
local function quote(written)
  if output.is_terminal(1) then written = text.visible(written) end
  if written == "" or written:find('[,"\r\n]') then
    return '"' .. written:gsub('"', '""') .. '"'
  end
  return written
end

local function csv_cell(scalar)
  local type = value.held(scalar.type, scalar.data)
  if type.kind == "absent" then return "" end
  return value.is_text(type) and quote(scalar.data) or value.write(type, scalar.data)
end

-- The names of the columns for the version and the time. No path begins with "#".
local function own_names(scalars)
  local names = { "version", "time" }
  for _, scalar in ipairs(scalars) do
    if scalar.path == names[1] or scalar.path == names[2] then return "#version", "#time" end
  end
  return names[1], names[2]
end

-- Each format is a function of the scalars. It returns the heading, or nil; a function that writes
-- a scalar's cell; and one that writes a row of its version, its time and its cells.
local formats = {}

function formats.csv(scalars)
  local names = { own_names(scalars) }
  for i, scalar in ipairs(scalars) do names[i + 2] = scalar.path end
  return table.concat(names, ",") .. "\n", csv_cell, function(version, time, cells)
    return ("%d,%s,%s\n"):format(version, json.encode(time), table.concat(cells, ","))
  end
end

function formats.jsonl(scalars)
  local version_name, time_name = own_names(scalars)
  local form = ('{"%s":%%d,"%s":%%s,%%s}\n'):format(version_name, time_name)
  return nil, function(scalar)
    return ('"%s":%s'):format(scalar.path, json.encode(value.for_json(scalar.type, scalar.data)))
  end, function(version, time, cells)
    return form:format(version, json.encode(time), table.concat(cells, ","))
  end
end

-- Prints the rows, and writes after each `batch` of them. The state at the start is none.
local function print_rows(format, batch, most, scalars, next_row)
  local heading, write_cell, write_row = format(scalars)
  local cells, lines, number = {}, { heading }, -1
  for changed, version, time in next_row do
    for _, scalar in ipairs(changed) do cells[scalar.number] = write_cell(scalar) end
    number = number + 1
    if number > 0 then lines[#lines + 1] = write_row(version, time + 0.0, cells) end
    if number % batch == 0 then
      output.write(table.concat(lines))
      lines = {}
    end
    if number == most then break end
  end
  output.write(table.concat(lines))
end

local function export_log(args, format)
  if args.seconds then failure.raise("usage", "--seconds is for a segment, not for a log") end
  local opened = recording.open(args.file)
  local _ <close> = opened.file
  print_rows(format, BATCH, args.commits, rows.of_log(opened, args.paths))
end

local function export_segment(args, format)
  local reader <close>, S = segment.open("reader", args.file, args)
  local missed, deadline = 0, ipmmap.now() + (args.seconds or math.huge)
  stop.notice()
  print_rows(format, 1, args.commits, rows.of_segment(reader, S, args.paths, function()
    return stop.is_asked() or ipmmap.now() >= deadline
  end, function(count) missed = missed + count end))
  if missed > 0 then output.say("%s missed", output.count(missed, "commit")) end
end

return function(args)
  local export = recording.is_log(args.file) and export_log or export_segment
  export(args, args.jsonl and formats.jsonl or formats.csv)
end

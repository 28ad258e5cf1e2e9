--- ipmmap share --status: tells what the processes of share and follow do on this machine.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local processes = require "ipmmap_cli.processes"
local shared = require "ipmmap_cli.shared"
local text = require "ipmmap_cli.text"

local DEFAULT <const> = "./.mmap"

-- The states that the arguments are about.
local function find(paths, args)
  local rows = {}
  for _, path in ipairs(paths) do
    local found = files.stat(path)
    if not found then failure.raise("not_found", "there is no %s", path) end
    if found.type == "directory" then
      for _, row in ipairs(shared.in_directory(path, args)) do rows[#rows + 1] = row end
    else
      rows[#rows + 1] = shared.of(path, args)
        or failure.raise("not_found", "%s is not shared, and is no replica", path)
    end
  end
  return rows
end

local SERVED <const> = { home = true, replica = true }

local function is_fine(row)
  return row.role == "stopped"
    or row.alive ~= false and row.connected and not row.lease_over and SERVED[row.role]
end

local function show_role(row)
  local role = row.role
  if row.problem then return "?" end
  if role == "stopped" or role == "failed" then return role end
  if row.alive == false then return role .. ", gone" end
  if not row.connected then return role .. ", cut off" end
  return row.lease_over and role .. ", lease over" or role
end

local function print_rows(rows)
  local lines, now = {}, ipmmap.now()
  for i, row in ipairs(rows) do
    if row.problem then
      lines[i] = { row.name, "?", "", "", "", "", "", "", "", "" }
    else
      lines[i] = {
        row.name, show_role(row), row.home == "" and "?" or row.home, tostring(row.version),
        tostring(row.lag), ("%.1f s"):format(row.lag_seconds), output.bytes(row.bytes_in),
        output.bytes(row.bytes_out), tostring(row.pid), processes.age(row.updated, now),
      }
    end
  end
  output.columns({ "NAME", "ROLE", "HOME", "VERSION>", "LAG>", "BEHIND>", "IN>", "OUT>", "PID>",
    "TOLD>" }, lines)
  for _, row in ipairs(rows) do
    if row.problem then
      output.print("%s: %s", row.name, text.visible(row.problem))
    elseif row.error ~= "" and not is_fine(row) then
      output.print("%s: %s ago: %s", row.name, processes.age(row.error_time, now),
        text.visible(row.error))
    end
  end
end

local KEYS <const> = { "path", "name", "role", "alive", "connected", "pid", "machine", "home",
  "lease_over", "url", "epoch", "version", "home_version", "lag", "lag_seconds", "bytes_in",
  "bytes_out", "edits", "joins", "error", "error_time", "updated", "problem" }

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
  local paths = #args.files > 0 and args.files or { DEFAULT }
  local rows = find(paths, args)
  if args.json then
    print_json(rows)
  elseif #rows == 0 then
    output.say("nothing is shared in %s", table.concat(paths, " "))
  else
    print_rows(rows)
  end
  for _, row in ipairs(rows) do
    if not is_fine(row) then return failure.status.differs end
  end
end

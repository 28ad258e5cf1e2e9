--- `ipmmap watch` into a pipe: prints a line with the changed values for each commit that it sees.
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local value = require "ipmmap_cli.value"

local function print_json(version, rows)
  local changed = {}
  for i, row in ipairs(rows) do changed[i] = { row.path, value.for_json(row.type, row.data) } end
  output.json_line(output.object {
    { "version", version }, { "time", ipmmap.now() }, { "changed", output.object(changed) },
  })
end

local function print_text(version, rows)
  local parts = {}
  for i, row in ipairs(rows) do parts[i] = row.path .. " = " .. row.text end
  output.print("version %d: %s", version, table.concat(parts, ", "))
end

--- @return a function to call after each commit
return function(history, take, _, _, args)
  return function()
    local rows = take()
    local show = args.json and print_json or print_text
    if #rows > 0 then show(history.version, rows) end
  end
end

--- `ipmmap watch` into a pipe: prints a line with the values, and one with the changed values for
-- each commit.
local follow = require "ipmmap_cli.follow"
local ipmmap = require "ipmmap"
local new_leaves = require "ipmmap_cli.leaves"
local output = require "ipmmap_cli.output"
local stop = require "ipmmap_cli.stop"
local value = require "ipmmap_cli.value"

-- A line: its version, time, the number of commits missed before, and the scalars that changed, a
-- list of { path, type, data }.
local function print_json(line, scalars)
  local changed = {}
  for i, scalar in ipairs(scalars) do
    changed[i] = { scalar[1], value.for_json(scalar[2], scalar[3]) }
  end
  output.json_line(output.object {
    { "version", line.version }, { "time", line.time }, { "missed", line.missed },
    { "changed", output.object(changed) },
  })
end

local function print_text(line, scalars)
  local parts = {}
  for i, scalar in ipairs(scalars) do
    parts[i] = scalar[1] .. " = " .. value.write(scalar[2], scalar[3])
  end
  output.print("version %d%s: %s", line.version,
    line.missed > 0 and (" (%d missed)"):format(line.missed) or "",
    #parts > 0 and table.concat(parts, ", ") or "no change")
end

-- The chosen scalars of a value.
local function scalars_of(whole, struct, chosen)
  local list = {}
  for _, field in ipairs(value.fields_in_order(struct)) do
    value.walk(field.type, whole[field.name], field.name, function(path, type, data)
      if value.is_chosen(path, chosen) then list[#list + 1] = { path, type, data } end
    end)
  end
  return list
end

return function(reader, S, args)
  local show, chosen, leaf_at = args.json and print_json or print_text, args.paths, new_leaves(S)
  local feed <close>, first, at = follow.open(reader)
  stop.notice()
  show({ version = at, time = ipmmap.now(), missed = 0 }, scalars_of(first, S:type(), chosen))
  local lost = 0 -- commits that were missed since the last line
  for _, version, missed in follow.commits(feed, stop.is_asked) do
    local list = {}
    for path, data in feed:changes() do
      if value.is_chosen(path, chosen) then list[#list + 1] = { path, leaf_at(path).type, data } end
    end
    lost = lost + missed
    if #list > 0 or #chosen == 0 then
      local time = feed:time()
      show({ version = version, time = time > 0 and time or ipmmap.now(), missed = lost }, list)
      lost = 0
    end
  end
end

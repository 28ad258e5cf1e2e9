--- `ipmmap watch` into a pipe: prints a line with the values, and one with the changed values for
-- each commit.
local commits = require "ipmmap_cli.commits"
local ipmmap = require "ipmmap"
local new_leaves = require "ipmmap_cli.leaves"
local new_tracker = require "ipmmap_cli.tracker"
local output = require "ipmmap_cli.output"
local stop = require "ipmmap_cli.stop"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

-- A line: its version, time, the number of commits missed before, and the scalars that changed, a
-- list of { path, type, data, unit }.
local function print_json(line, scalars)
  local changed = {}
  for i, scalar in ipairs(scalars) do
    changed[i] = { scalar.path, value.for_json(scalar.type, scalar.data) }
  end
  output.json_line(output.object {
    { "version", line.version }, { "time", line.time }, { "missed", line.missed },
    { "changed", output.object(changed) },
  })
end

local function print_text(line, scalars)
  local texts = {}
  for i, scalar in ipairs(scalars) do
    texts[i] = scalar.path .. " = " .. value.write(scalar.type, scalar.data, scalar.unit)
  end
  output.print("version %d%s: %s", line.version,
    line.missed > 0 and (" (%d missed)"):format(line.missed) or "",
    #texts > 0 and table.concat(texts, ", ") or "no change")
end

-- A function that returns the scalars that the feed's present commit changed, those of the header
-- last. It costs what the commit changed.
local function new_changes(S, feed)
  local leaf_at = new_leaves(S)
  return function()
    local list, header = {}, {}
    for path, data in feed:changes() do
      local to = path:find("^header%.") and header or list
      local leaf = leaf_at(path)
      to[#to + 1] = { path = path, type = leaf.type, data = data, unit = leaf.unit }
    end
    return table.move(header, 1, #header, #list + 1, list)
  end
end

return function(reader, S, args)
  local show, takes_all = args.json and print_json or print_text, #args.paths == 0
  local tracker = new_tracker(S, args.paths)
  local feed <close>, first, at = commits.open(reader)
  stop.notice()
  show({ version = at, time = ipmmap.now(), missed = 0 }, tracker:changed(first))
  local changes = takes_all and not types.is_dynamic(types.of(S)) and new_changes(S, feed)
    or function(whole) return tracker:changed(whole) end
  local lost = 0 -- commits that were missed since the last line
  for whole, version, missed in commits.each(feed, stop.is_asked) do
    local list = changes(whole)
    lost = lost + missed
    if #list > 0 or takes_all then
      local time = feed:time()
      show({ version = version, time = time > 0 and time or ipmmap.now(), missed = lost }, list)
      lost = 0
    end
  end
end

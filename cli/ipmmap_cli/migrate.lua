--- ipmmap migrate: gives a segment another layout, with its values.
local definition = require "ipmmap_cli.definition"
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"

local OUTCOMES <const> = { kept = "dim", added = "green", dropped = "red" }

-- What a migration would do. nil: nothing, because the segment has this layout.
local function preview(S, args, how)
  local reader <close>, Old = segment.open("reader", args.file, args)
  if tostring(Old) == tostring(S) then return nil end
  local _, report = failure.assert(S:convert(reader:snapshot(), how))
  return report
end

local function migrate(S, args, how)
  local _, options = failure.assert(segment.describe(args.file, args))
  options.create, options.migrate = true, how or true
  local manager <close> = failure.assert(failure.of_user(ipmmap.manager, S, options))
  return manager:info().migrated
end

local function print_report(report)
  for _, outcome in ipairs { "kept", "added", "dropped" } do
    for _, path in ipairs(report[outcome]) do
      output.print("%s", output.paint(OUTCOMES[outcome], ("%-7s  %s"):format(outcome, path)))
    end
  end
end

local function print_json(report)
  output.json(output.object {
    { "kept", output.array(report.kept) }, { "added", output.array(report.added) },
    { "dropped", output.array(report.dropped) },
  })
end

return function(args)
  local S = definition.load(args.struct)
  local Old = failure.assert(ipmmap.describe(args.file))
  if Old.name ~= S.name then
    failure.raise("layout", "%s holds a %s, not a %s", args.file, Old.name, S.name)
  end
  local report = (args.dry_run and preview or migrate)(S, args, args.lossy and "lossy" or nil)
  if args.json then
    print_json(report or { kept = {}, added = {}, dropped = {} })
  elseif report then
    print_report(report)
  else
    output.print("%s has this layout already", args.file)
  end
end

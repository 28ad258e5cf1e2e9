--- ipmmap share --end: makes segments of this machine alone of shared ones.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local status = require "ipmmap_share.status"

local PATIENCE <const> = 10 -- seconds that it waits for the lock

local function end_sharing(path, args)
  local S, options, why = segment.describe(path, args)
  if not S then failure.raise(why, "%s", options) end
  options.shares = true
  local manager <close> = failure.assert(ipmmap.manager(S, options))
  if manager:share().place == "unshared" then
    output.say("%s is not shared", path)
    return
  end
  -- While this process has the status, no other one can share the segment.
  local own <close> = failure.assert(status.open(options.mmap_dir, S.name .. "_" .. options.tag,
    args))
  failure.assert(manager:try_with(PATIENCE, function()
    manager:set_share { place = "unshared" }
    return true
  end))
  own:remove()
end

return function(args)
  if #args.files == 0 then failure.raise("usage", "missing argument 'FILE'") end
  for _, path in ipairs(args.files) do end_sharing(path, args) end
end

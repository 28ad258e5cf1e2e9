--- ipmmap adopt: makes a segment of a plain file.
local definition = require "ipmmap_cli.definition"
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"

return function(args)
  local S = definition.load(args.struct)
  failure.assert(failure.of_user(ipmmap.adopt, S, args.file, {
    tag = args.tag, mmap_dir = args.dir, lock_dir = args.lock_dir, trust = args.trust,
  }))
end

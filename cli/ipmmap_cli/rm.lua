--- ipmmap rm: destroys a segment.
local segment = require "ipmmap_cli.segment"

return function(args)
  local manager <close> = segment.open("manager", args.file, args)
  manager:destroy()
end

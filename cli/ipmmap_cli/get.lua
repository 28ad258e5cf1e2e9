--- ipmmap get: one value.
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local value = require "ipmmap_cli.value"

return function(args)
  local reader <close>, S = segment.open("reader", args.file, args.lock_dir)
  local type = value.type_at(S, args.path)
  local data = reader:read(args.path)
  if args.json or not value.is_scalar(type) then
    output.json(value.for_json(type, data))
  else
    output.print("%s", value.plain(type, data))
  end
end

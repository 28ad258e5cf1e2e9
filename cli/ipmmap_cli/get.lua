--- ipmmap get: prints one value. If stdout is a terminal, a text's control characters are escaped;
-- otherwise the text is printed unchanged.
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"
local text = require "ipmmap_cli.text"
local value = require "ipmmap_cli.value"

return function(args)
  local reader <close>, S = segment.open("reader", args.file, args)
  local type = value.type_at(S, args.path)
  local data = reader:read(args.path)
  if args.json or not value.is_scalar(type) then
    output.json(value.for_json(type, data))
  elseif type.kind == "char" then
    output.print("%s", output.is_terminal(1) and text.visible(data) or data)
  else
    output.print("%s", value.write(type, data))
  end
end

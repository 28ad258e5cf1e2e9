--- ipmmap get: prints values, each on a line. If stdout is a terminal, a text's control characters
-- are escaped; otherwise the text is printed unchanged.
local output = require "ipmmap_cli.output"
local parts = require "ipmmap_cli.parts"
local segment = require "ipmmap_cli.segment"
local text = require "ipmmap_cli.text"
local types = require "ipmmap_cli.types"
local value = require "ipmmap_cli.value"

local function print_value(type, data, is_one)
  type = value.held(type, data)
  if not value.is_scalar(type) then
    local print_json = is_one and output.json or output.json_line
    print_json(value.for_json(type, data))
  elseif value.is_text(type) then
    output.print("%s", output.is_terminal(1) and text.visible(data) or data)
  else
    output.print("%s", value.write(type, data))
  end
end

return function(args)
  local reader <close>, S = segment.open("reader", args.file, args)
  local is_one = #args.paths == 1 and not parts.is_pattern(args.paths[1])
  local whole -- all values are of the same commit
  if not is_one or types.is_dynamic(types.of(S)) then whole = reader:snapshot() end
  local chosen = parts.of(S, args.paths, whole)
  local function read(part)
    if whole then return parts.value(S, whole, part) end
    return reader:read(part.path)
  end
  if not args.json then
    for _, part in ipairs(chosen) do print_value(part.type, read(part), is_one) end
  elseif is_one then
    output.json(value.for_json(chosen[1].type, read(chosen[1])))
  else
    output.json(parts.for_json(chosen, read))
  end
end

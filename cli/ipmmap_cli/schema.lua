--- ipmmap schema: prints the layout, as a table or as source text.
local failure = require "ipmmap_cli.failure"
local output = require "ipmmap_cli.output"
local segment = require "ipmmap_cli.segment"

local LANGUAGES <const> = { "lua", "c", "ffi", "python", "luals" }

local function add_rows(rows, struct, prefix, base)
  for _, field in ipairs(struct.fields) do
    local path = prefix .. field.name
    rows[#rows + 1] = {
      tostring(base + field.offset), tostring(field.type.size), field.type.name, path,
    }
    local type, suffix = field.type, ""
    while type.kind == "array" do
      type, suffix = type.element, suffix .. "[1]"
    end
    if type.kind == "struct" then
      add_rows(rows, type, path .. suffix .. ".", base + field.offset)
    end
  end
end

local function for_json(struct, base)
  local list = {}
  for i, field in ipairs(struct.fields) do
    local innermost = field.type
    while innermost.kind == "array" do innermost = innermost.element end
    list[i] = output.object {
      { "name", field.name }, { "type", field.type.name }, { "offset", base + field.offset },
      { "size", field.type.size },
      { "fields", innermost.kind == "struct" and for_json(innermost, 0) or nil },
    }
  end
  return output.array(list)
end

return function(args)
  local S = failure.assert(segment.describe(args.file, args))
  for _, language in ipairs(LANGUAGES) do
    if args[language] then
      return output.write(require("ipmmap_cli.generate_" .. language)(S))
    end
  end
  if args.json then
    return output.json(output.object {
      { "name", S.name }, { "size", S.size }, { "align", S.align },
      { "fields", for_json(S:type(), 0) }, { "text", tostring(S) },
    })
  end
  output.print("%s", output.paint("bold", ("%s, %d bytes, aligned to %d"):format(S.name, S.size,
    S.align)))
  local rows = {}
  add_rows(rows, S:type(), "", 0)
  output.columns({ "OFFSET>", "SIZE>", "TYPE", "PATH" }, rows)
end

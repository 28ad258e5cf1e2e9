--- A layout as annotations for the Lua language server.
local types = require "ipmmap_cli.types"

local SCALARS <const> = { bool = "boolean", float = "number", double = "number", char = "string" }

local KEYWORDS <const> = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat
  return then true until while]]):gmatch("%a+") do
  KEYWORDS[word] = true
end

local function type_name(type)
  local element, counts = types.dimensions(type)
  local name = element.kind == "struct" and element.name or SCALARS[element.kind] or "integer"
  return name .. ("[]"):rep(#counts)
end

return function(type)
  local lines = { "---@meta" }
  for _, struct in ipairs(types.structs(type)) do
    lines[#lines + 1] = ""
    lines[#lines + 1] = "---@class " .. struct.name ..
      (struct.parent and ": " .. struct.parent.name or "")
    for _, field in ipairs(types.own_fields(struct)) do
      local name = KEYWORDS[field.name] and ('["%s"]'):format(field.name) or field.name
      lines[#lines + 1] = ("---@field %s %s # %s"):format(name, type_name(field.type),
        field.type.name)
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Generates annotations for the Lua language server from a layout.
local types = require "ipmmap_cli.types"

local SCALARS <const> = { bool = "boolean", float = "number", double = "number", char = "string" }

-- Field names that must be quoted after ---@field: Lua's keywords, and the words that the language
-- server reads as the field's visibility.
local QUOTED <const> = types.set [[and break do else elseif end false for function goto if in local
  nil not or repeat return then true until while private protected public package]]

-- Names of the language server's own types.
local TAKEN <const> = types.set [[any boolean fun function integer lightuserdata nil number self
  string table thread true false unknown userdata]]

local function type_name(called, type)
  local element, counts = types.dimensions(type)
  local name = element.kind == "struct" and called[element.name] or SCALARS[element.kind]
    or "integer"
  return name .. ("[]"):rep(#counts)
end

return function(S)
  local lines, structs = { "---@meta" }, types.structs(S:type())
  local called = types.rename(types.names(structs), function(name) return TAKEN[name] end)
  for _, struct in ipairs(structs) do
    lines[#lines + 1] = ""
    lines[#lines + 1] = "---@class " .. called[struct.name] ..
      (struct.parent and ": " .. called[struct.parent.name] or "")
    for _, field in ipairs(types.own_fields(struct)) do
      local name = QUOTED[field.name] and ('["%s"]'):format(field.name) or field.name
      lines[#lines + 1] = ("---@field %s %s # %s"):format(name, type_name(called, field.type),
        field.type.name)
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Generates the Lua definition of a layout.
local types = require "ipmmap_cli.types"

local BASE <const> = { MmapStructureHeader = true, BaseMmapStructure = true }

local function opening(struct)
  if not struct.parent then
    return ("ipmmap.struct(%q, {"):format(struct.name)
  elseif struct.parent.name == "BaseMmapStructure" then
    return ("ipmmap.base:extend(%q, {"):format(struct.name)
  end
  return ("ipmmap.lookup(%q):extend(%q, {"):format(struct.parent.name, struct.name)
end

return function(S)
  local lines = { 'local ipmmap = require "ipmmap"' }
  for _, struct in ipairs(types.structs(S:type())) do
    if not BASE[struct.name] then
      lines[#lines + 1] = ""
      lines[#lines + 1] = opening(struct)
      for _, field in ipairs(types.own_fields(struct)) do
        lines[#lines + 1] = ("  { %q, %q },"):format(field.name, field.type.name)
      end
      lines[#lines + 1] = "})"
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

--- The identifiers that a layout gets in C: of structs, enumerations, their constants, and of the
-- structs that stand for lists and optional fields. All are in one name space.
local is_reserved = require "ipmmap_cli.reserved_c"
local types = require "ipmmap_cli.types"

local c_names = {}

--- @return a table: `types`, the identifiers of structs and enumerations by their names;
-- `constants`, by the names of the enumeration and the constant; `wrappers`, by the names of the
-- struct and the field; `taken`, the set of all identifiers
function c_names.new(structs, enums)
  local all = types.names(structs)
  table.move(types.names(enums), 1, #enums, #all + 1, all)
  local names = { types = types.rename(all, is_reserved), constants = {}, wrappers = {} }
  names.taken = {}
  for _, identifier in pairs(names.types) do names.taken[identifier] = true end
  for _, enum in ipairs(enums) do
    names.constants[enum.name] = types.prefixed(names.types[enum.name], types.names(enum.names),
      is_reserved, names.taken)
  end
  for _, struct in ipairs(structs) do
    names.wrappers[struct.name] = types.prefixed(names.types[struct.name], types.wrapped(struct),
      is_reserved, names.taken)
  end
  return names
end

return c_names

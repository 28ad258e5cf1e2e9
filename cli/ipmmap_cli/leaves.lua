--- The scalars of a struct by path.
local value = require "ipmmap_cli.value"

local MOST <const> = 10000 -- the number of scalars that are remembered

--- @return a function of a path that returns the scalar there: `type`, `unit`, and `offset` in the
-- struct
return function(S)
  local struct, known, count = S:type(), {}, 0
  return function(path)
    local leaf = known[path]
    if not leaf then
      if count == MOST then known, count = {}, 0 end
      local type, unit = value.part(struct, path)
      leaf = { type = type, unit = unit, offset = S:offsetof(path) }
      known[path], count = leaf, count + 1
    end
    return leaf
  end
end

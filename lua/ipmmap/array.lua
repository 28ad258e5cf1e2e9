-- Arrays of a Struct or of an Enum as types of fields: Point[24], Mode[4][2].
local check = require "ipmmap.check"
local compat = require "ipmmap.compat"

local is_integer, refuse = compat.is_integer, check.refuse

local array = {}

local metatable = { __name = "ipmmap.array" }

--- The type of an array with one more dimension. Raises an error about the caller's caller.
-- @local
-- @tparam Struct|Enum element the innermost element
-- @tparam string name its name
-- @tparam string dimensions those before the new one, as text
-- @tparam integer count
function array.new(element, name, dimensions, count)
  if count < 1 then
    refuse(3, "%s%s[%d]: an array has at least one element", name, dimensions, count)
  end
  dimensions = ("%s[%d]"):format(dimensions, count)
  return setmetatable({ element = element, name = name, dimensions = dimensions }, metatable)
end

--- Whether a value is such a type. It has `element`; tostring gives its text.
-- @local
function array.is(value)
  return getmetatable(value) == metatable
end

function metatable:__index(count)
  if is_integer(count) then
    return array.new(self.element, self.name, self.dimensions, count)
  end
end

function metatable:__tostring()
  return self.name .. self.dimensions
end

return array

-- Checks of the arguments of definitions, and their messages.
local compat = require "ipmmap.compat"
local pairs = require("ipmmap.loops").pairs

local is_integer = compat.is_integer

local check = {}

local MAX_NAME = 63

--- Raises an error about a bug of the caller. `level` is as for `error`.
-- @local
function check.refuse(level, format, ...)
  error(format:format(...), level + 1)
end

--- A value as messages show it.
-- @local
function check.show(value)
  return type(value) == "string" and ("'%s'"):format(value) or tostring(value)
end

--- Whether a value is a name of a struct, a field or an enumeration.
-- @local
function check.is_name(name)
  return type(name) == "string" and #name <= MAX_NAME and name:find "^[%a_][%w_]*$" ~= nil
end

check.NAME = ("a name (letters, digits and _, at most %d)"):format(MAX_NAME)

--- The largest index of a list. The length operator may tell a smaller one if an element is nil.
-- @local
function check.last_index(list)
  local last = 0
  for key in pairs(list) do
    if is_integer(key) and key > last then
      last = key
    end
  end
  return last
end

return check

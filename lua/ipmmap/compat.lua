-- What differs between Lua 5.4 and LuaJIT: the module that has the C core's functions, and a few
-- functions of the standard library.
-- luacheck: std max
local compat = {}

local is_luajit = type(rawget(_G, "jit")) == "table"

if not is_luajit and tonumber(_VERSION:match "%d+%.%d+") < 5.4 then
  error("ipmmap needs Lua 5.4 (5.4.3 or later), Lua 5.5 or LuaJIT 2.1, and this is "
    .. _VERSION .. ": its host can use the C interface", 0)
end

compat.core = require(is_luajit and "ipmmap.jit.core" or "ipmmap.core")

compat.unpack = table.unpack or unpack

--- Whether a value is an integer. LuaJIT has one type of numbers: there an integral number is one.
compat.is_integer = math.type and function(value)
  return math.type(value) == "integer"
end or function(value)
  return type(value) == "number" and value % 1 == 0
end

return compat

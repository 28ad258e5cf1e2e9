--- What Lua and LuaJIT call by different names, or only one of them has.
local either = {}

--- Whether LuaJIT runs the specs.
either.is_jit = rawget(_G, "jit") ~= nil

either.unpack = table.unpack or rawget(_G, "unpack")

function either.pack(...)
  return { n = select("#", ...), ... }
end

--- A number of a field `float` or `double` as text: in LuaJIT without ".0", because a number that is
-- integral has no other form there.
function either.float(text)
  return either.is_jit and text:gsub("%.0$", "") or text
end

return either

--- What Lua and LuaJIT call by different names, or only one of them has.
local either = {}

--- Whether LuaJIT runs the specs.
either.is_jit = rawget(_G, "jit") ~= nil

either.unpack = table.unpack or rawget(_G, "unpack")

function either.pack(...)
  return { n = select("#", ...), ... }
end

--- A number of a field `float` or `double` as text. In LuaJIT a whole number has no ".0".
function either.float(text)
  return either.is_jit and text:gsub("%.0$", "") or text
end

--- Whether a command succeeds. In LuaJIT os.execute returns its status alone.
function either.succeeds(command)
  local result = os.execute(command)
  return result == true or result == 0
end

-- A part of Lua source that the other one could not compile.
local function evaluate(expression)
  return assert(load("return " .. expression))()
end

--- The integer of 64 bits that a text is: cdata in LuaJIT.
function either.integer(text)
  return evaluate(text .. (either.is_jit and "LL" or ""))
end

--- The largest value of a uint64 as the library reads it, and 2^63.
either.uint64_max = evaluate(either.is_jit and "0xffffffffffffffffULL" or "-1")
either.uint64_middle = evaluate(either.is_jit and "0x8000000000000000ULL" or "math.mininteger")

return either

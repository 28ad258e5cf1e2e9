--- string.pack, which LuaJIT has not, for formats of d, h, i4, b, x and c4 in native byte order:
-- `pack("hhi4", 1, 2, 3)`.
local TYPES = { d = "double", h = "int16_t", i4 = "int32_t", b = "int8_t" }

return string.pack or function(format, ...)
  local ffi = require "ffi"
  local parts, at = {}, 0
  for item in format:gmatch "%a%d*" do
    if item == "x" then
      parts[#parts + 1] = "\0"
    else
      at = at + 1
      local value = select(at, ...)
      if item == "c4" then
        parts[#parts + 1] = value .. ("\0"):rep(4 - #value)
      else
        local number = ffi.new(TYPES[item] .. "[1]", value)
        parts[#parts + 1] = ffi.string(number, ffi.sizeof(number))
      end
    end
  end
  return table.concat(parts)
end

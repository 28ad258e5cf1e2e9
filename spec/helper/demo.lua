--- The struct of the specs, and the source text that makes a child know it.
-- @return a function: `demo(dir)` gives the prelude of a child's chunk, in which `open(role,
-- options)` opens the segment in `dir`; and that function itself
local prelude = [[
local ipmmap = require "ipmmap"
ipmmap.struct("Point2D", { { "x", "double" }, { "y", "double" } })
local Demo = ipmmap.base:extend("Demo", {
  { "count", "int64" },
  { "text", "char[256]" },
  { "points", "Point2D[24]" },
  { "twin", "int64" },
})
local function open(role, options)
  options = options or {}
  options.mmap_dir = DIR
  return ipmmap[role](Demo, options)
end
]]

return function(dir)
  local text = prelude:gsub("DIR", function() return ("%q"):format(dir) end)
  return text, assert(load(text .. "return open"))()
end

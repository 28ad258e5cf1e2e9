--- The struct that the specs share, for the spec and for its children.
-- @return a function `demo(dir)`. It returns Lua source text for the start of a child's chunk: the
-- text defines the struct and a function `open(role, options)`, which opens the segment in `dir`.
-- It also returns that function `open`, for the spec itself.
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

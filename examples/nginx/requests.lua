--- The struct that the workers of nginx share with each other and with show.lua.
local ipmmap = require "ipmmap"

return ipmmap.base:extend("Requests", {
  { "count", "int64" },
  { "bytes", "int64" },
})

--- The struct that the plugin and count.lua share.
local ipmmap = require "ipmmap"

return ipmmap.base:extend("TestResults", {
  { "passed", "int32" },
  { "failed", "int32" },
})

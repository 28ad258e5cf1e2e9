--- The structs of loop_luv.lua and loop_cqueues.lua, and the writer that changes both segments.
local ipmmap = require "ipmmap"

local options = { create = true, mmap_dir = arg[1] }

ipmmap.base:extend("Engine", { { "rpm", "int32" } })
ipmmap.base:extend("Cabin", { { "celsius", "double" } })

--- Opens a reader and a manager of each segment.
return function()
  local readers, editors = {}, {}
  for _, name in ipairs { "Engine", "Cabin" } do
    editors[name] = assert(ipmmap.manager(name, options))
    readers[name] = assert(ipmmap.reader(name, { mmap_dir = arg[1] }))
  end
  return readers, editors
end

--- Tells other programs which image darktable has imported last, and how many since it started.
-- Copy this file to ~/.config/darktable/lua, and add the line `require "imports"` to
-- ~/.config/darktable/luarc.
local darktable = require "darktable"
local ipmmap = require "ipmmap"

ipmmap.base:extend("Imports", {
  { "count", "int32" },
  { "file", "char[256]" },
})

local imports = assert(ipmmap.manager("Imports", {
  create = true, mmap_dir = darktable.configuration.config_dir .. "/shared",
}))
imports:clear()

darktable.register_event("imports", "post-import-image", function(_, image)
  imports:with(function(data)
    data.count = data.count + 1
    data.file = image.filename
  end)
end)

local host = require "spec.hosts.host"
local ipmmap = require "ipmmap"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

describe("darktable", function()
  local running = {}

  after_each(function()
    host.stop(running)
    running = {}
  end)

  it("tells a program outside which images it has imported", function()
    host.need "Xvfb"
    host.need "darktable"
    local dir = tmpdir()
    shell.run(("mkdir -p %s/config/lua"):format(dir))
    shell.run(("cp %s/examples/darktable/imports.lua %s/config/lua"):format(host.root, dir))
    for _, name in ipairs { "one.png", "two.png" } do
      shell.run(("cp %s/docs/catch.png %s/%s"):format(host.root, dir, name))
    end
    host.write(dir .. "/config/luarc", ([[
      require "imports"
      local darktable = require "darktable"
      for _, name in ipairs { "one.png", "two.png" } do darktable.database.import("%s/" .. name) end
    ]]):format(dir))

    local display
    running[1], display = host.screen(dir)
    running[2] = host.start({
      "darktable", "--configdir", dir .. "/config", "--cachedir", dir .. "/cache", "--library", ":memory:",
    }, { "DISPLAY=" .. display, "HOME=" .. dir })
    ipmmap.base:extend("Imports", { { "count", "int32" }, { "file", "char[256]" } })
    local reader <close> = assert(ipmmap.reader("Imports", { mmap_dir = dir .. "/config/shared", wait = 30 }))
    host.await("both images", function() return reader:read "count" == 2 end)
    assert.equal("two.png", reader:read "file")
  end)
end)

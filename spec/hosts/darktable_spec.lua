local exists = require "spec.helper.exists"
local host = require "spec.hosts.host"
local ipmmap = require "ipmmap"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local TRIES <const>, START <const> = 4, 20 -- seconds

describe("darktable", function()
  local missing = host.missing("darktable", "Xvfb")
  if missing then return it("runs the example", function() pending(missing) end) end

  local dir
  local running = {}

  before_each(function()
    dir = tmpdir()
    local luarc = ([[
      io.open("%s/started", "w"):close()
      require "imports"
      local darktable = require "darktable"
      for _, name in ipairs { "one.png", "two.png" } do darktable.database.import("%s/" .. name) end
    ]]):format(dir, dir)
    for _, name in ipairs { "one.png", "two.png" } do
      shell.run(("cp docs/catch.png %s/%s"):format(dir, name))
    end
    shell.run(("mkdir -p %s/lua && cp examples/darktable/imports.lua %s/lua"):format(dir, dir))
    host.write(dir .. "/luarc", luarc)
    ipmmap.base:extend("Imports", { { "count", "int32" }, { "file", "char[256]" } })
  end)

  after_each(function()
    host.kill(running)
    running = {}
  end)

  -- What a program outside is told in the end: the number of imports and the last file.
  local function told()
    local reader <close> = ipmmap.reader("Imports", { mmap_dir = dir .. "/shared" })
    local imports = reader and reader:snapshot()
    return imports and imports.count == 2 and imports.file
  end

  it("tells a program outside which images it has imported", function()
    local display
    running[1], display = host.screen(dir)
    local file
    for _ = 1, TRIES do -- on a busy machine, darktable 4.2 may hang while its window and its Lua start
      running[2] = host.start({
        "darktable", "--configdir", dir, "--cachedir", dir .. "/cache", "--library", ":memory:",
      }, { "DISPLAY=" .. display, "HOME=" .. dir })
      file = host.comes(START, told)
      if file then break end
      host.kill { table.remove(running) }
    end
    if not exists(dir .. "/started") then return pending "darktable hangs while it starts" end
    assert.equal("two.png", file)
  end)
end)

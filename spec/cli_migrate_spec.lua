-- The subcommands migrate and adopt.
local cli = require "spec.helper.cli"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local tmpdir = require "spec.helper.tmpdir"

local OLD <const> = ipmmap.parse(tostring(ipmmap.base) .. [[
  struct CliMigrate : BaseMmapStructure { hp: int32 name: char[8] gone: bool }
]])

local NEW <const> = [[
require "parts"
local ipmmap = require "ipmmap"
ipmmap.base:extend("CliMigrate", {
  { "name", "char[16]" }, { "hp", "int64" }, { "at", "CliMigratePoint" },
})
ipmmap.base:extend("CliNarrow", { { "hp", "int8" } })
]]

local PARTS <const> = [[
require("ipmmap").struct("CliMigratePoint", { { "x", "double" } })
]]

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

describe("ipmmap", function()
  local dir, file, struct, manager
  before_each(function()
    dir = tmpdir()
    file, struct = dir .. "/CliMigrate_left.mmap", dir .. "/new.lua:CliMigrate"
    write(dir .. "/new.lua", NEW)
    write(dir .. "/parts.lua", PARTS)
    write(dir .. "/narrow.lua", [[
      require("ipmmap").base:extend("CliMigrate", { { "hp", "int8" }, { "name", "char[2]" } })
    ]])
    manager = assert(ipmmap.manager(OLD, { create = true, mmap_dir = dir, tag = "left" }))
    manager:set { hp = 300, name = "Ada", gone = true }
  end)
  after_each(function() manager:close() end)

  describe("migrate", function()
    local REPORT <const> = "kept     name\nkept     hp\nadded    at\ndropped  gone\n"

    it("gives a segment another layout, and prints what it did", function()
      assert.equal(REPORT, cli.output { "migrate", file, "--struct", struct })
      assert.equal("300\n", cli.output { "get", file, "hp" })
      assert.equal("0.0\n", cli.output { "get", file, "at.x" })
      assert.equal(file .. " has this layout already\n", cli.output { "migrate", file, "--struct", struct })
      assert.is_true(manager:info().replaced)
    end)

    it("changes nothing in a dry run, and prints the same", function()
      assert.equal(REPORT, cli.output { "migrate", file, "--struct", struct, "--dry-run" })
      assert.is_false(manager:info().replaced)
      assert.equal(300, manager:read "hp")
      cli.output { "migrate", file, "--struct", struct }
      assert.equal(file .. " has this layout already\n",
        cli.output { "migrate", file, "--struct", struct, "--dry-run" })
    end)

    it("prints JSON", function()
      local argv = { "migrate", file, "--struct", struct, "--json" }
      assert.same({ kept = { "name", "hp" }, added = { "at" }, dropped = { "gone" } },
        json.decode(cli.output(argv)))
      assert.same({ kept = {}, added = {}, dropped = {} }, json.decode(cli.output(argv)))
    end)

    it("refuses what could lose values without --lossy, which it names", function()
      local narrow = dir .. "/narrow.lua:CliMigrate"
      for _, argv in ipairs { { "--dry-run" }, {} } do
        local status, out, err = cli.run { "migrate", file, "--struct", narrow, argv[1] }
        assert.same({ 4, "" }, { status, out })
        assert.matches("^ipmmap: hp: int32 to int8 could lose values, which only %-%-lossy allows", err)
      end
      assert.equal(300, manager:read "hp")
      local expected = "dropped  hp\ndropped  name\ndropped  gone\n"
      assert.equal(expected, cli.output { "migrate", file, "--struct", narrow, "--lossy", "--dry-run" })
      assert.equal(expected, cli.output { "migrate", file, "--struct", narrow, "--lossy" })
      assert.equal("Ad\n", cli.output { "get", file, "name" })
    end)

    it("says what is wrong with its arguments", function()
      local function fails(expected, pattern, path, argument)
        local status, out, err = cli.run { "migrate", path, "--struct", argument }
        assert.same({ expected, "" }, { status, out }, err)
        assert.matches(pattern, err)
      end
      write(dir .. "/bad.lua", "error 'too bad'")
      write(dir .. "/worse.lua", "= 1")
      fails(2, "%-%-struct: 'new%.lua' is not FILE%.lua:Name", file, "new.lua")
      fails(3, "none%.lua", file, dir .. "/none.lua:CliMigrate")
      fails(2, "bad%.lua:1: too bad", file, dir .. "/bad.lua:CliMigrate")
      fails(2, "worse%.lua:1:", file, dir .. "/worse.lua:CliMigrate")
      fails(2, "new%.lua defines no struct CliNone", file, dir .. "/new.lua:CliNone")
      fails(4, "holds a CliMigrate, not a CliNarrow", file, dir .. "/new.lua:CliNarrow")
      fails(4, "holds a CliMigrate, not a CliMigratePoint", file, dir .. "/new.lua:CliMigratePoint")
      fails(3, "CliMigrate_none%.mmap", dir .. "/CliMigrate_none.mmap", struct)
      assert.equal(300, manager:read "hp")
    end)
  end)

  describe("adopt", function()
    local plain
    before_each(function()
      plain = dir .. "/CliMigrate_plain.mmap"
      local value = OLD:new { hp = 5 }
      write(plain, string.pack("<i2", 0x1128) .. ipmmap.bytes(value):sub(3))
      write(dir .. "/old.lua", [[
        require("ipmmap").base:extend("CliMigrate", {
          { "hp", "int32" }, { "name", "char[8]" }, { "gone", "bool" },
        })
      ]])
      struct = dir .. "/old.lua:CliMigrate"
    end)

    it("makes a segment of a plain file, as other commands ask for", function()
      local status, _, err = cli.run { "show", plain }
      assert.equal(5, status)
      assert.matches("'ipmmap adopt' makes it a segment", err)
      assert.equal("", cli.output { "adopt", plain, "--struct", struct })
      assert.equal("5\n", cli.output { "get", plain, "hp" })
    end)

    it("makes one elsewhere", function()
      os.rename(plain, dir .. "/saved")
      local status, _, err = cli.run { "adopt", dir .. "/saved", "--struct", struct }
      assert.equal(2, status)
      assert.matches("CliMigrate_<tag>%.mmap", err)
      cli.output { "adopt", dir .. "/saved", "--struct", struct, "--tag", "new", "--dir", dir }
      assert.equal("5\n", cli.output { "get", dir .. "/CliMigrate_new.mmap", "hp" })
    end)

    it("refuses another struct's file", function()
      local status, _, err = cli.run { "adopt", plain, "--struct", dir .. "/new.lua:CliMigrate" }
      assert.equal(4, status)
      assert.matches("has 32 bytes, and a CliMigrate has 48", err)
    end)
  end)

  describe("doctor", function()
    it("opens a segment again whose manager died while it migrated it", function()
      local bytes = cli.read_file(file)
      local head = string.unpack("<I8", bytes, #bytes - 64 + 17)
      manager:close()
      local out = assert(io.open(file, "r+b"))
      out:seek("set", head + 160)
      out:write(string.pack("<I4", 2))
      out:close()
      local status, printed = cli.run { "doctor", file }
      assert.equal(1, status)
      assert.matches("its manager died while migrating it to another layout %(%-%-repair", printed)
      assert.equal(0, (cli.run { "doctor", "--repair", dir }))
      assert.equal("300\n", cli.output { "get", file, "hp" })
    end)
  end)
end)

-- Segments and values of a layout that has changed.
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

-- A Struct of the fields, which is not registered, so that there can be others of its name.
local function layout(fields, structs)
  local header = tostring(ipmmap.base)
  return assert(ipmmap.parse(("%s%s struct MigrateSpec : BaseMmapStructure { %s }"):format(header,
    structs or "", fields)))
end

local OLD = layout("hp: int16; name: char[8]; gone: bool; at: Point; slots: Slot[2]", [[
  struct Point { x: double y: double }
  struct Slot { item: int32 count: uint8 }
]])
local NEW = layout("at: Point; name: char[16]; hp: int32; armor: float; slots: Slot[3]", [[
  struct Point { x: double y: double }
  struct Slot { count: uint8 worn: bool item: int64 }
]])
local NARROW = layout("hp: int8; name: char[4]")

local VALUES = {
  hp = 300, name = "Ada", gone = true, at = { x = 1.5, y = -2 }, slots = { { item = 7, count = 2 } },
}

describe("migrate", function()
  local dir, old
  before_each(function()
    dir = tmpdir()
    old = assert(ipmmap.manager(OLD, { create = true, mmap_dir = dir }))
    old:set(VALUES)
  end)
  after_each(function()
    old:close()
    segment.close()
  end)

  -- Closes the handle after the test.
  local function keep(...)
    return segment.keep(assert(...))
  end

  local function migrate(S, how)
    return ipmmap.manager(S, { create = true, mmap_dir = dir, migrate = how })
  end

  it("keeps every value that both layouts have, by path", function()
    local stamp = old:last_update()
    local manager = keep(migrate(NEW, true))
    local value = ipmmap.totable(manager:snapshot())
    value.header = nil
    assert.same({
      at = { x = 1.5, y = -2.0 }, name = "Ada", hp = 300, armor = 0.0,
      slots = {
        { count = 2, worn = false, item = 7 }, { count = 0, worn = false, item = 0 },
        { count = 0, worn = false, item = 0 },
      },
    }, value)
    assert.equal(1, manager:version())
    assert.equal(stamp, manager:last_update())
  end)

  it("reports what it did, and nothing if it did nothing", function()
    assert.is_nil(old:info().migrated)
    local manager = keep(migrate(NEW, true))
    assert.same({
      kept = { "at", "name", "hp", "slots[1].count", "slots[1].item" },
      added = { "armor", "slots[1].worn" },
      dropped = { "gone" },
    }, manager:info().migrated)
    local again = keep(migrate(NEW, true))
    assert.is_nil(again:info().migrated)
    assert.equal(300, again:read "hp")
  end)

  it("makes a segment where there is none", function()
    local manager = segment.open("manager", NEW, {
      create = true, migrate = true, mmap_dir = tmpdir(),
    })
    assert.is_nil(manager:info().migrated)
    assert.equal(0, manager:read "hp")
  end)

  it("says replaced to those who have the old segment", function()
    local reader = segment.open("reader", OLD, { mmap_dir = dir })
    local manager = keep(migrate(NEW, true))
    fails("replaced", old:try_with(print))
    fails("replaced", reader:wait(1))
    assert.is_true(reader:info().replaced)
    manager:add("hp", 1)
    assert.equal(301, manager:read "hp")
  end)

  it("refuses what could lose a value, and names the field and both types", function()
    local message = fails("layout", migrate(NARROW, true))
    assert.truthy(message:find("hp: int16 to int8", 1, true), message)
    assert.truthy(message:find(dir .. "/MigrateSpec_.mmap", 1, true), message)
    assert.equal(300, old:read "hp")
    old:write("hp", 5)
  end)

  it("keeps what fits if it may lose values, and never a wrapped or torn one", function()
    old:write("name", "Zoë!!") -- "Zoë" has four bytes
    local manager = keep(migrate(NARROW, "lossy"))
    assert.equal(0, manager:read "hp")
    assert.equal("Zoë", manager:read "name")
    assert.same({ kept = {}, added = {}, dropped = { "hp", "name", "gone", "at", "slots" } },
      manager:info().migrated)
  end)

  it("keeps the elements of an optional array that becomes a list, and makes an empty list of another value", function()
    local before = layout("array: int16[3]?; absent: int16[3]?; number: int16?; after: int8")
    local value = before:new { array = { 4, 5, 6 }, number = 7, after = 8 }
    local made, report = layout("array: int16[<=4]; absent: int16[<=4]; number: int16[<=2]; after: int8")
      :convert(value, "lossy")
    assert.same({ array = { 4, 5, 6 }, absent = {}, number = {}, after = 8 }, (function()
      local plain = ipmmap.totable(made)
      plain.header = nil
      return plain
    end)())
    assert.same({ "number" }, report.dropped)
  end)

  it("keeps values that fit their narrower types", function()
    old:set { hp = -128, name = "four" }
    local manager = keep(migrate(NARROW, "lossy"))
    assert.equal(-128, manager:read "hp")
    assert.equal("four", manager:read "name")
    assert.same({ "hp", "name" }, manager:info().migrated.kept)
  end)

  it("is refused without it, and leaves the old segment as it is", function()
    local message = fails("layout", migrate(NEW, false))
    assert.truthy(message:find("in the file", 1, true), message)
    assert.is_nil(old:info().replaced or nil)
    assert.equal("Ada", old:read "name")
  end)

  it("gives the code deadlock where this thread holds the lock", function()
    old:with(function() fails("deadlock", migrate(NEW, true)) end)
  end)

  it("waits for a commit of another process, which is not lost", function()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      local path = ...
      local editor = assert(ipmmap.editor(ipmmap.describe(path), { mmap_dir = path:match "^(.*)/" }))
      editor:with(function(data)
        data.hp = 77
        print "locked"
        repeat until #editor:users() > 1
      end)
    ]], old:info().path)
    assert.equal("locked", child:line())
    local manager = keep(migrate(NEW, true))
    assert.equal(77, manager:read "hp")
    assert.equal(2, manager:version())
    assert.equal(0, select(2, child:wait()))
  end)

  it("is a manager's option, goes with create, and not with force", function()
    local function opens(role, options)
      options.mmap_dir = dir
      return ipmmap[role], NEW, options
    end
    refused("option 'migrate' is for a manager", opens("editor", { migrate = true }))
    refused("option 'migrate' is for a manager", opens("reader", { migrate = false }))
    refused("what 'create' finds: give both", opens("manager", { migrate = true }))
    refused("'migrate' keeps the values: give one",
      opens("manager", { migrate = true, create = true, force = true }))
    refused("option 'migrate': 'yes' is neither a boolean nor \"lossy\"",
      opens("manager", { migrate = "yes", create = true }))
  end)
end)

describe("Struct:convert", function()
  after_each(segment.close)

  it("converts a value, and reports what it did", function()
    local value, report = NEW:convert(OLD:new(VALUES))
    assert.equal(300, value.hp)
    assert.equal(7, value.slots[1].item)
    assert.same({ "armor", "slots[1].worn" }, report.added)
    assert.same({ "gone" }, report.dropped)
    value.hp = 5
    assert.equal(5, value.hp)
  end)

  it("converts a view, and a struct in it, whatever its name", function()
    local manager = segment.open("manager", OLD, { create = true, mmap_dir = tmpdir() })
    local Place = ipmmap.struct("MigrateSpecPlace", { { "y", "double" }, { "z", "double" } })
    local view
    manager:with(function(data)
      view = data
      data.at.y = 4
      data.hp = 9
      assert.equal(9, NEW:convert(data).hp)
      assert.equal(4.0, Place:convert(data.at).y)
    end)
    refused("view used after its lock was released", NEW.convert, NEW, view)
  end)

  it("refuses what could lose a value, unless it may", function()
    local value = OLD:new(VALUES)
    assert.truthy(fails("layout", NARROW:convert(value)):find("hp: int16 to int8", 1, true))
    assert.equal("Ada", NARROW:convert(value, "lossy").name)
  end)

  it("refuses what is no struct, and ways that there are not", function()
    local value = OLD:new()
    refused("view or value", NEW.convert, NEW, { hp = 1 })
    refused("not a struct", NEW.convert, NEW, value.slots)
    refused("invalid option 'loosely'", NEW.convert, NEW, value, "loosely")
  end)
end)

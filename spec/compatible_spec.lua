-- The option layout = "compatible": files that have more fields than the program's struct.
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

ipmmap.struct("CompatiblePoint", { { "x", "double" }, { "y", "double" } })
local S = ipmmap.base:extend("CompatibleSpec", {
  { "number", "int32" },
  { "text", "char[16]" },
  { "at", "CompatiblePoint" },
  { "route", "CompatiblePoint[3]" },
  { "grid", "int8[2][2]" },
})

-- What another program makes of it: the fields are elsewhere, and there are more.
local Other = assert(ipmmap.parse [[
struct MmapStructureHeader { header_code: int16; time_stamp: double }
struct BaseMmapStructure { header: MmapStructureHeader }
struct CompatiblePoint { z: int64; y: double; x: double }
struct CompatibleSpec : BaseMmapStructure {
  extra: int64
  grid: int8[2][2]
  at: CompatiblePoint
  route: CompatiblePoint[3]
  text: char[16]
  number: int32
}
]])

describe("a handle on a file that has more fields", function()
  local dir, other, editor, reader
  before_each(function()
    dir = tmpdir()
    other = assert(ipmmap.manager(Other, { create = true, mmap_dir = dir }))
    editor = assert(ipmmap.editor(S, { mmap_dir = dir, layout = "compatible" }))
    reader = assert(ipmmap.reader(S, { mmap_dir = dir, layout = "compatible" }))
  end)
  after_each(function()
    for _, handle in ipairs { other, editor, reader } do handle:close() end
    segment.close()
  end)

  it("opens only with the option", function()
    fails("layout", ipmmap.editor(S, { mmap_dir = dir }))
    fails("layout", ipmmap.editor(S, { mmap_dir = dir, layout = "exact" }))
    fails("layout", ipmmap.manager(S, { mmap_dir = dir, create = true }))
  end)

  it("reads and writes the fields by their paths", function()
    editor:write("number", 5)
    editor:write("at.x", 1.5)
    editor:write("route[3].y", 2.5)
    editor:write("grid[2][1]", -7)
    editor:set { text = "moved", at = { y = 4 } }
    assert.equal(6, editor:add("number", 1))
    assert.equal(6, other:read "number")
    assert.equal("moved", other:read "text")
    assert.same({ x = 1.5, y = 4, z = 0 }, ipmmap.totable(other:read "at"))
    assert.equal(2.5, other:read "route[3].y")
    assert.equal(-7, reader:read "grid[2][1]")
    assert.equal("moved", reader:read "text")
  end)

  it("shows the file's fields in views, values and paths", function()
    other:write("extra", 9)
    other:write("at.z", 3)
    editor:with(function(view)
      assert.equal(9, view.extra)
      view.extra = 10
      view.at.z = 4
      local names = {}
      for name in ipmmap.pairs(view) do names[#names + 1] = name end
      assert.same({ "header", "extra", "grid", "at", "route", "text", "number" }, names)
      assert.equal("CompatibleSpec.at (CompatiblePoint)", tostring(view.at):match "^(.-):")
    end)
    assert.equal(10, reader:snapshot().extra)
    assert.equal(4, reader:read "at.z")
    assert.equal(Other.size, reader:info().size)
    refused("CompatibleSpec: no field 'none' in 'none'", reader.read, reader, "none")
  end)

  it("leaves the Struct as it is", function()
    assert.equal(S, ipmmap.lookup "CompatibleSpec")
    refused("no field 'extra'", S.offsetof, S, "extra")
    local value = S:new { number = 1 }
    assert.has_error(function() value.extra = 1 end)
  end)

  it("takes a value of the program's Struct, and keeps its other fields", function()
    other:set { extra = 9, at = { z = 3 }, route = { { z = 7 } } }
    local stamp = other:last_update()
    editor:set(S:new { number = 5, text = "whole", at = { x = 1, y = 2 }, route = { {}, { x = 8 } } })
    assert.equal(5, other:read "number")
    assert.equal("whole", other:read "text")
    assert.same({ x = 1, y = 2, z = 3 }, ipmmap.totable(other:read "at"))
    assert.equal(9, other:read "extra")
    assert.equal(7, other:read "route[1].z")
    assert.equal(8, other:read "route[2].x")
    assert.equal(stamp, other:last_update())
    editor:with(function(view) view.at = S:new({ at = { x = 6 } }).at end)
    assert.same({ x = 6, y = 0, z = 3 }, ipmmap.totable(other:read "at"))
    local value = S:new { at = { x = 4 }, route = { { x = 5 }, { y = 6 } } }
    editor:set { number = 2, at = value.at, route = { value.route[2], { x = 1 } } }
    assert.same({ x = 4, y = 0, z = 3 }, ipmmap.totable(other:read "at"))
    assert.same({ x = 0, y = 6, z = 7 }, ipmmap.totable(other:read "route[1]"))
    editor:set { route = value.route }
    assert.same({ x = 5, y = 0, z = 7 }, ipmmap.totable(other:read "route[1]"))
  end)

  it("refuses a value that has a field which the file lacks, by that name", function()
    other:write("number", 1)
    local narrow = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "narrow" })
    refused("CompatibleSpec: a CompatibleSpec is not a CompatibleSpec of the same layout: extra: absent here, int64 at "
      .. "16 given", narrow.set, narrow, other:snapshot())
    refused("CompatibleSpec: a snapshot does not fit into a CompatibleSpec: extra: absent here",
      narrow.snapshot, narrow, Other:new())
  end)

  it("fills a value of the program's Struct by a snapshot", function()
    other:set { number = 5, text = "whole", extra = 9, at = { x = 1, z = 3 }, route = { {}, {}, { y = 8 } } }
    local value = S:new()
    local filled, version = reader:versioned_snapshot(value)
    assert.equal(value, filled)
    assert.equal(1, version)
    assert.equal(5, value.number)
    assert.equal("whole", value.text)
    assert.same({ x = 1, y = 0 }, ipmmap.totable(value.at))
    assert.equal(8, value.route[3].y)
    assert.equal(0x1128, value.header.header_code)
    assert.equal(other:last_update(), value.header.time_stamp)
  end)

  it("waits for a field by its path", function()
    reader:wait(0, 0)
    assert.is_nil(reader:wait("number", 0))
    other:write("extra", 1)
    assert.is_nil((reader:wait("number", 0)))
    other:write("number", 3)
    assert.equal(3, reader:wait("number", 0))
  end)

  it("is kept by a manager that creates, and reset by one that forces", function()
    other:write("number", 5)
    local manager = segment.open("manager", S, { create = true, mmap_dir = dir, layout = "compatible" })
    assert.equal(5, manager:read "number")
    manager:write("extra", 6)
    local options = { create = true, migrate = true, mmap_dir = dir, layout = "compatible" }
    local kept = segment.open("manager", S, options)
    assert.is_nil(kept:info().migrated)
    assert.equal(6, other:read "extra")
    local forced =
      segment.open("manager", S, { create = true, force = true, mmap_dir = dir, layout = "compatible" })
    assert.equal(0, forced:read "number")
    assert.equal(0, other:read "extra")
  end)

  it("outlives its Struct", function()
    local parsed = assert(ipmmap.parse(tostring(S)))
    local handle = segment.open("editor", parsed, { mmap_dir = dir, layout = "compatible" })
    parsed = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    handle:write("number", 8)
    assert.equal(8, handle:snapshot().number)
  end)
end)

describe("the option layout", function()
  after_each(segment.close)

  it("names what the file lacks or has with another type", function()
    local dir = tmpdir()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      ipmmap.base:extend("CompatibleSpec", { { "number", "int64" }, { "text", "char[16]" } })
      ipmmap.manager("CompatibleSpec", { create = true, mmap_dir = ... }):close()
    ]], dir)
    child:join()
    local handle, message, code = ipmmap.reader(S, { mmap_dir = dir, layout = "compatible" })
    assert.is_nil(handle)
    assert.equal("layout", code)
    assert.truthy(message:find("number: int64 at 16 in the file, int32 at 16 in the definition", 1, true), message)
  end)

  it("gives the Struct's own layout to a file that has no more", function()
    local dir = tmpdir()
    local manager = segment.open("manager", S, { create = true, mmap_dir = dir, layout = "compatible" })
    manager:set(S:new { number = 3 })
    assert.equal(3, manager:snapshot(S:new()).number)
    assert.equal(3, manager:snapshot().number)
  end)

  it("refuses another value", function()
    for _, value in ipairs { "same", true, 1, {} } do
      refused("is neither \"exact\" nor \"compatible\"", ipmmap.editor, S, { layout = value })
    end
  end)
end)

describe("lists and optional fields in a file whose elements have more fields", function()
  local Lists = ipmmap.base:extend("CompatibleLists", {
    { "route", "CompatiblePoint[<=3]" }, { "at", "CompatiblePoint?" }, { "number", "int32", max = 9 },
  })
  local Wider = assert(ipmmap.parse [[
struct MmapStructureHeader { header_code: int16; time_stamp: double }
struct BaseMmapStructure { header: MmapStructureHeader }
struct CompatiblePoint { z: int64; y: double; x: double }
struct CompatibleLists : BaseMmapStructure {
  at: CompatiblePoint?
  route: CompatiblePoint[<=3]
  number: int32
}
]])
  local dir, other, editor
  before_each(function()
    dir, other = segment.make(Wider)
    editor = segment.open("editor", Lists, { mmap_dir = dir, layout = "compatible" })
  end)
  after_each(segment.close)

  it("are filled in a value of the program's Struct by a snapshot", function()
    other:set { route = { { x = 1, z = 5 }, { y = 2 } }, at = { x = 3 } }
    local copy = ipmmap.totable(editor:snapshot(Lists:new()))
    assert.same({ { x = 1, y = 0 }, { x = 0, y = 2 } }, copy.route)
    assert.same({ x = 3, y = 0 }, copy.at)
  end)

  it("take a value of the program's Struct", function()
    local value = Lists:new { route = { { x = 1 }, { y = 2 } }, at = { x = 3 } }
    editor:set(value)
    assert.same({ { x = 1, y = 0, z = 0 }, { x = 0, y = 2, z = 0 } }, ipmmap.totable(other:read "route"))
    assert.equal(3, other:read "at.x")
    value.route, value.at = {}, nil
    editor:write("route", value.route)
    assert.equal(0, #other:read "route")
    editor:set(value)
    assert.is_nil(other:read "at")
  end)

  it("refuse a value whose list has a count that is larger than it", function()
    local _, damaged = segment.make(Lists)
    local path, bytes = damaged:info().path, ipmmap.bytes(damaged:snapshot())
    local file = assert(io.open(path, "r+b"))
    local start = assert(file:read "*a":find(bytes, 1, true))
    file:seek("set", start - 1 + Lists:offsetof "route")
    file:write "\4\0\0\0"
    file:close()
    local value = damaged:snapshot()
    editor:write("number", 3)
    local is_done, raised = pcall(editor.set, editor, value)
    assert.is_false(is_done)
    assert.equal("corrupt", type(raised) == "table" and raised.code or raised)
    assert.truthy(raised.message:find("CompatibleLists.route: 4 elements are more than its 3", 1, true), raised.message)
    assert.equal(0, #other:read "route")
    assert.equal(3, other:read "number")
  end)
end)

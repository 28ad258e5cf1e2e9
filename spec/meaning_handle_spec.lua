-- Enumerations, limits, defaults, lists and optional fields through handles.
local ipmmap = require "ipmmap"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

ipmmap.enum("MeaningHandleMode", "uint8", { "idle", "walk" })
ipmmap.struct("MeaningHandleItem", {
  { "id", "int32", default = 7, min = 0 }, { "name", "char[8]" }, { "tags", "int16[<=3]" },
})
local S = ipmmap.base:extend("MeaningHandle", {
  { "volume", "float", default = 0.5, min = 0, max = 1 }, { "mode", "MeaningHandleMode", default = "walk" },
  { "items", "MeaningHandleItem[<=3]" }, { "item", "MeaningHandleItem?" }, { "left", "int32?", max = 5 },
  { "parts", "MeaningHandleItem[2]" }, { "gains", "double[3]", default = { 1, 2 } }, { "total", "int64", max = 100 },
})

-- Overwrites bytes of a segment's file as a program that has no lock would do it.
local function poke(handle, path, bytes)
  local file = assert(io.open(handle:info().path, "r+b"))
  local text = file:read "*a"
  local at = assert(text:find(ipmmap.bytes(handle:snapshot()), 1, true))
  file:seek("set", at - 1 + S:offsetof(path))
  file:write(bytes)
  file:close()
end

local function raises(code, text, fn, ...)
  local is_done, object = pcall(fn, ...)
  assert.is_false(is_done)
  assert.equal(code, type(object) == "table" and object.code or object)
  assert.truthy(object.message:find(text, 1, true), object.message)
end

describe("a segment", function()
  local dir, manager, editor, reader
  before_each(function() dir, manager, editor, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  it("begins with the defaults, and has them again after clear and force", function()
    local function check_defaults()
      local v = reader:snapshot()
      assert.same({ 0.5, "walk", 0, 7 }, { v.volume, v.mode, #v.items, v.parts[2].id })
      assert.is_nil(v.item)
      assert.same({ 1, 2, 0 }, ipmmap.totable(v.gains))
    end
    check_defaults()
    manager:set { volume = 1, mode = "idle", items = { {} }, item = {}, gains = { 9 }, parts = { {}, { id = 2 } } }
    editor:clear()
    check_defaults()
    manager:write("volume", 1)
    segment.open("manager", S, { create = true, force = true, mmap_dir = dir })
    check_defaults()
  end)

  it("updates an optional field by a function, which gets nil where it is absent", function()
    assert.equal(3, editor:update("left", function(old)
      assert.is_nil(old)
      return 3
    end))
    assert.equal(4, editor:update("left", function(old) return old + 1 end))
    refused("MeaningHandle.left: 6 is above the limit of 5", editor.update, editor, "left", function() return 6 end)
    assert.equal(7, editor:update("item", function() return {} end).id)
    assert.equal(8, editor:update("item", function(old) return { id = old.id + 1 } end).id)
    assert.is_nil(editor:update("left", function() end))
    assert.same({ nil, 8 }, { reader:read "left", reader:read "item.id" })
  end)

  it("refuses an update of what is not there before it calls the function", function()
    local function never() error "called" end
    refused("MeaningHandle.items: index 1 is out of range: the list is empty", editor.update, editor,
      "items[1]", never)
    refused("MeaningHandle.items: index 1 is out of range: the list is empty", editor.update, editor,
      "items[1].id", never)
    refused("MeaningHandle.item.id: MeaningHandle.item is absent", editor.update, editor, "item.id", never)
    editor:write("items", { {}, {} })
    assert.equal(9, editor:update("items[2].id", function(old) return old + 2 end))
    refused("MeaningHandle.items: index 2 is out of range (1 to 1)", editor.update, editor, "items[2]", function()
      editor:write("items", { {} })
      return {}
    end)
    assert.equal(2, #reader:read "items")
  end)

  it("keeps limits in write, set and add", function()
    refused("MeaningHandle.volume: 1.5 is above the limit of 1", editor.write, editor, "volume", 1.5)
    refused("MeaningHandle.parts[2].id: -1 is below the limit of 0", editor.set, editor,
      { volume = 0, parts = { {}, { id = -1 } } })
    refused("MeaningHandle.volume: 1.25 is above the limit of 1", editor.add, editor, "volume", 0.75)
    refused("MeaningHandle.total: 101 is above the limit of 100", editor.add, editor, "total", 101)
    refused("MeaningHandle.parts[1].id: -1 is below the limit of 0", editor.add, editor, "parts[1].id", -8)
    assert.equal(0, editor:version())
    assert.equal(0.5, reader:read "volume")
    assert.equal(100, editor:add("total", 100))
    assert.is_true(segment.is_free(manager))
  end)

  it("keeps limits in bor and band", function()
    editor:write("total", 64)
    refused("MeaningHandle.total: 127 is above the limit of 100", editor.bor, editor, "total", 63)
    assert.equal(64, editor:band("total", 100))
    assert.equal(96, editor:bor("total", 32))
  end)

  it("reads and writes enumerations by path", function()
    assert.equal("walk", reader:read "mode")
    editor:write("mode", "idle")
    assert.equal("idle", reader:read "mode")
    editor:write("mode", 9)
    assert.equal(9, reader:read "mode")
    refused("MeaningHandle.mode: 'run' is not a name", editor.write, editor, "mode", "run")
    refused("MeaningHandle.mode: MeaningHandleMode is not a number to add to", editor.add, editor, "mode", 1)
  end)

  it("reads the elements of a list by path, and nil after the last one", function()
    editor:write("items", { { id = 1, tags = { 5, 6 } }, { id = 2 } })
    for _, handle in ipairs { reader, editor } do
      assert.equal(2, #handle:read "items")
      assert.equal(2, handle:read "items[2].id")
      assert.equal(6, handle:read "items[1].tags[2]")
      assert.equal(2, handle:read "items[2]".id)
      assert.is_nil(handle:read "items[3]")
      assert.is_nil(handle:read "items[3].id")
      refused("MeaningHandle.items[2].tags: index 2 is out of range: the list is empty", handle.read, handle,
        "items[2].tags[2]")
      refused("index 4 is outside 1..3 in 'items[4]'", handle.read, handle, "items[4]")
    end
    editor:write("items", { {} })
    refused("MeaningHandle.items: index 3 is out of range (1 to 1)", reader.read, reader, "items[3].id")
  end)

  it("reads by path what its own lock sees", function()
    editor:with(function(v)
      v.items[1] = { id = 4 }
      v.left = 3
      assert.equal(4, editor:read "items[1].id")
      assert.equal(3, editor:read "left")
      assert.is_nil(reader:read "items[1]")
      assert.is_nil(reader:read "left")
    end)
    assert.equal(3, reader:read "left")
  end)

  it("writes the elements of a list by path, and appends after the last one", function()
    editor:write("items[1]", { name = "a" })
    editor:write("items[2]", { id = 2 })
    editor:write("items[2].id", 3)
    assert.equal(9, editor:add("items[2].id", 6))
    editor:write("items[1]", { tags = { 1 } })
    editor:write("items[1].tags[2]", 4)
    assert.same({ { id = 7, name = "a", tags = { 1, 4 } }, { id = 9, name = "", tags = {} } },
      ipmmap.totable(reader:read "items"))
    local version = editor:version()
    refused("MeaningHandle.items: index 3 is out of range (1 to 2)", editor.write, editor, "items[3].id", 1)
    refused("MeaningHandle.items: index 3 is out of range (1 to 2)", editor.add, editor, "items[3].id", 1)
    refused("MeaningHandle.items[2].tags: index 2 is out of range: the list is empty", editor.write, editor,
      "items[2].tags[2]", 1)
    refused("MeaningHandle.items[3].id: -1 is below the limit of 0", editor.write, editor, "items[3]", { id = -1 })
    assert.equal(version, editor:version())
    assert.is_true(segment.is_free(manager))
    editor:with(function(v)
      editor:write("items[3]", { id = 5 })
      assert.equal(5, v.items[3].id)
    end)
  end)

  it("reads and writes optional fields by path", function()
    assert.is_nil(reader:read "left")
    assert.is_nil(reader:read "item.id")
    editor:write("left", 5)
    assert.equal(5, reader:read "left")
    refused("MeaningHandle.left: 6 is above the limit of 5", editor.write, editor, "left", 6)
    editor:write("left", nil)
    assert.is_nil(reader:read "left")
    refused("MeaningHandle.item.id: MeaningHandle.item is absent", editor.write, editor, "item.id", 3)
    editor:write("item", { name = "a" })
    editor:write("item.id", 3)
    assert.equal(4, editor:add("item.id", 1))
    assert.same({ id = 4, name = "a", tags = {} }, ipmmap.totable(reader:read "item"))
    assert.equal("a", reader:read "item.name")
    editor:set { item = { id = 1 }, left = 2 }
    assert.same({ 1, "", 2 }, { reader:read "item.id", reader:read "item.name", reader:read "left" })
    editor:write("item", nil)
    assert.is_nil(reader:read "item")
    assert.is_true(segment.is_free(manager))
  end)

  it("waits for a list or an optional field as a whole", function()
    reader:wait("left", 0)
    editor:write("left", 4)
    assert.equal(4, reader:wait("left", 1))
    editor:write("left", nil)
    local value, message = reader:wait("left", 1)
    assert.same({ nil, nil }, { value, message })
    reader:wait("items", 0)
    editor:write("items[1]", {})
    assert.equal(1, #reader:wait("items", 1))
    refused("MeaningHandle.items[1].id: it may come and go: wait for the whole list or optional field",
      reader.wait, reader, "items[1].id", 0)
  end)

  it("is corrupt where the count of a list is larger than the list", function()
    editor:write("items", { {}, {} })
    poke(editor, "items", "\4\0\0\0")
    local text = "MeaningHandle.items: 4 elements are more than its 3"
    raises("corrupt", text, reader.read, reader, "items[1].id")
    raises("corrupt", text, editor.write, editor, "items[1].id", 1)
    raises("corrupt", text, editor.write, editor, "items[1]", {})
    raises("corrupt", text, editor.add, editor, "items[1].id", 1)
    local value = reader:snapshot()
    raises("corrupt", text, function() return #value.items end)
    raises("corrupt", text, function() return value.items[1] end)
    raises("corrupt", text, function() value.items[1] = {} end)
    raises("corrupt", text, ipmmap.totable, value)
    raises("corrupt", text, function() for _ in ipmmap.pairs(value.items) do error "visited" end end)
    assert.same({ nil, text }, { ipmmap.check(value) })
    refused(text, function() editor:set(value) end)
    raises("corrupt", text, function() editor:with(function(v) return #v.items end) end)
    assert.is_true(segment.is_free(manager))
    editor:write("items", {})
    assert.equal(0, #reader:read "items")
  end)

  it("refuses changes of lists and optional fields by readers, in feeds' values and after the lock", function()
    editor:set { items = { {} }, item = {} }
    local function refuses(text, v)
      local before = ipmmap.bytes(v)
      refused(text, function() v.items[2] = {} end)
      refused(text, function() v.items[1] = nil end)
      refused(text, function() v.items[1].id = 1 end)
      refused(text, function() v.items = {} end)
      refused(text, function() v.item = nil end)
      refused(text, function() v.left = 1 end)
      assert.equal(before, ipmmap.bytes(v))
    end
    reader:with(function(v) refuses("a reader cannot write", v) end)
    refuses("a feed's value cannot be written", (reader:feed(0):next(1)))
    local items, item
    editor:with(function(v) items, item = v.items, v.item end)
    local text = "view used after its lock was released"
    refused(text, function() return #items end)
    refused(text, function() return items[1] end)
    refused(text, function() items[2] = {} end)
    refused(text, function() items[1] = nil end)
    refused(text, function() return item.id end)
    refused(text, function() for _ in ipmmap.pairs(items) do error "visited" end end)
  end)

  it("takes any byte but 0 for the presence of an optional field", function()
    poke(editor, "left", "\255")
    assert.equal(0, reader:read "left")
  end)
end)

describe("the option init", function()
  local dir
  before_each(function() dir = tmpdir() end)
  after_each(segment.close)

  local function make(init, more)
    local options = { create = true, mmap_dir = dir, init = init }
    for name, value in pairs(more or {}) do options[name] = value end
    return segment.open("manager", S, options)
  end

  it("has the first values of a segment that is made; the rest has the defaults", function()
    local manager = make { mode = "idle", items = { { name = "a" } }, gains = { 3 }, left = 1 }
    local v = manager:snapshot()
    assert.same({ 0.5, "idle", 7, "a", 1 }, { v.volume, v.mode, v.items[1].id, v.items[1].name, v.left })
    assert.same({ 3, 2, 0 }, ipmmap.totable(v.gains))
    assert.equal(0x1128, v.header.header_code)
    assert.is_true(v.header.time_stamp > 0)
  end)

  it("does not change a segment that is there, unless force is given", function()
    make():write("volume", 0.25)
    assert.equal(0.25, make({ volume = 1 }):read "volume")
    assert.equal(1, make({ volume = 1 }, { force = true }):read "volume")
  end)

  it("may be a value of the struct", function()
    local manager = make(S:new { volume = 0.75 })
    assert.equal(0.75, manager:read "volume")
    assert.equal("idle", manager:read "mode")
    assert.is_true(manager:last_update() > 0)
  end)

  it("is checked before anything is made", function()
    local function refuses(text, init)
      refused(text, ipmmap.manager, S, { create = true, mmap_dir = dir, init = init })
    end
    refuses("MeaningHandle.volume: 2 is above the limit of 1", { volume = 2 })
    refuses("MeaningHandle: no field 'x'", { x = 1 })
    refuses("option 'init': 5 is neither a table nor a value", 5)
    refused("option 'init' has the first values of what 'create' makes: give both", ipmmap.manager, S,
      { mmap_dir = dir, init = {} })
    refused("option 'init' is for a manager", ipmmap.editor, S, { mmap_dir = dir, init = {} })
    assert.is_nil(ipmmap.reader(S, { mmap_dir = dir }))
  end)
end)

describe("a handle whose file has other attributes", function()
  local HEAD = tostring(ipmmap.base)
  local File = assert(ipmmap.parse("enum M : uint8 { off = 0 on = 1 }\n" .. HEAD
    .. "struct MeaningFile : BaseMmapStructure { level: int32 (default 3, max 10) mode: M grid: int32[3] }"))
  local Definition = assert(ipmmap.parse(HEAD
    .. "struct MeaningFile : BaseMmapStructure { level: int32 (min 5) mode: uint8 grid: int32[3] (default 4) }"))
  local dir
  after_each(segment.close)
  before_each(function()
    dir = tmpdir()
    segment.open("manager", File, { create = true, mmap_dir = dir })
  end)

  it("uses the attributes of the file", function()
    local editor = segment.open("editor", Definition, { mmap_dir = dir })
    assert.equal(3, editor:read "level")
    assert.equal("off", editor:read "mode")
    editor:write("mode", "on")
    editor:write("level", 1)
    refused("MeaningFile.level: 11 is above the limit of 10", editor.write, editor, "level", 11)
    editor:with(function(v)
      v.level = 2
      v.grid = { 1 }
      assert.same({ 1, 0, 0 }, ipmmap.totable(v.grid))
      refused("MeaningFile.level: 11 is above the limit of 10", function() v.level = 11 end)
    end)
    editor:clear()
    assert.equal(3, editor:read "level")
  end)

  it("takes values of the definition, if they are within the file's limits", function()
    local editor = segment.open("editor", Definition, { mmap_dir = dir })
    local value = Definition:new { level = 6, mode = 1, grid = { 1, 2, 3 } }
    editor:set(value)
    assert.same({ 6, "on" }, { editor:read "level", editor:read "mode" })
    assert.equal(0x1128, editor:read "header.header_code")
    editor:write("grid", Definition:new({ grid = { 7 } }).grid)
    assert.equal(7, editor:read "grid[1]")
    assert.equal(6, editor:snapshot(value).level)
    value.level = 20
    refused("MeaningFile.level: 20 is above the limit of 10", editor.set, editor, value)
    assert.equal(6, editor:read "level")
  end)

  it("uses those of the next file, if it follows", function()
    local editor = segment.open("editor", Definition, { mmap_dir = dir, follow = true })
    refused("above the limit of 10", editor.write, editor, "level", 11)
    local manager = segment.open("manager", File, { mmap_dir = dir })
    manager:destroy()
    segment.open("manager", Definition, { create = true, mmap_dir = dir })
    editor:version()
    editor:write("level", 11)
    refused("MeaningFile.level: 4 is below the limit of 5", editor.write, editor, "level", 4)
    assert.equal(0, editor:read "mode")
  end)

  it("keeps the definition's own layout if the attributes are the same", function()
    local other = tmpdir()
    local manager = segment.open("manager", Definition, { create = true, mmap_dir = other })
    assert.equal(4, manager:read "grid[3]")
    refused("MeaningFile.level: 4 is below the limit of 5", manager.write, manager, "level", 4)
  end)
end)

-- Allocations of enumerations, lists and optional fields: those that fail, and those that are not made.
local ipmmap = require "ipmmap"
local memory = require "spec.helper.memory"
local segment = require "spec.helper.segment"

ipmmap.enum("MeaningMemoryMode", "uint8", { "idle", ("walk_"):rep(12) })
ipmmap.struct("MeaningMemoryItem", { { "id", "int32", max = 100 }, { "name", "char16[8]" }, { "at", "double[2]" } })
local S = ipmmap.base:extend("MeaningMemory", {
  { "mode", "MeaningMemoryMode" }, { "items", "MeaningMemoryItem[<=2000]" }, { "item", "MeaningMemoryItem?" },
  { "left", "int32?" }, { "numbers", "int32[<=100]" }, { "long", "char16[2000]" }, { "other", "MeaningMemoryItem" },
})

local many = {}
for i = 1, 100 do many[i] = { id = i, name = "añ", at = { i } } end

describe("an allocation that fails", function()
  local _, manager, editor, reader
  before_each(function() _, manager, editor, reader = segment.make(S, { "editor", "reader" }, { feed = 1048576 }) end)
  after_each(segment.close)

  local function survives(fn)
    for n = 1, 10000 do
      local failed, ok, result = memory.fail(n, fn)
      if not failed then
        assert.is_true(ok, result)
        return
      end
      collectgarbage()
      assert.is_true(segment.is_free(editor))
      local value = reader:snapshot()
      assert.is_true(ipmmap.check(value))
      assert.is_true(#value.items == 0 or #value.items == 1 or #value.items >= 100)
    end
    error "it never came to an end"
  end

  it("leaves lists as they were", function()
    survives(function()
      manager:write("items", many)
      manager:write("items[101]", { id = 5 })
      manager:with(function(v)
        v.items[#v.items + 1] = { id = 6, name = "x" }
        v.items[#v.items + 1] = v.items[1]
        v.numbers[1] = 5
        v.items = { v.other }
        v.items = many
      end)
      manager:read "items[3].id"
      manager:read "items"
      ipmmap.totable(reader:snapshot().items)
    end)
  end)

  it("leaves optional fields as they were", function()
    survives(function()
      manager:write("item", { id = 5, at = { 1, 2 } })
      manager:read "item"
      manager:with(function(v)
        v.item = v.other
        v.left = 5
      end)
      manager:add("item.id", 1)
      manager:write("item", nil)
      pcall(manager.write, manager, "item.id", 5)
      pcall(manager.write, manager, "item", { id = 101 })
    end)
  end)

  it("leaves feeds as they were", function()
    manager:set { items = { {} }, item = {}, left = 5 }
    survives(function()
      local feed <close> = reader:feed(0)
      assert(feed:next(0))
      for path in feed:changes() do assert(path) end
    end)
  end)

  it("does not register half a definition", function()
    local n = 0
    survives(function()
      n = n + 1
      ipmmap.enum("MeaningMemoryEnum" .. n, "uint8", { a = 1, b = 2 })
      ipmmap.struct("MeaningMemoryNew" .. n, { { "x", "float", min = 0, doc = "" }, { "m", "MeaningMemoryEnum" .. n } })
      ipmmap.manager(S, { create = true, mmap_dir = manager:info().path:match "^(.*)/", init = { left = 3 } }):close()
    end)
    assert.equal(2, ipmmap.lookup("MeaningMemoryEnum" .. n).b)
  end)
end)

describe("a read or a write of a field with a meaning", function()
  after_each(segment.close)

  it("allocates nothing", function()
    local _, manager = segment.make(S)
    manager:set { items = { { id = 1 } }, left = 3, item = { id = 4 } }
    local v <close> = manager:lock()
    local item, items, numbers = v.item, v.items, v.numbers
    local function use()
      v.mode = 1
      local _ = v.mode
      v.mode = 0
      _ = v.mode
      _ = items[1].id
      _ = v.left
      v.left = nil
      v.left = 4
      numbers[#numbers + 1] = 5
      numbers[#numbers] = nil
      item.id = 5
      _ = manager:read "mode"
    end
    use()
    collectgarbage()
    collectgarbage "stop"
    use()
    local before = collectgarbage "count"
    for _ = 1, 1000 do use() end
    local used = collectgarbage "count" - before
    collectgarbage "restart"
    assert.equal(0, used)
  end)
end)

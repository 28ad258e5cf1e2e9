local ipmmap = require "ipmmap"
local memory = require "spec.helper.memory"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

ipmmap.struct("MemorySpecPoint", { { "x", "double" } })
local S = ipmmap.base:extend("MemorySpec", {
  { "number", "int32" }, { "point", "MemorySpecPoint" }, { "points", "MemorySpecPoint[24]" },
  { "text", "char[600]" },
})
local Fewer = assert(ipmmap.parse(tostring(ipmmap.base)
  .. "struct MemorySpec : BaseMmapStructure { number: int32 }"))

-- Not by a pipe, which would be among them.
local function descriptors()
  local list = tmpdir() .. "/descriptors"
  assert(os.execute(("ls /proc/$PPID/fd >'%s'"):format(list)))
  local file <close> = assert(io.open(list))
  return file:read "a"
end

local function mappings(dir)
  local maps <close> = assert(io.open "/proc/self/maps")
  local _, found = maps:read("a"):gsub(dir:gsub("%-", "%%-"), "")
  return found
end

describe("an allocation that fails", function()
  local dir, manager, editor, reader
  setup(function() dir, manager, editor, reader = segment.make(S, { "editor", "reader" }) end)
  teardown(segment.close)

  -- Fails each allocation of fn in turn; after each, `check` finds all as it was.
  local function survives(fn, check)
    for n = 1, 10000 do
      local failed, ok, result = memory.fail(n, fn)
      if not failed then
        assert.is_true(ok, result)
        return n
      end
      collectgarbage()
      check(ok)
    end
    error "it never came to an end"
  end

  local function is_free()
    assert(editor:try_lock())
    editor:rollback()
  end

  it("leaves no lock behind: in a block", function()
    local tries = survives(function()
      local data <close> = manager:lock()
      data.number = 1
      data.point.x = 1
      data.points[3].x = 2
      data.text = ("x"):rep(500)
      return ipmmap.totable(data), ipmmap.bytes(data), tostring(data)
    end, is_free)
    assert.truthy(tries > 10)
  end)

  it("leaves no lock behind: explicitly locked and unlocked", function()
    survives(function()
      local third <close> = assert(ipmmap.editor(S, { mmap_dir = dir }))
      local data = third:lock()
      data.point.x = 1
      third:unlock()
    end, is_free)
  end)

  it("leaves no lock behind: methods outside a lock", function()
    survives(function()
      manager:write("points[2]", { x = 4 })
      manager:set { number = 1, points = { { x = 1 } } }
      manager:add("number", 1)
      manager:touch()
      reader:read "text"
      reader:read "points"
      reader:snapshot()
      reader:info()
      manager:with(function(data) data.number = 2 end)
    end, is_free)
  end)

  it("leaves no lock behind: errors", function()
    survives(function()
      pcall(manager.write, manager, "number", 1.5)
      pcall(manager.add, manager, "number", 2 ^ 40 | 0)
      pcall(manager.with, manager, function(data) data.number = "x" end)
      pcall(manager.with, manager, function(data) return data.nope end)
      manager:try_lock(0)
      manager:rollback()
    end, function()
      pcall(manager.rollback, manager)
      is_free()
    end)
  end)

  it("leaves no mapping and no descriptor behind", function()
    collectgarbage() -- what earlier tests have left open
    collectgarbage()
    local mapped = mappings(dir)
    local open = descriptors()
    survives(function()
      local third <close> = assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
      third:lock()
      local fourth <close> = assert(ipmmap.reader(Fewer, { mmap_dir = dir, layout = "compatible" }))
      fourth:snapshot(Fewer:new())
    end, function()
      assert.equal(mapped, mappings(dir))
    end)
    collectgarbage()
    assert.equal(open, descriptors())
    is_free()
  end)

  it("leaves the registry as it was", function()
    local n = 0
    survives(function()
      n = n + 1
      ipmmap.struct("MemorySpecNew" .. n, { { "p", "MemorySpecPoint[2]" }, { "s", "char[4]" } })
      return S:new { points = { { x = 1 } } }
    end, function(ok)
      local found = ipmmap.lookup("MemorySpecNew" .. n)
      assert.truthy(not ok or found)
      if found then assert.equal(24, found.size) end
    end)
  end)
end)

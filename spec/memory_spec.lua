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

local many_points = {}
for i = 1, 24 do many_points[i] = { x = i } end

-- The list goes to a file: the descriptor of a pipe would be in the list.
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

  -- Lets each allocation of fn fail in turn, and calls `check` after each.
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

  it("leaves no lock held by a block", function()
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

  it("leaves no lock held by explicit lock and unlock", function()
    survives(function()
      local third <close> = assert(ipmmap.editor(S, { mmap_dir = dir }))
      local data = third:lock()
      data.point.x = 1
      third:unlock()
    end, is_free)
  end)

  it("leaves no lock held by methods outside a lock", function()
    survives(function()
      manager:write("points[2]", { x = 4 })
      manager:set { number = 1, points = { { x = 1 } } }
      manager:set { points = many_points }
      manager:add("number", 1)
      manager:touch()
      reader:read "text"
      reader:read "points"
      reader:snapshot()
      reader:info()
      manager:with(function(data) data.number = 2 end)
    end, is_free)
  end)

  it("leaves no lock behind: commits of other machines", function()
    local sharer <close> = assert(ipmmap.manager(S, { mmap_dir = dir, shares = true }))
    survives(function()
      assert(sharer:apply(("\0"):rep(8), sharer:version() + 2) == nil)
      assert(sharer:apply("", sharer:version() + 2))
      assert(sharer:edit("", "") == nil)
      local _ <close> = sharer:lock()
      sharer:set_share { place = "unshared" }
      assert(sharer:share().place == "unshared")
    end, is_free)
  end)

  it("leaves no lock behind: feeds", function()
    survives(function()
      local feed <close> = reader:feed(0)
      assert(feed:next(0))
      for path, value in feed:changes() do assert(path and value ~= nil) end
      feed:patch()
      for _ in feed:commits(0) do error "there is no other" end
    end, is_free)
  end)

  it("leaves no lock held by calls that raise errors", function()
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

  it("leaks no mapping and no descriptor", function()
    collectgarbage() -- closes the handles of earlier tests
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

  it("leaves nothing of a conversion and of a migration's report behind", function()
    local Wider = assert(ipmmap.parse((tostring(S):gsub("number: int32", "number: int64"))))
    local other = tmpdir()
    ipmmap.manager(S, { create = true, mmap_dir = other }):close()
    local migrated <close> = assert(ipmmap.manager(Wider, {
      create = true, migrate = true, mmap_dir = other,
    }))
    survives(function()
      local value, report = Wider:convert(S:new { number = 3 })
      assert(value.number == 3 and #report.kept == 4 and #migrated:info().migrated.kept == 4)
    end, is_free)
  end)

  it("does not change the registry", function()
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

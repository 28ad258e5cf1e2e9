-- What Lua has and LuaJIT has not: <close>, locks without a function, finalizers of tables.
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.struct("CloseSpecPoint", { { "x", "double" } })
local S = ipmmap.base:extend("CloseSpec", { { "number", "int32" }, { "point", "CloseSpecPoint" } })

describe("a lock in a <close> variable", function()
  local dir, editor, other, reader
  before_each(function() dir, editor, other, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  it("commits at the end of its block", function()
    do
      local data <close> = editor:lock()
      data.number = 1
      assert.equal(0, reader:read "number")
    end
    assert.equal(1, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("rolls back if an error ends its block, and passes the error on", function()
    local raised = {}
    local ok, error_object = pcall(function()
      local data <close> = editor:lock()
      data.number, data.point.x = 1, 2
      error(raised)
    end)
    assert.is_false(ok)
    assert.equal(raised, error_object)
    assert.equal(0, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("rolls back if the error about a refused value ends its block", function()
    assert.has_error(function()
      local data <close> = editor:lock()
      data.number = 1
      data.point.x = "wrong"
    end)
    assert.equal(0, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("is released by return, break and goto", function()
    local function returns()
      local data <close> = editor:lock()
      data.number = data.number + 1
      return data.number
    end
    assert.equal(1, returns())
    for _ = 1, 2 do
      local data <close> = editor:lock()
      data.number = data.number + 1
      if data.number == 2 then break end
    end
    assert.equal(2, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("is refused if the handle holds it already", function()
    local data <close> = editor:lock()
    refused("CloseSpec: this handle holds its lock already", editor.lock, editor)
    refused("CloseSpec: this handle holds its lock already", editor.try_lock, editor)
    refused("CloseSpec: this handle holds its lock already", editor.with, editor, print)
    data.number = 1
    editor:unlock()
    local _ <close> = reader:lock()
    refused("CloseSpec: this handle holds its lock already", reader.lock, reader)
  end)

  it("fails with deadlock if the thread holds it through another handle", function()
    local _ <close> = editor:lock()
    for _, handle in ipairs { other, reader } do
      local ok, raised = pcall(handle.lock, handle)
      assert.is_false(ok)
      assert.equal("deadlock", raised.code)
      assert.equal(raised.message, tostring(raised))
      assert.equal("deadlock", select(3, handle:try_lock()))
      assert.equal("deadlock", select(3, handle:try_lock(0.01)))
    end
    local ok, raised = pcall(other.write, other, "number", 1)
    assert.is_false(ok)
    assert.equal("deadlock", raised.code)
  end)

  it("fails with deadlock even if both handles take the read lock", function()
    local another <close> = assert(ipmmap.reader(S, { mmap_dir = dir }))
    reader:lock()
    for _, handle in ipairs { editor, another } do
      assert.equal("deadlock", select(3, handle:try_lock(5)))
      assert.equal("deadlock", select(2, pcall(handle.lock, handle)).code)
    end
    reader:unlock()
    editor:write("number", 1)
    assert.equal(1, another:read "number")
  end)

  it("times out while another process holds it", function()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      ipmmap.struct("CloseSpecPoint", { { "x", "double" } })
      local S = ipmmap.base:extend("CloseSpec", {
        { "number", "int32" }, { "point", "CloseSpecPoint" },
      })
      local data <close> = assert(ipmmap.editor(S, { mmap_dir = ... })):lock()
      print "locked"
      io.read()
    ]], dir)
    child:expect "locked"
    for _, handle in ipairs { editor, reader } do
      local view, message, code = handle:try_lock()
      assert.is_nil(view)
      assert.is_string(message)
      assert.equal("timeout", code)
      assert.equal("timeout", select(3, handle:try_lock(0.02)))
      assert.equal("timeout", select(3, handle:try_lock(-1)))
    end
    child:send ""
    local data <close> = assert(editor:try_lock(10))
    data.number = 1
  end)

  it("refuses a timeout that is not a number", function()
    for _, seconds in ipairs { "1", 0 / 0, {} } do
      assert.error_matches(function() editor:try_lock(seconds) end, "CloseSpec.*seconds")
    end
    assert.is_true(segment.is_free(other))
  end)

  it("takes any number as a timeout", function()
    for _, seconds in ipairs { 0, -1, 1e-12, 5, 1e300, math.huge } do
      local view <close> = assert(editor:try_lock(seconds))
      assert.equal(0, view.number)
    end
  end)

  it("can be released in another coroutine than the one that took it", function()
    local data
    coroutine.wrap(function() data = editor:lock() end)()
    data.number = 1
    coroutine.wrap(function() editor:unlock() end)()
    assert.equal(1, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("rolls back if the error that ends its block is nil", function()
    assert.is_false(pcall(function()
      local data <close> = editor:lock()
      data.number = 1
      error()
    end))
    assert.is_false(pcall(coroutine.wrap(function()
      local data <close> = editor:lock()
      data.number = 1
      error()
    end)))
    assert.equal(0, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("rolls back if the error of a finalizer ends its block", function()
    local is_done
    setmetatable({}, { __gc = function()
      local data <close> = editor:lock()
      data.number = 1
      is_done = true
      error()
    end })
    repeat local _ = {} until is_done
    assert.equal(0, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("rolls back if its coroutine is closed inside the block", function()
    local co = coroutine.create(function()
      local data <close> = editor:lock()
      data.number = 1
      coroutine.yield()
    end)
    coroutine.resume(co)
    coroutine.close(co)
    assert.equal(0, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("rolls back if os.exit closes the state inside the block", function()
    process.spawn([[
      local ipmmap = require "ipmmap"
      ipmmap.struct("CloseSpecPoint", { { "x", "double" } })
      local S = ipmmap.base:extend("CloseSpec", {
        { "number", "int32" }, { "point", "CloseSpecPoint" },
      })
      local data <close> = assert(ipmmap.editor(S, { mmap_dir = ... })):lock()
      data.number = 1
      os.exit(0, true)
    ]], dir):join()
    assert.equal(0, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("commits at the end of its block, whatever function that block is in", function()
    local function lock() return editor:lock() end
    do
      local data <close> = lock()
      data.number = 1
    end
    local co = coroutine.wrap(function()
      local data <close> = editor:lock()
      coroutine.yield()
      data.number = data.number + 1
    end)
    co()
    co()
    assert.equal(2, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("gives an error about its taking the position of the call, and one about the commit that of the block's end",
    function()
      local here
      local function raised_by(fn)
        local ok, raised = pcall(fn)
        assert.is_false(ok)
        local file = debug.getinfo(1, "S").short_src
        assert.equal(("%s:%d: %s"):format(file, here, raised.message), tostring(raised))
        return raised.code
      end
      reader:lock()
      assert.equal("deadlock", raised_by(function()
        here = debug.getinfo(1, "l").currentline + 1
        local _ <close> = editor:lock()
      end))
      reader:unlock()
      assert.equal("replaced", raised_by(function()
        here = debug.getinfo(1, "l").currentline + 3
        do
          local data <close> = editor:lock()
          data.number = 1; assert(ipmmap.manager(S, { mmap_dir = dir })):destroy() end
      end))
    end)
end)

describe("a handle", function()
  local dir, manager, reader
  before_each(function() dir, manager, reader = segment.make(S, { "reader" }, { tag = "t" }) end)
  after_each(segment.close)

  it("is closed at the end of its block, and by the collector", function()
    local escaped
    do
      local editor <close> = assert(ipmmap.editor(S, { mmap_dir = dir, tag = "t" }))
      escaped = editor
      editor:lock().number = 9
    end
    refused("this editor is closed", escaped.lock, escaped)
    assert.equal(0, reader:read "number")
    do
      local editor = assert(ipmmap.editor(S, { mmap_dir = dir, tag = "t" }))
      editor:lock().number = 9
    end
    collectgarbage()
    collectgarbage()
    local data <close> = manager:lock()
    assert.equal(0, data.number)
  end)

  it("returns correct information, or raises an error if a finalizer closes it meanwhile", function()
    local there = { mmap_dir = ("%s/%s"):format(dir, ("long"):rep(20)), create = true }
    local first <close> = assert(ipmmap.manager(S, there))
    local expected = first:info()
    local mode = collectgarbage "generational"
    collectgarbage("generational", 1)
    finally(function() collectgarbage(mode) end)
    for _ = 1, 5000 do
      local handle = assert(ipmmap.reader(S, { mmap_dir = there.mmap_dir }))
      setmetatable({}, { __gc = function() handle:close() end })
      local ok, info = pcall(handle.info, handle)
      assert(not ok or info.path == expected.path and info.lock_path == expected.lock_path)
    end
  end)

  it("can be collected by hand without harm", function()
    local data = manager:lock()
    data.number = 5
    for _ = 1, 2 do getmetatable(manager).__gc(manager) end
    refused("this manager is closed", manager.lock, manager)
    refused("view used after its lock was released", function() return data.number end)
    assert.equal(0, reader:read "number")
    for _ = 1, 3 do getmetatable(data).__gc(data) end
  end)

  it("outlives its Struct's collection by hand", function()
    local T = ipmmap.base:extend("CloseSpecGone", { { "number", "int32" } })
    local gone <close> = assert(ipmmap.manager(T, { create = true, mmap_dir = dir }))
    getmetatable(T).__gc(T)
    gone:write("number", 5)
    local data <close> = gone:lock()
    assert.equal(5, data.number)
    assert.has_error(function() ipmmap.manager(T, { mmap_dir = dir }) end)
    require("ipmmap.core").structs.CloseSpecGone = nil
  end)

  it("has metamethods that refuse anything but a handle", function()
    for name, method in pairs(getmetatable(manager)) do
      if type(method) == "function" then
        assert.has_error(function() method(S:new()) end, nil, name)
      end
    end
  end)

end)

describe("a view in a <close> variable", function()
  after_each(segment.close)

  it("allocates nothing for a lock, accesses and the unlock after the first time", function()
    ipmmap.struct("CloseSpecPair", { { "x", "double" }, { "y", "double" } })
    local Grid = ipmmap.base:extend("CloseSpecGrid", {
      { "number", "int32" }, { "point", "CloseSpecPair" }, { "points", "CloseSpecPair[24]" }, { "grid", "int16[2][3]" },
    })
    local _, manager = segment.make(Grid)
    local function round(i)
      local data <close> = manager:lock()
      data.number = i
      data.point.x = i
      data.points[i % 24 + 1].y = data.point.x
      return data.grid[1][2]
    end
    for i = 1, 100 do round(i) end
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    for i = 1, 1000 do round(i) end
    local after = collectgarbage "count"
    collectgarbage "restart"
    assert.equal(before, after)
  end)
end)

describe("a feed", function()
  after_each(segment.close)

  it("is closed at the end of its block", function()
    local _, _, reader = segment.make(S, { "reader" })
    local kept
    do
      local feed <close> = reader:feed(0)
      kept = feed
    end
    refused("CloseSpec: this feed is closed", kept.next, kept)
  end)
end)

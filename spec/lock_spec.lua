local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.struct("LockSpecPoint", { { "x", "double" } })
local S = ipmmap.base:extend("LockSpec", { { "number", "int32" }, { "point", "LockSpecPoint" } })

describe("a lock", function()
  local dir, editor, other, reader
  before_each(function() dir, editor, other, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  local function is_free()
    local view <close> = other:try_lock()
    return view ~= nil
  end

  it("commits at the end of its block", function()
    do
      local data <close> = editor:lock()
      data.number = 1
      assert.equal(0, reader:read "number")
    end
    assert.equal(1, reader:read "number")
    assert.is_true(is_free())
  end)

  it("rolls back when an error ends its block, and the error goes on", function()
    local raised = {}
    local ok, error_object = pcall(function()
      local data <close> = editor:lock()
      data.number, data.point.x = 1, 2
      error(raised)
    end)
    assert.is_false(ok)
    assert.equal(raised, error_object)
    assert.equal(0, reader:read "number")
    assert.is_true(is_free())
  end)

  it("rolls back when a refused value ends its block", function()
    assert.has_error(function()
      local data <close> = editor:lock()
      data.number = 1
      data.point.x = "wrong"
    end)
    assert.equal(0, reader:read "number")
    assert.is_true(is_free())
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
    assert.is_true(is_free())
  end)

  it("is committed by unlock and undone by rollback", function()
    editor:lock().number = 1
    editor:unlock()
    assert.equal(1, reader:read "number")
    local data = editor:lock()
    data.number = 2
    editor:rollback()
    assert.equal(1, reader:read "number")
    refused("view used after its lock was released", function() return data.number end)
    assert.is_true(is_free())
  end)

  it("refuses to be released without being held", function()
    refused("LockSpec: unlock without a lock", editor.unlock, editor)
    refused("LockSpec: rollback without a lock", editor.rollback, editor)
    refused("LockSpec: unlock without a lock", reader.unlock, reader)
  end)

  it("is refused to a handle that holds it", function()
    local data <close> = editor:lock()
    refused("LockSpec: this handle holds its lock already", editor.lock, editor)
    refused("LockSpec: this handle holds its lock already", editor.try_lock, editor)
    refused("LockSpec: this handle holds its lock already", editor.with, editor, print)
    data.number = 1
    editor:unlock()
    local _ <close> = reader:lock()
    refused("LockSpec: this handle holds its lock already", reader.lock, reader)
  end)

  it("is a deadlock through another handle of the thread", function()
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

  it("times out while another process holds it", function()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      ipmmap.struct("LockSpecPoint", { { "x", "double" } })
      local S = ipmmap.base:extend("LockSpec", {
        { "number", "int32" }, { "point", "LockSpecPoint" },
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

  it("refuses seconds that are none", function()
    for _, seconds in ipairs { "1", 0 / 0, {} } do
      assert.error_matches(function() editor:try_lock(seconds) end, "LockSpec.*seconds")
    end
    assert.is_true(is_free())
  end)

  it("takes any number of seconds", function()
    for _, seconds in ipairs { 0, -1, 1e-12, 5, 1e300, math.huge } do
      local view <close> = assert(editor:try_lock(seconds))
      assert.equal(0, view.number)
    end
  end)

  it("taken in one coroutine can be released in another", function()
    local data
    coroutine.wrap(function() data = editor:lock() end)()
    data.number = 1
    coroutine.wrap(function() editor:unlock() end)()
    assert.equal(1, reader:read "number")
    assert.is_true(is_free())
  end)

  it("rolls back when the error that ends its block is nil", function()
    assert.is_false(pcall(function()
      local data <close> = editor:lock()
      data.number = 1
      error()
    end))
    assert.is_false(pcall(editor.with, editor, function(data)
      data.number = 1
      error()
    end))
    assert.is_false(pcall(coroutine.wrap(function()
      local data <close> = editor:lock()
      data.number = 1
      error()
    end)))
    assert.equal(0, reader:read "number")
    assert.is_true(is_free())
  end)

  it("rolls back when a finalizer fails in its block", function()
    local is_done
    setmetatable({}, { __gc = function()
      local data <close> = editor:lock()
      data.number = 1
      is_done = true
      error()
    end })
    repeat local _ = {} until is_done
    assert.equal(0, reader:read "number")
    assert.is_true(is_free())
  end)

  it("rolls back when its coroutine is closed in mid-block", function()
    local co = coroutine.create(function()
      local data <close> = editor:lock()
      data.number = 1
      coroutine.yield()
    end)
    coroutine.resume(co)
    coroutine.close(co)
    assert.equal(0, reader:read "number")
    assert.is_true(is_free())
  end)

  it("rolls back when os.exit closes the state in mid-block", function()
    process.spawn([[
      local ipmmap = require "ipmmap"
      ipmmap.struct("LockSpecPoint", { { "x", "double" } })
      local S = ipmmap.base:extend("LockSpec", {
        { "number", "int32" }, { "point", "LockSpecPoint" },
      })
      local data <close> = assert(ipmmap.editor(S, { mmap_dir = ... })):lock()
      data.number = 1
      os.exit(0, true)
    ]], dir):join()
    assert.equal(0, reader:read "number")
    assert.is_true(is_free())
  end)

  it("commits in whatever function it is closed at the end of a block", function()
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
    assert.is_true(is_free())
  end)

  describe("with a function", function()
    it("passes the view and arguments, and returns what it returns", function()
      assert.same({ 1, nil, 3, n = 3 }, table.pack(editor:with(function(data, a, b, c)
        data.number = 5
        assert.is_nil(b)
        return a, b, c
      end, 1, nil, 3)))
      assert.equal(5, reader:read "number")
      assert.equal(5, reader:with(function(data) return data.number end))
      assert.equal(0, select("#", editor:with(function() end)))
    end)

    it("rolls back on an error, which goes on", function()
      local raised = {}
      assert.equal(raised, select(2, pcall(editor.with, editor, function(data)
        data.number = 5
        error(raised)
      end)))
      assert.equal(0, reader:read "number")
      assert.is_false(pcall(reader.with, reader, error, "x"))
      assert.is_true(is_free())
    end)

    it("may be left by a yield", function()
      local co = coroutine.wrap(function()
        return editor:with(function(data)
          coroutine.yield("inside")
          data.number = 6
          return "done"
        end)
      end)
      assert.equal("inside", co())
      assert.equal("done", co())
      assert.equal(6, reader:read "number")
    end)

    it("may be released inside", function()
      editor:with(function(data)
        data.number = 1
        editor:unlock()
      end)
      editor:with(function(data)
        data.number = 2
        editor:rollback()
      end)
      assert.equal(1, reader:read "number")
    end)

    it("takes what can be called, and nothing else", function()
      assert.equal(7, editor:with(setmetatable({}, { __call = function() return 7 end })))
      refused("with takes a function, not nil", editor.with, editor)
      refused("with takes a function, not 5", editor.with, editor, 5)
      refused("with takes a function, not 'x'", editor.with, editor, "x")
      assert.is_true(is_free())
    end)
  end)

  describe("whose view is closed late", function()
    it("is left alone if it was released before", function()
      local first = editor:lock()
      editor:unlock()
      local close = getmetatable(first).__close
      close(first)
      local second = editor:lock()
      second.number = 1
      close(first)
      close(first, "error")
      assert.equal(1, second.number)
      close(second)
      close(second)
      assert.equal(1, reader:read "number")
    end)

    it("is not released by the block of an earlier one", function()
      local second
      do
        local first <close> = editor:lock()
        first.number = 1
        editor:unlock()
        second = editor:lock()
        second.number = 2
      end
      assert.equal(2, second.number)
      assert.is_false((pcall(editor.lock, editor)))
      editor:rollback()
      assert.equal(1, reader:read "number")
    end)

    it("survives the collection by hand of its view", function()
      local data = editor:lock()
      data.number = 1
      local gc = getmetatable(data).__gc
      gc(data)
      assert.equal(1, data.number)
      editor:unlock()
      for _ = 1, 3 do gc(data) end
      local again = editor:lock()
      for _ = 1, 3 do gc(data) end
      assert.equal(1, again.number)
      getmetatable(again).__close(again, nil)
      for _ = 1, 3 do gc(again) end
      assert.is_true(is_free())
    end)
  end)

  describe("whose view is forgotten", function()
    local function collect()
      for _ = 1, 4 do collectgarbage() end
    end

    it("is released though a second lock was refused meanwhile", function()
      editor:lock().number = 1
      refused("LockSpec: this handle holds its lock already", editor.lock, editor)
      refused("LockSpec: this handle holds its lock already", editor.try_lock, editor)
      collect()
      assert.is_true(is_free())
      assert.equal(0, reader:read "number")
    end)

    it("is rolled back and released by the collector, and unlock says so", function()
      editor:lock().number = 1
      collect()
      assert.is_true(is_free())
      assert.equal(0, reader:read "number")
      refused("LockSpec: the collector rolled back and released the lock, because its view was "
        .. "forgotten: keep what lock() returns in a <close> variable", editor.unlock, editor)
      refused("LockSpec: unlock without a lock", editor.unlock, editor)
      local data <close> = editor:lock()
      data.number = 2
    end)

    it("is kept while a nested view can be reached", function()
      local point = editor:lock().point
      collect()
      point.x = 3
      editor:unlock()
      assert.equal(3.0, reader:read "point.x")
    end)

    it("is kept if methods of the handle are used under it", function()
      editor:lock()
      editor:write("number", 1)
      collect()
      assert.equal(0, reader:read "number")
      editor:add("number", 1)
      collect()
      editor:unlock()
      assert.equal(2, reader:read "number")
    end)

    it("is kept over allocations before the first method", function()
      editor:lock()
      collectgarbage()
      editor:write("number", 1)
      editor:unlock()
      assert.equal(1, reader:read "number")
    end)

    it("is released with its coroutine", function()
      local co = coroutine.wrap(function()
        local data <close> = editor:lock()
        data.number = 1
        coroutine.yield()
      end)
      co()
      co = nil -- luacheck: ignore
      collect()
      assert.is_true(is_free())
      assert.equal(0, reader:read "number")
    end)

    it("is released with its handle", function()
      local third = assert(ipmmap.editor(S, { mmap_dir = dir }))
      third:lock().number = 1
      third = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.is_true(is_free())
      assert.equal(0, reader:read "number")
    end)

    it("is released at the end of the Lua state", function()
      local child = process.spawn([[
        local ipmmap = require "ipmmap"
        ipmmap.struct("LockSpecPoint", { { "x", "double" } })
        local S = ipmmap.base:extend("LockSpec", {
          { "number", "int32" }, { "point", "LockSpecPoint" },
        })
        EDITOR = assert(ipmmap.editor(S, { mmap_dir = ... }))
        DATA = EDITOR:lock()
        DATA.number = 5
        setmetatable({}, { __gc = function() print(pcall(function() return DATA.number end)) end })
      ]], dir)
      child:expect "true\t5"
      assert.same({ "exit", 0 }, { child:wait() })
      assert.is_true(is_free())
      assert.equal(0, reader:read "number")
    end)
  end)

  it("is released before a finalizer older than the module looks at its view", function()
    local child = process.spawn([[
      local late = setmetatable({}, { __gc = function()
        print(pcall(function() return DATA.number end))
        print(pcall(function() return VALUE.number end))
        print(pcall(function() return tostring(DATA), tostring(VALUE) end))
        print(pcall(function() return EDITOR:lock() end))
        print(pcall(function() return EDITOR:read "number" end))
        print(pcall(function() return S:new() end))
        print(pcall(function() return S:offsetof "number" end))
      end })
      local ipmmap = require "ipmmap"
      S = ipmmap.base:extend("LockSpecLate", { { "number", "int32" } })
      EDITOR = assert(ipmmap.manager(S, { create = true, mmap_dir = ... }))
      DATA, VALUE = EDITOR:lock(), S:new()
    ]], dir)
    child:match "view used after its lock was released"
    child:match "value used after its struct was collected"
    child:match "^true"
    child:match "this manager is closed"
    child:match "this manager is closed"
    child:match "the struct was collected"
    child:match "the struct was collected"
    assert.same({ "exit", 0 }, { child:wait() })
  end)
end)

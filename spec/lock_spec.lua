local ipmmap = require "ipmmap"
local fails = require "spec.helper.fails"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.struct("LockSpecPoint", { { "x", "double" } })
local S = ipmmap.base:extend("LockSpec", { { "number", "int32" }, { "point", "LockSpecPoint" } })

describe("a lock", function()
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

  it("is committed by unlock and undone by rollback", function()
    editor:lock().number = 1
    editor:unlock()
    assert.equal(1, reader:read "number")
    local data = editor:lock()
    data.number = 2
    editor:rollback()
    assert.equal(1, reader:read "number")
    refused("view used after its lock was released", function() return data.number end)
    assert.is_true(segment.is_free(other))
  end)

  it("raises an error if it is released without being held", function()
    refused("LockSpec: unlock without a lock", editor.unlock, editor)
    refused("LockSpec: rollback without a lock", editor.rollback, editor)
    refused("LockSpec: unlock without a lock", reader.unlock, reader)
  end)

  it("is refused if the handle holds it already", function()
    local data <close> = editor:lock()
    refused("LockSpec: this handle holds its lock already", editor.lock, editor)
    refused("LockSpec: this handle holds its lock already", editor.try_lock, editor)
    refused("LockSpec: this handle holds its lock already", editor.with, editor, print)
    data.number = 1
    editor:unlock()
    local _ <close> = reader:lock()
    refused("LockSpec: this handle holds its lock already", reader.lock, reader)
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

  it("refuses a timeout that is not a number", function()
    for _, seconds in ipairs { "1", 0 / 0, {} } do
      assert.error_matches(function() editor:try_lock(seconds) end, "LockSpec.*seconds")
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
      ipmmap.struct("LockSpecPoint", { { "x", "double" } })
      local S = ipmmap.base:extend("LockSpec", {
        { "number", "int32" }, { "point", "LockSpecPoint" },
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

  describe("taken by with", function()
    it("passes the view and the arguments to the function, and returns its results", function()
      assert.same({ 1, nil, 3, n = 3 }, table.pack(editor:with(function(data, a, b, c)
        data.number = 5
        assert.is_nil(b)
        return a, b, c
      end, 1, nil, 3)))
      assert.equal(5, reader:read "number")
      assert.equal(5, reader:with(function(data) return data.number end))
      assert.equal(0, select("#", editor:with(function() end)))
    end)

    it("rolls back on an error of the function, and passes the error on", function()
      local raised = {}
      assert.equal(raised, select(2, pcall(editor.with, editor, function(data)
        data.number = 5
        error(raised)
      end)))
      assert.equal(0, reader:read "number")
      assert.is_false(pcall(reader.with, reader, error, "x"))
      assert.is_true(segment.is_free(other))
    end)

    it("stays held while the function yields", function()
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

    it("can be released inside the function", function()
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

    it("accepts only values that can be called", function()
      assert.equal(7, editor:with(setmetatable({}, { __call = function() return 7 end })))
      refused("with takes a function, not nil", editor.with, editor)
      refused("with takes a function, not 5", editor.with, editor, 5)
      refused("with takes a function, not 'x'", editor.with, editor, "x")
      assert.is_true(segment.is_free(other))
    end)
  end)

  describe("taken by try_with", function()
    it("passes the view and the arguments to the function, and returns its results", function()
      local function set(data, number)
        data.number = number
        return number, nil, reader:read "number"
      end
      assert.same({ 5, nil, 0, n = 3 }, table.pack(editor:try_with(set, 5)))
      assert.same({ 6, nil, 5, n = 3 }, table.pack(editor:try_with(1, set, 6)))
      assert.same({ 7, nil, 6, n = 3 }, table.pack(editor:try_with(math.huge, set, 7)))
      assert.equal(7, reader:try_with(-1, function(data) return data.number end))
    end)

    it("rolls back on an error of the function, and passes the error on", function()
      local raised = {}
      assert.equal(raised, select(2, pcall(editor.try_with, editor, 1, function(data)
        data.number = 5
        error(raised)
      end)))
      assert.equal(0, reader:read "number")
      assert.is_true(segment.is_free(other))
    end)

    it("fails without a call of the function if the lock cannot be had", function()
      local function unexpected() error "called" end
      editor:with(function()
        for _, handle in ipairs { other, reader } do
          for _, seconds in ipairs { 0, 0.01, math.huge } do
            fails("deadlock", handle:try_with(seconds, unexpected))
          end
          fails("deadlock", handle:try_with(unexpected))
        end
      end)
      local child = process.spawn([[
        local ipmmap = require "ipmmap"
        ipmmap.struct("LockSpecPoint", { { "x", "double" } })
        local S = ipmmap.base:extend("LockSpec", {
          { "number", "int32" }, { "point", "LockSpecPoint" },
        })
        assert(ipmmap.editor(S, { mmap_dir = ... })):with(function()
          print "locked"
          io.read()
        end)
      ]], dir)
      child:expect "locked"
      for _, handle in ipairs { editor, reader } do
        fails("timeout", handle:try_with(unexpected))
        fails("timeout", handle:try_with(0.02, unexpected))
      end
      child:send ""
      editor:try_with(10, function(data) data.number = 1 end)
      assert.equal(1, reader:read "number")
    end)

    it("refuses what is no number of seconds and no function", function()
      refused("try_with takes a function, not nil", editor.try_with, editor)
      refused("try_with takes a function, not nil", editor.try_with, editor, 1)
      refused("try_with takes a function, not '1'", editor.try_with, editor, "1", print)
      refused("nan is not a number of seconds", editor.try_with, editor, 0 / 0, print)
      editor:with(function()
        refused("LockSpec: this handle holds its lock already", editor.try_with, editor, print)
      end)
      assert.is_true(segment.is_free(other))
    end)
  end)
end)

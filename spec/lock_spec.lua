-- Locks: what is the same in Lua and LuaJIT. close_spec.lua has what is about <close>.
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

local DEFINE = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("LockSpecPoint", { { "x", "double" } })
  local S = ipmmap.base:extend("LockSpec", { { "number", "int32" }, { "point", "LockSpecPoint" } })
]]
local S = assert(load(DEFINE .. " return S"))()

describe("a lock", function()
  local dir, editor, other, reader
  before_each(function() dir, editor, other, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  -- Another process that holds the lock until it gets a line.
  local function hold()
    local holder = process.spawn(DEFINE .. [[
      assert(ipmmap.editor(S, { mmap_dir = ... })):with(function(data)
        data.number = 100
        print "locked"
        io.read()
      end)
    ]], dir)
    holder:expect "locked"
    return holder
  end

  it("commits when the function of with returns", function()
    editor:with(function(data)
      data.number = 1
      assert.equal(0, reader:read "number")
    end)
    assert.equal(1, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("passes the view and the arguments to the function, and returns its results", function()
    assert.same({ 1, nil, 3, n = 3 }, either.pack(editor:with(function(data, a, b, c)
      data.number = 5
      assert.is_nil(b)
      return a, b, c
    end, 1, nil, 3)))
    assert.equal(5, reader:read "number")
    assert.equal(5, reader:with(function(data) return data.number end))
    assert.equal(0, select("#", editor:with(function() end)))
    for count = 0, 9 do
      local given = {}
      for i = 1, count do given[i] = i end
      local function same(_, ...) return ... end
      given.n = count
      assert.same(given, either.pack(editor:with(same, either.unpack(given, 1, count))))
    end
  end)

  it("rolls back on an error of the function, and passes the error on, whatever it is", function()
    for _, name in ipairs { "text", "table", "number", "boolean", "nil" } do
      local raised = ({ text = "text", table = {}, number = 5, boolean = false })[name]
      local ok, got = pcall(editor.with, editor, function(data)
        data.number, data.point.x = 5, 2
        error(raised, 0)
      end)
      assert.is_false(ok)
      local is_named = raised == nil and got == "<no error object>" -- Lua 5.5 replaces nil
      assert.is_true(rawequal(raised, got) or is_named, name)
      assert.equal(0, reader:read "number")
      assert.is_true(segment.is_free(other))
    end
    assert.is_false(pcall(reader.with, reader, error, "x"))
    assert.is_true(segment.is_free(other))
  end)

  it("rolls back if a value is refused", function()
    assert.has_error(function()
      editor:with(function(data)
        data.number = 1
        data.point.x = "wrong"
      end)
    end)
    assert.equal(0, reader:read "number")
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
    assert.is_false(pcall(other.with, other, print))
    assert.equal("done", co())
    assert.equal(6, reader:read "number")
  end)

  it("can be released inside the function, whose view then raises", function()
    editor:with(function(data)
      data.number = 1
      editor:unlock()
      assert.equal(1, reader:read "number")
      refused("view used after its lock was released", function() data.number = 5 end)
    end)
    editor:with(function(data)
      local point = data.point
      data.number = 2
      editor:rollback()
      refused("view used after its lock was released", function() return data.number end)
      refused("view used after its lock was released", function() point.x = 1 end)
    end)
    assert.equal(1, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("released inside the function can be taken again there, and stands for itself", function()
    editor:with(function(data)
      data.number = 1
      editor:unlock()
      editor:with(function(again) again.number = again.number + 1 end)
    end)
    assert.equal(2, reader:read "number")
    assert.is_false(pcall(editor.with, editor, function()
      editor:unlock()
      editor:with(function(again) again.number = again.number + 1 end)
      error "too late"
    end))
    assert.equal(3, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("can be released in another coroutine than the one that took it", function()
    editor:with(function(data)
      data.number = 1
      coroutine.wrap(function() editor:unlock() end)()
    end)
    assert.equal(1, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)

  it("lets no view be used after its end", function()
    local view, point
    editor:with(function(data) view, point = data, data.point end)
    refused("view used after its lock was released", function() return view.number end)
    refused("view used after its lock was released", function() view.number = 1 end)
    refused("view used after its lock was released", function() point.x = 1 end)
  end)

  it("raises an error if it is released without being held", function()
    refused("LockSpec: unlock without a lock", editor.unlock, editor)
    refused("LockSpec: rollback without a lock", editor.rollback, editor)
    refused("LockSpec: unlock without a lock", reader.unlock, reader)
  end)

  it("is refused if the handle holds it already", function()
    for _, handle in ipairs { editor, reader } do
      handle:with(function()
        refused("LockSpec: this handle holds its lock already", handle.with, handle, print)
        refused("LockSpec: this handle holds its lock already", handle.try_with, handle, print)
        refused("LockSpec: this handle holds its lock already", handle.try_with, handle, 1, print)
      end)
    end
  end)

  it("fails with deadlock if the thread holds it through another handle", function()
    local function unexpected() error "called" end
    editor:with(function()
      for _, handle in ipairs { other, reader } do
        local ok, raised = pcall(handle.with, handle, unexpected)
        assert.is_false(ok)
        assert.equal("deadlock", raised.code)
        assert.equal(raised.message, tostring(raised))
        fails("deadlock", handle:try_with(unexpected))
        for _, seconds in ipairs { 0, 0.01, math.huge } do
          fails("deadlock", handle:try_with(seconds, unexpected))
        end
      end
      local ok, raised = pcall(other.write, other, "number", 1)
      assert.is_false(ok)
      assert.equal("deadlock", raised.code)
    end)
  end)

  it("fails with deadlock even if both handles take the read lock", function()
    local another = segment.open("reader", S, { mmap_dir = dir })
    reader:with(function()
      for _, handle in ipairs { editor, another } do
        fails("deadlock", handle:try_with(5, print))
        assert.equal("deadlock", select(2, pcall(handle.with, handle, print)).code)
      end
    end)
    editor:write("number", 1)
    assert.equal(1, another:read "number")
  end)

  it("times out while another process holds it", function()
    local holder = hold()
    local function unexpected() error "called" end
    for _, handle in ipairs { editor, reader } do
      fails("timeout", handle:try_with(unexpected))
      for _, seconds in ipairs { 0, -1, 0.02 } do
        fails("timeout", handle:try_with(seconds, unexpected))
      end
    end
    holder:send ""
    assert.equal(100, editor:try_with(10, function(data) return data.number end))
  end)

  it("is waited for", function()
    local holder = hold()
    local waiter = process.spawn(DEFINE .. [[
      local editor = assert(ipmmap.editor(S, { mmap_dir = ... }))
      print "waits"
      print(editor:with(function(data) return data.number end))
    ]], dir)
    waiter:expect "waits"
    repeat until #editor:users() == 2
    holder:send ""
    waiter:expect "100"
    waiter:join()
  end)

  it("is had in time with any number of seconds, and refuses what is no number and no function", function()
    for _, seconds in ipairs { 0, -1, 1e-12, 5, 1e300, math.huge } do
      assert.equal(0, editor:try_with(seconds, function(data) return data.number end))
    end
    assert.equal(7, editor:with(setmetatable({}, { __call = function() return 7 end })))
    assert.equal(7, editor:try_with(setmetatable({}, { __call = function() return 7 end })))
    refused("with takes a function, not nil", editor.with, editor)
    refused("with takes a function, not 5", editor.with, editor, 5)
    refused("with takes a function, not 'x'", editor.with, editor, "x")
    refused("try_with takes a function, not nil", editor.try_with, editor)
    refused("try_with takes a function, not nil", editor.try_with, editor, 1)
    refused("try_with takes a function, not '1'", editor.try_with, editor, "1", print)
    refused("nan is not a number of seconds", editor.try_with, editor, 0 / 0, print)
    assert.is_true(segment.is_free(other))
  end)

  it("without a function is refused in LuaJIT, where it could be forgotten", function()
    if not either.is_jit then return end
    for _, handle in ipairs { editor, reader } do
      for _, name in ipairs { "lock", "try_lock" } do
        refused("LockSpec: LuaJIT has no <close>", handle[name], handle, 1)
        refused("use handle:with(function(view) ... end) or try_with", handle[name], handle)
      end
    end
    assert.is_true(segment.is_free(other))
  end)

  it("is rolled back if its process ends inside the function", function()
    process.spawn(DEFINE .. [[
      assert(ipmmap.editor(S, { mmap_dir = ... })):with(function(data)
        data.number = 1
        os.exit(0)
      end)
    ]], dir):join()
    assert.equal(0, reader:read "number")
    assert.is_true(segment.is_free(other))
  end)
end)

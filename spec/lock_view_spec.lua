-- Views of locks that are closed late, are forgotten, or are used while the Lua state closes.
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

local DEFINE <const> = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("LockViewSpecPoint", { { "x", "double" } })
  local S = ipmmap.base:extend("LockViewSpec", { { "number", "int32" }, { "point", "LockViewSpecPoint" } })
]]
local S = load(DEFINE .. " return S")()

describe("a lock", function()
  local dir, editor, other, reader
  before_each(function() dir, editor, other, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  describe("that is waited for", function()
    it("raises the code timeout when the time is over", function()
      local held <close> = segment.open("editor", S, { mmap_dir = dir })
      local holder = coroutine.wrap(function() held:with(coroutine.yield) end)
      holder()
      local blocked = process.spawn(DEFINE .. [[
        local editor = assert(ipmmap.editor(S, { mmap_dir = ... }))
        local ok, problem = pcall(editor.lock, editor, 0.01)
        print(ok, problem.code, tostring(problem):find(problem.message, 1, true) ~= nil)
        print(select(2, pcall(editor.lock, editor, 0)).code)
      ]], dir)
      blocked:expect("false	timeout	true")
      blocked:expect("timeout")
      blocked:join()
      held:rollback()
      do
        local view <close> = editor:lock(0)
        view.number = 3
      end
      do
        local view <close> = editor:lock(5)
        view.number = view.number + 1
      end
      assert.equal(4, reader:read "number")
    end)

    it("refuses what is no number of seconds", function()
      for _, wrong in ipairs { "1", {}, 0 / 0 } do
        refused("is not a number of seconds", editor.lock, editor, wrong)
      end
      assert.is_true(segment.is_free(other))
    end)
  end)

  describe("whose view is closed late", function()
    it("is not affected if it was released before", function()
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

    it("is not released by the end of an earlier lock's block", function()
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

    it("stays held if a program calls __gc of its view", function()
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
      assert.is_true(segment.is_free(other))
    end)
  end)

  it("can be taken repeatedly, with garbage collections in between, and by a finalizer", function()
    local function count()
      local data <close> = editor:lock()
      data.number = data.number + 1
      data.point.x = data.number
    end
    for _ = 1, 3 do
      count()
      count()
      collectgarbage()
    end
    setmetatable({}, { __gc = count })
    collectgarbage()
    count()
    assert.same({ 8, 8.0 }, { reader:read "number", reader:read "point.x" })
    assert.is_true(segment.is_free(other))
  end)

  describe("whose view is forgotten", function()
    local function collect()
      for _ = 1, 4 do collectgarbage() end
    end

    it("is released although a second lock was refused meanwhile", function()
      editor:lock().number = 1
      refused("LockViewSpec: this handle holds its lock already", editor.lock, editor)
      refused("LockViewSpec: this handle holds its lock already", editor.try_lock, editor)
      collect()
      assert.is_true(segment.is_free(other))
      assert.equal(0, reader:read "number")
    end)

    it("is rolled back and released by the collector, and unlock reports that", function()
      editor:lock().number = 1
      collect()
      assert.is_true(segment.is_free(other))
      assert.equal(0, reader:read "number")
      refused("LockViewSpec: the collector rolled back and released the lock, because its view was "
        .. "forgotten: keep what lock() returns in a <close> variable", editor.unlock, editor)
      refused("LockViewSpec: unlock without a lock", editor.unlock, editor)
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

    it("is kept during allocations before the first method call", function()
      editor:lock()
      collectgarbage()
      editor:write("number", 1)
      editor:unlock()
      assert.equal(1, reader:read "number")
    end)

    it("is released when its coroutine is collected", function()
      local co = coroutine.wrap(function()
        local data <close> = editor:lock()
        data.number = 1
        coroutine.yield()
      end)
      co()
      co = nil -- luacheck: ignore
      collect()
      assert.is_true(segment.is_free(other))
      assert.equal(0, reader:read "number")
    end)

    it("is released when its handle is collected", function()
      local third = assert(ipmmap.editor(S, { mmap_dir = dir }))
      third:lock().number = 1
      third = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.is_true(segment.is_free(other))
      assert.equal(0, reader:read "number")
    end)

    it("is released at the end of the Lua state", function()
      local child = process.spawn(DEFINE .. [[
        EDITOR = assert(ipmmap.editor(S, { mmap_dir = ... }))
        DATA = EDITOR:lock()
        DATA.number = 5
        setmetatable({}, { __gc = function() print(pcall(function() return DATA.number end)) end })
      ]], dir)
      child:expect "true\t5"
      assert.same({ "exit", 0 }, { child:wait() })
      assert.is_true(segment.is_free(other))
      assert.equal(0, reader:read "number")
    end)
  end)

  it("is released before a finalizer that is older than the module uses its view", function()
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
      S = ipmmap.base:extend("LockViewSpecLate", { { "number", "int32" } })
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

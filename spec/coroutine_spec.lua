local ipmmap = require "ipmmap"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

local S = ipmmap.base:extend("CoroutineSpec", { { "n", "int32" }, { "list", "int32[4]" } })

describe("a coroutine beside another one that holds the handle's lock", function()
  local _, editor, other, reader
  local ELSEWHERE = "CoroutineSpec: another coroutine holds the lock of this handle"

  before_each(function() _, editor, other, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  -- A coroutine that holds the lock: each resume goes on. The first one returns the view.
  local function holder_of(handle, work)
    return coroutine.wrap(function()
      handle:with(function(view)
        coroutine.yield(view)
        if work then work(view) end
      end)
      return "done"
    end)
  end

  it("is refused by each method that would join the transaction", function()
    local holder = holder_of(editor, function(view) view.n = view.n + 1 end)
    holder().n = 1 -- a view that was passed on purpose may be used
    local calls = {
      read = { "n" }, write = { "n", 5 }, set = { { n = 5 } }, add = { "n", 5 }, max = { "n", 5 },
      min = { "n", -5 }, bor = { "n", 2 }, band = { "n", 0 }, swap = { "n", 1, 5 },
      update = { "n", function() return 5 end }, touch = {}, clear = {}, with = { print }, try_with = { print },
    }
    for name, arguments in pairs(calls) do
      refused(ELSEWHERE, editor[name], editor, arguments[1], arguments[2], arguments[3])
    end
    refused(ELSEWHERE, editor.read, editor, "list")
    refused(ELSEWHERE, editor.write, editor, "list", { 1 })
    for name, arguments in pairs(calls) do
      local thread = coroutine.create(function() editor[name](editor, arguments[1], arguments[2], arguments[3]) end)
      local ok, message = coroutine.resume(thread)
      assert.is_false(ok, name)
      assert.truthy(message:find(ELSEWHERE, 1, true), message)
    end
    assert.equal("done", holder())
    assert.equal(2, reader:read "n")
    assert.equal(7, editor:add("n", 5))
  end)

  it("can read the last commit without the lock", function()
    local holder = holder_of(editor)
    holder().n = 1
    assert.equal(0, editor:snapshot().n)
    assert.equal(reader:version(), editor:version())
    assert.equal("timeout", select(3, editor:wait(editor:version(), 0)))
    holder()
    assert.equal(1, editor:snapshot().n)
  end)

  it("can end the lock", function()
    holder_of(editor)().n = 1
    editor:rollback()
    holder_of(editor)().n = 2
    editor:unlock()
    assert.equal(2, reader:read "n")
    holder_of(editor)().n = 3
    editor:close()
    assert.is_true(segment.is_free(other))
    assert.equal(2, reader:read "n")
  end)

  it("cannot join a reader's lock either", function()
    local holder = holder_of(reader)
    holder()
    refused(ELSEWHERE, reader.read, reader, "n")
    assert.equal(0, editor:read "n")
    holder()
    assert.equal(0, reader:read "n")
  end)

  it("can use another handle that this coroutine has locked", function()
    local left = segment.open("editor", S, { mmap_dir = editor:info().path:match "^(.*)/", tag = "" })
    local holder = coroutine.wrap(function()
      reader:with(function()
        coroutine.yield()
        assert.equal(0, reader:read "n")
      end)
    end)
    holder()
    assert.equal("deadlock", select(3, left:try_with(function() end)))
    holder()
    left:with(function() left:add("n", 1) end)
    assert.equal(1, reader:read "n")
  end)

  it("leaves the holder its own methods, before and after it yields", function()
    local holder = coroutine.wrap(function()
      editor:with(function()
        editor:write("n", 1)
        coroutine.yield()
        assert.equal(1, editor:read "n")
        editor:add("n", 1)
      end)
    end)
    holder()
    refused(ELSEWHERE, editor.read, editor, "n")
    holder()
    assert.equal(2, reader:read "n")
  end)
end)

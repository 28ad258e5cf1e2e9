-- Errors that debug hooks raise at any moment, as a watchdog does, or Ctrl-C in the lua program.
local interrupt = require "spec.helper.interrupt"
local ipmmap = require "ipmmap"
local segment = require "spec.helper.segment"

local S = ipmmap.base:extend("HookSpec", { { "number", "int32" }, { "twin", "int32" } })

describe("an error that a debug hook raises", function()
  local _, editor, other, reader
  before_each(function() _, editor, other, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  -- Interrupts fn at each of its events in turn. Asserts each time that the lock is free, and that
  -- a snapshot shows one whole commit.
  local function survives(fn, before_look)
    local n = 0
    repeat
      n = n + 1
      local has_raised = interrupt(n, 1, fn)
      if before_look then before_look() end
      assert.is_true(segment.is_free(other), ("the lock is held after event %d"):format(n))
      local copy = reader:snapshot()
      assert.equal(copy.number, copy.twin)
    until not has_raised
    assert.is_true(n > 10)
  end

  it("leaves no lock held by with if the function returns", function()
    survives(function()
      editor:with(function(data)
        data.number = data.number + 1
        data.twin = data.twin + 1
      end)
    end)
  end)

  it("leaves no lock held by with if the function fails", function()
    survives(function()
      editor:with(function(data)
        data.number = 5
        error "fails"
      end)
    end)
    assert.equal(0, reader:read "number")
  end)

  it("leaves no lock held by with if the function calls methods of the handle", function()
    survives(function()
      editor:with(function()
        editor:add("number", 1)
        editor:add("twin", 1)
      end)
    end)
  end)

  it("leaves no lock held by with if the function yields", function()
    survives(function()
      local resume = coroutine.wrap(function()
        editor:with(function(data)
          data.number = data.number + 1
          coroutine.yield()
          data.twin = data.twin + 1
        end)
      end)
      resume()
      resume()
    end, function()
      collectgarbage()
      collectgarbage()
    end)
  end)

  it("leaves no lock held by with of a reader", function()
    survives(function()
      reader:with(function(data) return data.number end)
    end)
  end)

  it("while with closes its view leaves the lock to the collector", function()
    local was_held = false
    local n = 0
    repeat
      n = n + 1
      local has_raised = interrupt(n, 3, function()
        editor:with(function(data)
          data.number = 5
          editor:write("number", 6)
          error "fails"
        end)
      end)
      was_held = was_held or not segment.is_free(other)
      collectgarbage()
      collectgarbage()
      assert.is_true(segment.is_free(other), ("the lock is held after event %d"):format(n))
    until not has_raised
    assert.is_true(was_held)
    assert.equal(0, reader:read "number")
  end)

  describe("between the return of lock and <close>", function()
    before_each(function()
      local lock = editor.lock
      pcall(function()
        debug.sethook(function()
          if debug.getinfo(2, "f").func == lock then
            debug.sethook()
            error "interrupted"
          end
        end, "r")
        local data <close> = editor:lock()
        data.number = 1
      end)
      debug.sethook()
      assert.is_false(segment.is_free(other))
    end)

    it("leaves the lock held until the collector releases it", function()
      collectgarbage()
      collectgarbage()
      assert.is_true(segment.is_free(other))
    end)

    it("leaves the lock held if methods use it, and a second lock's error names the cause and remedy", function()
      editor:write("number", 5)
      collectgarbage()
      for _, name in ipairs { "lock", "try_lock", "with" } do
        local ok, message = pcall(editor[name], editor, name == "with" and print or nil)
        assert.is_false(ok)
        for _, part in ipairs {
          "HookSpec: this handle holds its lock already",
          "its view was lost before it was marked <close>", "unlock() or rollback() releases it",
        } do
          assert.truthy(message:find(part, 1, true), message)
        end
      end
      editor:rollback()
      assert.is_true(segment.is_free(other))
      assert.equal(0, reader:read "number")
      local data <close> = editor:lock()
      data.number = 2
    end)
  end)
end)

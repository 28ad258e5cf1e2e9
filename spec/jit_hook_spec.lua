-- LuaJIT's binding is Lua code, so a debug hook may raise an error at each of its instructions.
local either = require "spec.helper.either"
local interrupt = require "spec.helper.interrupt"
local ipmmap = require "ipmmap"
local segment = require "spec.helper.segment"

if not either.is_jit then return end

local S = ipmmap.base:extend("JitHookSpec", {
  { "number", "int32" }, { "twin", "int32" }, { "real", "double" }, { "text", "char[8]" },
  { "items", "int32[<=4]", max = 9 }, { "left", "int32?" },
})

describe("each instruction of LuaJIT's binding", function()
  local _, editor, other, reader

  setup(function()
    _G.jit.off()
    _G.jit.flush()
  end)
  teardown(function() _G.jit.on() end)

  before_each(function()
    _, editor, other, reader = segment.make(S, { "editor", "reader" })
  end)
  after_each(segment.close)

  -- Ends `fn` by an error at each of its instructions in turn. Each time the lock is free, a snapshot shows one whole
  -- commit, and the handle can be used further.
  local function survives(fn, before_look)
    local n = 0
    repeat
      n = n + 1
      local was_there = interrupt(n, 1, fn)
      if before_look then before_look() end
      assert.is_true(segment.is_free(other), ("the lock is held after instruction %d"):format(n))
      local copy = reader:snapshot()
      assert.equal(copy.number, copy.twin)
    until not was_there
    assert.is_true(n > 20)
  end

  local function twice(data, by)
    data.number = data.number + (by or 1)
    data.twin = data.twin + (by or 1)
  end

  local calls = {
    ["with"] = function() editor:with(twice) end,
    ["with, with an argument"] = function() editor:with(twice, 2) end,
    ["with, with many arguments"] = function() editor:with(twice, 2, 3, 4, 5, 6) end,
    ["try_with"] = function() editor:try_with(1, twice) end,
    ["with, whose function fails"] = function()
      editor:with(function(data)
        data.number = 5
        error "fails"
      end)
    end,
    ["with, whose function calls methods"] = function()
      editor:with(function()
        editor:add("number", 1)
        editor:add("twin", 1)
      end)
    end,
    ["with, whose function unlocks"] = function()
      editor:with(function(data)
        twice(data)
        editor:unlock()
      end)
    end,
    ["with, whose function rolls back"] = function()
      editor:with(function(data)
        data.number = 5
        editor:rollback()
      end)
    end,
    ["with of a reader"] = function() reader:with(function(data) return data.number end) end,
    ["set"] = function() editor:set { number = 7, twin = 7 } end,
    ["set of a value"] = function() editor:set(S:new { number = 8, twin = 8 }) end,
    ["write of a list and of its next element"] = function()
      editor:write("items", { 1, 2 })
      editor:write("items[3]", 3)
    end,
    ["write of a limited element and of an optional field"] = function()
      editor:set { items = { 1 }, left = 4 }
      editor:write("items[1]", 9)
      editor:write("left", nil)
    end,
    ["touch"] = function() editor:touch() end,
    ["clear"] = function() editor:clear() end,
  }
  for name, call in pairs(calls) do
    it("may raise an error in " .. name, function() survives(call) end)
  end

  it("may raise an error in write and add, which are done or not", function()
    for _, call in ipairs {
      function(n) editor:write("text", tostring(n)) end, function() editor:add("real", 1) end,
    } do
      local n = 0
      survives(function()
        n = n + 1
        call(n)
      end)
    end
  end)

  it("may raise an error in a coroutine that yields in with", function()
    survives(function()
      local resume = coroutine.wrap(function()
        editor:with(function(data)
          twice(data)
          coroutine.yield()
          twice(data)
        end)
      end)
      resume()
      resume()
    end, function() pcall(editor.rollback, editor) end) -- nothing else ends a coroutine that is forgotten
  end)
end)

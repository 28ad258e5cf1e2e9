-- LuaJIT's binding is Lua code. A debug hook may run at each of its instructions, and finalizers at many of them:
-- they may raise errors, close handles, and let them follow.
local either = require "spec.helper.either"
local ipmmap = require "ipmmap"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

if not either.is_jit then return end

ipmmap.struct("JitHookPoint", { { "x", "double" }, { "y", "double" } })
local S = ipmmap.base:extend("JitHookSpec", {
  { "number", "int32" }, { "twin", "int32" }, { "at", "JitHookPoint" }, { "text", "char[8]" },
})
local Grown = assert(ipmmap.parse(tostring(ipmmap.base) .. [[
  struct JitHookPoint { x: double; y: double }
  struct JitHookSpec : BaseMmapStructure {
    extra: int64; at: JitHookPoint; text: char[8]; number: int32; twin: int32; last: int8[5000]
  }
]]))

-- Calls `fn` and runs `what` at the n-th instruction in it, and at the ones after it, `times` in all. Returns whether
-- there was an n-th, and the results of pcall.
local function at_instruction(n, times, what, fn)
  local count, is_inside, is_running = 0, false, false
  local function hook()
    if not is_inside or is_running then return end
    count = count + 1
    if count >= n and count < n + times then
      is_running = true
      local ok, raised = pcall(what)
      is_running = false
      if not ok then error(raised, 0) end
    end
  end
  local results
  pcall(pcall, pcall, function()
    debug.sethook(hook, "crl", 1)
    is_inside = true
    results = either.pack(pcall(fn))
    is_inside = false
  end)
  is_inside = false
  debug.sethook()
  return count >= n, results or { false, "interrupted" }
end

local function interrupt() error("interrupted", 0) end

describe("each instruction of LuaJIT's binding", function()
  local editor, other, reader, dir

  setup(function()
    jit.off()
    jit.flush()
  end)
  teardown(function() jit.on() end)

  before_each(function()
    dir, editor, other, reader = segment.make(S, { "editor", "reader" })
  end)
  after_each(segment.close)

  -- Ends `fn` by an error at each of its instructions in turn. Each time the lock is free, a snapshot shows one whole
  -- commit, and the handle can be used further.
  local function survives(fn, before_look)
    local n = 0
    repeat
      n = n + 1
      local was_there = at_instruction(n, 1, interrupt, fn)
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
    ["touch"] = function() editor:touch() end,
    ["clear"] = function() editor:clear() end,
  }
  for name, call in pairs(calls) do
    it("may raise an error in " .. name, function() survives(call) end)
  end

  it("may raise an error in write and add, which are done or not", function()
    for _, call in ipairs {
      function(n) editor:write("text", tostring(n)) end, function() editor:add("at.x", 1) end,
    } do
      local n = 0
      survives(function() call(n) end, function() n = n + 1 end)
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

  it("may close the handle", function()
    for name, call in pairs(calls) do
      if name ~= "with of a reader" then
        local n, was_there = 0, nil
        repeat
          n = n + 1
          editor = segment.open("editor", S, { mmap_dir = dir })
          was_there = at_instruction(n, 1, function() editor:close() end, call)
          assert.is_true(segment.is_free(other), ("the lock is held after instruction %d of %s"):format(n, name))
          local copy = reader:snapshot()
          assert.equal(copy.number, copy.twin)
          segment.close_last()
        until not was_there
      end
    end
  end)

  it("may close the handle in a read, a snapshot, a wait and a feed", function()
    for _, call in ipairs {
      function(handle) return handle:read "number" end, function(handle) return handle:read "at" end,
      function(handle) return handle:read "text" end, function(handle) return handle:snapshot() end,
      function(handle) return handle:snapshot(S:new()) end, function(handle) return handle:wait(0, 0) end,
      function(handle) return handle:wait("at", 0) end, function(handle) return handle:info() end,
      function(handle) return tostring(handle) end, function(handle) return handle:users() end,
      function(handle) return handle:feed(0):next(0) end, function(handle) return handle:fd() end,
      function(handle) return handle:drain() end, function(handle) return handle:last_update() end,
    } do
      local n, was_there = 0, nil
      repeat
        n = n + 1
        local handle = segment.open("reader", S, { mmap_dir = dir })
        was_there = at_instruction(n, 1, function() handle:close() end, function() call(handle) end)
        segment.close_last()
      until not was_there
    end
  end)

  describe("may let the handle follow to another layout in", function()
    local is_grown, follower, its_dir, its_manager
    local function replace()
      is_grown = not is_grown
      its_manager:close()
      its_manager = assert(ipmmap.manager(is_grown and Grown or S, { create = true, force = true, mmap_dir = its_dir }))
      its_manager:set { number = 5, twin = 5, at = { x = 6, y = 7 }, text = "eight" }
    end

    before_each(function()
      its_dir, is_grown = tmpdir(), true
      its_manager = assert(ipmmap.manager(Grown, { create = true, mmap_dir = its_dir }))
      replace()
      follower = assert(ipmmap.editor(S, { mmap_dir = its_dir, layout = "compatible", follow = true }))
    end)
    after_each(function()
      its_manager:close()
      follower:close()
    end)

    for name, call in pairs {
      ["read"] = function() return follower:read "twin" == 5 end,
      ["read of a struct"] = function()
        local at = follower:read "at"
        return at.x == 6 and at.y == 7
      end,
      ["read of a text"] = function() return follower:read "text" == "eight" end,
      ["snapshot"] = function()
        local copy = follower:snapshot()
        return copy.twin == 5 and copy.at.y == 7 and copy.text == "eight"
      end,
      ["snapshot into a value"] = function()
        local copy = follower:snapshot(S:new())
        return copy.twin == 5 and copy.at.y == 7 and copy.text == "eight"
      end,
      ["write"] = function()
        follower:write("twin", 9)
        return follower:read "twin" == 9 and follower:read "number" == 5 and follower:read "at.x" == 6
      end,
      ["write of a struct"] = function()
        follower:write("at", { y = 9 })
        return follower:read "at.y" == 9 and follower:read "number" == 5 and follower:read "text" == "eight"
      end,
      ["set"] = function()
        follower:set { twin = 9, at = { x = 8 } }
        return follower:read "twin" == 9 and follower:read "at.x" == 8 and follower:read "number" == 5
      end,
      ["add"] = function()
        return follower:add("twin", 4) == 9 and follower:read "twin" == 9 and follower:read "text" == "eight"
      end,
      ["with"] = function()
        return follower:with(function(data) return data.twin == 5 and data.at.y == 7 end)
      end,
      ["a wait for a field"] = function()
        local text = follower:wait("text", 0)
        return text == nil or text == "eight"
      end,
    } do
      it(name, function()
        local n, was_there, results = 0, nil, nil
        repeat
          n = n + 1
          its_manager:set { number = 5, twin = 5, at = { x = 6, y = 7 }, text = "eight" }
          local is_over = false
          was_there, results = at_instruction(n, 1, function()
            if not is_over then
              replace()
              pcall(follower.version, follower)
            end
          end, function()
            local is_right = call()
            is_over = true
            return is_right
          end)
          -- Where the values were written before the segment was replaced, they are lost with it.
          local is_lost = results[1] and not results[2] and follower:read "twin" == 5
          if not (name == "write" or name == "write of a struct" or name == "set" or name == "add") or not is_lost then
            assert.same({ true, true }, { results[1], results[2] }, ("instruction %d: %s"):format(n,
              tostring(results[2])))
          end
        until not was_there
      end)
    end
  end)
end)

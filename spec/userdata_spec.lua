-- Each userdata is closed twice, finalized by a call of its metamethod and then collected, and used
-- after that.
local ipmmap = require "ipmmap"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

local S = ipmmap.base:extend("UserdataSpec", { { "n", "int32" } })

-- Calls a metamethod three times.
local function by_hand(name, object)
  for _ = 1, 3 do getmetatable(object)[name](object) end
end

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

describe("repeated closing and collecting has no further effect on", function()
  local dir, manager, other
  before_each(function() dir, manager, other = segment.make(S, { "editor" }) end)
  after_each(segment.close)

  for _, metamethod in ipairs { "__close", "__gc" } do
    it("a handle of each role, first by " .. metamethod, function()
      for _, role in ipairs { "manager", "editor", "reader" } do
        local handle = assert(ipmmap[role](S, { mmap_dir = dir }))
        local view = handle:lock()
        by_hand(metamethod, handle)
        handle:close()
        refused("UserdataSpec: this " .. role .. " is closed", handle.read, handle, "n")
        refused("UserdataSpec: this " .. role .. " is closed", handle.with, handle, print)
        refused("view used after its lock was released", function() return view.n end)
        assert.equal(("ipmmap.%s (closed)"):format(role), tostring(handle))
        by_hand("__close", view)
        by_hand("__gc", view)
        handle, view = nil, nil -- luacheck: ignore
        collect()
        assert.is_true(segment.is_free(other))
      end
    end)
  end

  it("a view of lock and try_lock", function()
    for _, name in ipairs { "lock", "try_lock" } do
      local view = manager[name](manager)
      view.n = 1
      by_hand("__close", view)
      assert.is_true(segment.is_free(other))
      by_hand("__gc", view)
      refused("view used after its lock was released", function() return view.n end)
      refused("view used after its lock was released", function() view.n = 2 end)
      collect()
      assert.equal(1, manager:read "n")
    end
  end)

  it("a view of with", function()
    local kept
    manager:with(function(view)
      getmetatable(view).__gc(view)
      view.n = 1
      by_hand("__close", view)
      assert.is_true(segment.is_free(other))
      refused("view used after its lock was released", function() view.n = 2 end)
      kept = view
    end)
    assert.equal(1, manager:read "n")
    by_hand("__close", kept)
    by_hand("__gc", kept)
    refused("view used after its lock was released", function() return kept.n end)
    kept = nil -- luacheck: ignore
    collect()
    manager:with(function(view) view.n = 3 end)
    assert.equal(3, manager:read "n")
  end)

  it("a Struct, with its values and their parts", function()
    local T = ipmmap.parse("struct UserdataSpecPart {\n  x: int32\n}\n"
      .. "struct UserdataSpecGone {\n  p: UserdataSpecPart\n}\n")
    local value = T:new { p = { x = 5 } }
    local part = value.p
    by_hand("__gc", T)
    refused("the struct was collected", T.new, T)
    for _, use in ipairs {
      function() return value.p end, function() return part.x end, function() part.x = 1 end,
      function() return ipmmap.bytes(part) end, function() return ipmmap.totable(value) end,
      function() ipmmap.setbytes(part, "abcd") end,
    } do
      refused("value used after its struct was collected", use)
    end
    assert.equal("string", type(tostring(part)))
    T, value, part = nil, nil, nil -- luacheck: ignore
    collect()
  end)
end)

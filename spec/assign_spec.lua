-- What the assignment of a table stores, and what it leaves unchanged.
local ipmmap = require "ipmmap"
local either = require "spec.helper.either"
local finalized = require "spec.helper.finalized"
local pack = require "spec.helper.pack"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

--- Describes a behaviour in Lua, which keeps the new values of an array together.
local it_in_lua = either.is_jit and function() end or it

local LONG_NAME = ("long_name_"):rep(6)

local many_fields = {}
for i = 1, 70 do many_fields[i] = { "f" .. i, "int16" } end

ipmmap.struct("AssignSpecPoint", { { "x", "double" }, { "y", "double" } })
ipmmap.struct("AssignSpecPadded", { { "flag", "bool" }, { "n", "int32" }, { "text", "char[3]" } })
ipmmap.struct("AssignSpecNested", {
  { "id", "int8" }, { "at", "AssignSpecPoint" }, { "trail", "AssignSpecPoint[2]" }, { LONG_NAME, "int32" },
})
ipmmap.struct("AssignSpecMany", many_fields)
ipmmap.struct("AssignSpecText", { { "n", "int32" }, { "text", "char[2000000]" }, { "list", "int8[20000]" } })
local Text = ipmmap.base:extend("AssignSpecLarge", { { "part", "AssignSpecText" } })
local Aligned = ipmmap.base:extend("AssignSpecAligned", { { "before", "char[240]" }, { "numbers", "int32[4]" } })
local S = ipmmap.base:extend("AssignSpec", {
  { "padded", "AssignSpecPadded[2]" }, { "nested", "AssignSpecNested[300]" }, { "many", "AssignSpecMany" },
  { "grid", "int16[2][3]" }, { "texts", "char[2][600]" }, { "big", "char[5000]" },
})

describe("an assigned table", function()
  local manager, v
  before_each(function()
    local _
    _, manager = segment.make(S)
    v = segment.lock(manager)
  end)
  after_each(segment.close)

  local function nested(count)
    local list = {}
    for i = 1, count do
      list[i] = { id = i % 100, at = { x = i, y = -i }, trail = { { x = 1 }, { y = i } }, [LONG_NAME] = i }
    end
    return list
  end

  it("sets nested fields, fields with long names and fields of a struct with many, each time it is assigned", function()
    for _, count in ipairs { 300, 2, 300 } do
      v.nested = nested(count)
      for _, i in ipairs { 1, 2, count } do
        local trail = { { x = 1, y = 0 }, { x = 0, y = i } }
        assert.same({ id = i % 100, at = { x = i, y = -i }, trail = trail, [LONG_NAME] = i },
          ipmmap.totable(v.nested[i]))
      end
    end
    v.many = { f1 = 1, f65 = 65, f70 = -70 }
    assert.same({ 1, 0, 65, -70 }, { v.many.f1, v.many.f2, v.many.f65, v.many.f70 })
  end)

  it("changes only the fields that it has, and not the padding between them", function()
    local size = ipmmap.lookup("AssignSpecPadded").size
    ipmmap.setbytes(v.padded[1], "\1\2\3\4" .. ("\5"):rep(4) .. "ab\0" .. ("\6"):rep(size - 11))
    v.padded = { { flag = false, n = 0x07070707, text = "c" }, { n = 1 } }
    assert.equal("\0\2\3\4" .. ("\7"):rep(4) .. "c\0\0" .. ("\6"):rep(size - 11), ipmmap.bytes(v.padded[1]))
    assert.equal(("\0"):rep(4) .. pack("i4", 1) .. ("\0"):rep(size - 8), ipmmap.bytes(v.padded[2]))
    v.padded[1] = {}
    assert.equal(0x07070707, v.padded[1].n)
  end)

  it("overwrites the rest of a longer text with zeros", function()
    v.big, v.texts = ("a"):rep(5000), { ("b"):rep(600), ("c"):rep(600) }
    manager:set { big = ("d"):rep(3), texts = { "", "e" } }
    assert.same({ "ddd", "", "e" }, { v.big, v.texts[1], v.texts[2] })
    assert.equal("e" .. ("\0"):rep(599), ipmmap.bytes(v.texts):sub(601))
    assert.equal("ddd" .. ("\0"):rep(4997), ipmmap.bytes(v):sub(S:offsetof "big" + 1, S:offsetof "big" + 5000))
  end)

  it("stores nothing if its last part is refused, even if it is large", function()
    v.nested = nested(300)
    local before = ipmmap.bytes(v)
    local wrong = nested(300)
    for i = 1, 300 do wrong[i].at.x = 7 end
    wrong[300].trail[2].y = "high"
    refused("AssignSpec.nested[300].trail[2].y: 'high' is not a number (double)", function() v.nested = wrong end)
    wrong[300].trail[2] = { z = 1 }
    refused("AssignSpec.nested[300].trail[2]: no field 'z'", function() manager:set { nested = wrong } end)
    assert.equal(before, ipmmap.bytes(v))
    wrong[300].trail[2] = nil
    v.nested = wrong
    assert.equal(7.0, v.nested[300].at.x)
  end)

  it("stores nothing if it is empty and the place is a struct", function()
    v.padded[1] = {}
    v.nested[1] = {}
    assert.equal(ipmmap.bytes(manager:snapshot()), ipmmap.bytes(v))
  end)

  it("sets the rest of an array to zero if it is a list, and only its own elements otherwise", function()
    local _, other = segment.make(Aligned)
    other:write("numbers", { 1, 2, 3, 4 })
    other:write("numbers", { 5, 6 })
    assert.same({ 5, 6, 0, 0 }, ipmmap.totable(other:read "numbers"))
    other:write("numbers", { [2] = 7, [4] = 8 })
    assert.same({ 5, 7, 0, 8 }, ipmmap.totable(other:read "numbers"))
    other:write("numbers", {})
    assert.same({ 0, 0, 0, 0 }, ipmmap.totable(other:read "numbers"))
  end)

  it("copies the common fields of a view of another layout, false and empty ones too", function()
    local less = "struct AssignSpecPart {\n  on: bool\n  text: char[4]\n  n: int32\n}\n"
    local more = "struct AssignSpecPart {\n  z: double\n  n: int32\n  on: bool\n  text: char[4]\n}\n"
    local whole = "struct AssignSpecParts {\n  one: AssignSpecPart\n  parts: AssignSpecPart[2]\n}\n"
    local from = ipmmap.parse(less .. whole):new { one = { n = 1 }, parts = { { on = true, text = "a" }, { n = 2 } } }
    local to = ipmmap.parse(more .. whole):new()
    for _ = 1, 2 do
      to.parts = { { z = 1, on = true, text = "b", n = 3 }, { z = 2, on = true, text = "c" } }
      to.parts = { from.one, from.parts[2] }
      assert.same({ { z = 1, on = false, text = "", n = 1 }, { z = 2, on = false, text = "", n = 2 } },
        ipmmap.totable(to.parts))
      to.one = from.parts[1]
      assert.same({ z = 0, on = true, text = "a", n = 0 }, ipmmap.totable(to.one))
    end
  end)

  it("exchanges two rows of an array if it contains their views", function()
    v.grid = { { 1, 2, 3 }, { 4, 5, 6 } }
    v.grid = { v.grid[2], v.grid[1] }
    assert.same({ { 4, 5, 6 }, { 1, 2, 3 } }, ipmmap.totable(v.grid))
  end)

  it("stores nothing if a finalizer releases the lock while it is read", function()
    local _, other = segment.make(Text)
    local view, is_reading = segment.lock(other), false
    local before = ipmmap.bytes(other:snapshot())
    local part = { n = 1, text = ("x"):rep(2000000), list = {} } -- so large that its draft makes the collector run
    for i = 1, 20000 do part.list[i] = 1 end
    view.part = { n = 2 }
    for _ = 1, 1000 do
      finalized({}, { __gc = function()
        if is_reading then
          is_reading = false
          other:rollback()
        end
      end })
      local ok, message = pcall(function()
        is_reading = true
        view.part = part
      end)
      is_reading = false
      if not ok then
        assert.truthy(message:find(either.is_jit and "AssignSpecLarge"
          or "AssignSpecLarge.part: view used after its lock was released", 1, true), message)
        assert.is_true(before == ipmmap.bytes(other:snapshot()))
        return
      end
    end
    error "no finalizer ran meanwhile"
  end)

  it_in_lua("stores nothing if a finalizer shortens the table while it is read", function()
    local Long = ipmmap.struct("AssignSpecLong", { { "n", "int32[400000]" } })
    local value, t = Long:new(), {}
    local is_reading, is_shorter = false, false
    local function shorten()
      if not is_reading then return setmetatable({}, { __gc = shorten }) end
      is_shorter = true
      for i = #t, 100001, -1 do t[i] = nil end
    end
    value.n[150000] = 5
    for _ = 1, 200 do
      for i = #t + 1, 400000 do t[i] = 1 end
      shorten()
      local ok, message = pcall(function()
        is_reading = true
        value.n = t
      end)
      is_reading = false
      if is_shorter then
        assert.is_false(ok)
        assert.equal("AssignSpecLong.n: the value changed while it was assigned", message:match("AssignSpecLong.*"))
        assert.equal(0, value.n[1])
        assert.equal(5, value.n[150000])
        return
      end
      value.n = {}
      value.n[1], value.n[150000] = 0, 5
    end
    error "no finalizer ran meanwhile"
  end)
end)

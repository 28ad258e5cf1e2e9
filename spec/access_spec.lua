local either = require "spec.helper.either"
local ipmmap = require "ipmmap"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.struct("AccessSpecPoint", { { "x", "double" }, { "y", "double" } })
-- Integers of 64 bits as the library reads them.
local MIN, MAX, ALL = either.integer "-0x8000000000000000", either.integer "0x7fffffffffffffff", either.uint64_max

local S = ipmmap.base:extend("AccessSpec", {
  { "bool", "bool" }, { "int8", "int8" }, { "uint8", "uint8" }, { "int16", "int16" },
  { "uint16", "uint16" }, { "int32", "int32" }, { "uint32", "uint32" }, { "int64", "int64" },
  { "uint64", "uint64" }, { "float", "float" }, { "double", "double" }, { "text", "char[16]" },
  { "long", "char[5000]" }, { "point", "AccessSpecPoint" }, { "points", "AccessSpecPoint[24]" },
})

describe("access by path", function()
  local _, editor, other, reader
  before_each(function() _, editor, other, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  local function is_unchanged_by(fn) segment.is_unchanged_by(reader, other, fn) end

  it("writes and reads every kind of field outside a lock", function()
    local values = {
      bool = true, int8 = -1, uint8 = 255, int16 = -2, uint16 = 65535, int32 = -3,
      uint32 = 4294967295, int64 = MIN, uint64 = ALL, float = 0.5, double = 0.1,
      text = "hello", long = ("x"):rep(5000),
    }
    for name, value in pairs(values) do
      editor:write(name, value)
      assert.equal(value, reader:read(name))
      assert.equal(value, editor:read(name))
    end
    editor:write("points[3].x", 1.5)
    editor:write("point", { y = 4 })
    editor:write("points", { { x = 9 } })
    editor:write("points[2]", editor:read "point")
    assert.equal(0.0, reader:read "points[3].x")
    assert.equal(9.0, reader:read "points[1].x")
    assert.equal(4.0, reader:read "points[2].y")
  end)

  it("makes each write outside a lock a transaction", function()
    local version = reader:version()
    editor:write("int32", 1)
    editor:write("point", { x = 1, y = 2 })
    assert.equal(version + 2, reader:version())
  end)

  it("sees and joins the handle's own transaction", function()
    editor:with(function(data)
      editor:write("int32", 7)
      data.int8 = 1
      assert.equal(7, editor:read "int32")
      assert.equal(7, data.int32)
      assert.equal(1, editor:read "int8")
      editor:set { point = { x = 3 } }
      assert.equal(3.0, editor:read("point").x)
      assert.equal(8, editor:add("int32", 1))
      assert.equal(0, reader:read "int32")
      assert.equal(0, other:read "int32")
      assert.equal(0, editor:snapshot().int32)
    end)
    assert.equal(8, reader:read "int32")
    editor:with(function()
      editor:write("int32", 9)
      editor:add("int32", 1)
      editor:rollback()
    end)
    assert.equal(8, reader:read "int32")
  end)

  it("returns a struct or an array as a detached value", function()
    editor:write("points[2]", { x = 1, y = 2 })
    local points = reader:read "points"
    assert.equal(24, ipmmap.len(points))
    editor:write("points[2].x", 5)
    assert.same({ x = 1, y = 2 }, ipmmap.totable(points[2]))
    points[2].x = 7
    assert.equal(5.0, reader:read "points[2].x")
    refused("AccessSpecPoint[24] [3].x: 'a' is not a number", function() points[3].x = "a" end)
    refused("AccessSpecPoint: no field 'z'", function() return reader:read("point").z end)
    assert.equal(0x1128, reader:read("header").header_code)
    editor:with(function(data)
      local copy = editor:read "point"
      data.point.x = 4
      assert.equal(0.0, copy.x)
    end)
    reader:close()
    assert.equal(2.0, points[2].y)
  end)

  it("refuses a path that leads to no field", function()
    for _, path in ipairs { "", "nope", "point.z", "points[25]", "points[0].x", "points.x", "points[1", "int32.x",
                            "int32[1]", "." } do
      refused("AccessSpec", reader.read, reader, path)
      refused(path, reader.read, reader, path)
      is_unchanged_by(function() refused("AccessSpec", editor.write, editor, path, 1) end)
      is_unchanged_by(function() refused("AccessSpec", editor.add, editor, path, 1) end)
    end
    for _, wrong in ipairs { 5, {}, true } do
      refused("is not a path", reader.read, reader, wrong)
      refused("is not a path", editor.write, editor, wrong, 1)
    end
    refused("AccessSpec: nil is not a path", reader.read, reader)
    refused("no field 'nope'", reader.read, reader, "nope")
  end)

  it("refuses a wrong value and changes nothing", function()
    is_unchanged_by(function()
      refused("AccessSpec.int32: 2147483648 is out of range for int32 (-2147483648 to 2147483647)",
        editor.write, editor, "int32", 2147483648)
      refused("AccessSpec.int32: nil is not an integer (int32)", editor.write, editor, "int32")
      refused("AccessSpec.text: 'a\\x00' has a NUL in it", editor.write, editor, "text", "a\0")
      refused("AccessSpec.text: '12345678901234567' has 17 bytes, char[16] holds 16",
        editor.write, editor, "text", "12345678901234567")
      refused("AccessSpec.point: 5 is neither a table nor a AccessSpecPoint",
        editor.write, editor, "point", 5)
      refused("AccessSpec.points[2].x: 'a' is not a number",
        editor.write, editor, "points", { { x = 1 }, { x = "a" } })
    end)
    editor:with(function()
      refused("AccessSpec.int32: ", editor.write, editor, "int32", 1.5)
      editor:write("int32", 2)
    end)
    assert.equal(2, reader:read "int32")
  end)

  it("never writes the header", function()
    is_unchanged_by(function()
      local message = "set only by creation, touch and clear"
      refused("AccessSpec.header: " .. message, editor.write, editor, "header", {})
      refused("AccessSpec.header.time_stamp: " .. message,
        editor.write, editor, "header.time_stamp", 1)
      refused("AccessSpec.header.header_code: " .. message,
        editor.add, editor, "header.header_code", 1)
      refused("AccessSpec.header: " .. message, editor.set, editor, { header = { time_stamp = 1 } })
    end)
  end)

  describe("set", function()
    it("writes several fields as one transaction", function()
      local version = reader:version()
      editor:set { int32 = 1, text = "x", point = { x = 2 }, points = { { y = 3 }, { y = 4 } } }
      assert.equal(version + 1, reader:version())
      assert.equal(1, reader:read "int32")
      assert.equal("x", reader:read "text")
      assert.equal(4.0, reader:read "points[2].y")
    end)

    it("stores nothing if one of the fields is refused", function()
      is_unchanged_by(function()
        refused("AccessSpec.int8: 200 is out of range", editor.set, editor, {
          int32 = 1, text = "x", point = { x = 2 }, int8 = 200,
        })
        refused("AccessSpec: no field 'nope'", editor.set, editor, { int32 = 1, nope = 1 })
        refused("AccessSpec.point: no field 'nope'", editor.set, editor, { int32 = 1, point = { nope = 1 } })
        refused("AccessSpec.points[2].x: 'a'", editor.set, editor, { int32 = 1, points = { { x = 1 }, { x = "a" } } })
        refused("AccessSpec: no field 1", editor.set, editor, { int32 = 1, [1] = 3 })
        refused("AccessSpec: 5 is neither a table nor a AccessSpec", editor.set, editor, 5)
        refused("AccessSpec: nil is neither", editor.set, editor)
        refused("AccessSpec: a AccessSpecPoint is not a AccessSpec",
          editor.set, editor, ipmmap.lookup("AccessSpecPoint"):new())
      end)
    end)

    it("does not change the open transaction if it fails", function()
      editor:with(function(data)
        data.int32 = 4
        refused("AccessSpec.int8: 200", editor.set, editor, { int32 = 5, float = 3, int8 = 200 })
        assert.same({ 4, 0.0 }, { data.int32, data.float })
      end)
    end)

    it("takes a value of the struct, and copies everything but the header", function()
      local stamp = reader:last_update()
      editor:set(S:new { int32 = 5, text = "v", points = { [1] = { x = 1 } } })
      assert.equal(5, reader:read "int32")
      assert.equal(1.0, reader:read "points[1].x")
      assert.equal(stamp, reader:last_update())
      assert.equal(0x1128, reader:read "header.header_code")
      local copy = reader:snapshot()
      copy.int32 = 6
      editor:with(function(data)
        editor:set(copy)
        assert.equal(6, data.int32)
        editor:set(data)
      end)
      assert.equal(6, reader:read "int32")
    end)
  end)

  describe("set with a table made from a snapshot", function()
    it("does not set the header", function()
      local stamp = reader:last_update()
      editor:write("int32", 5)
      local saved = ipmmap.totable(reader:snapshot())
      saved.header.time_stamp = 1
      editor:write("int32", 6)
      editor:set(saved)
      assert.equal(5, reader:read "int32")
      assert.equal(stamp, reader:last_update())
      editor:set(ipmmap.totable(S:new { int32 = 7 }))
      local shallow = {}
      for name, value in ipmmap.pairs(reader:snapshot()) do shallow[name] = value end
      shallow.int32 = 8
      editor:set(shallow)
      assert.equal(8, reader:read "int32")
      assert.equal(0x1128, reader:read "header.header_code")
      assert.equal(stamp, reader:last_update())
    end)

    it("refuses an incomplete or wrong header", function()
      is_unchanged_by(function()
        for _, wrong in ipairs {
          5, {}, { time_stamp = 1 }, { header_code = 0x1128 }, { header_code = "x", time_stamp = 1 },
          { header_code = 1, time_stamp = 1, more = 1 }, S:new().point,
        } do
          refused("AccessSpec.header", editor.set, editor, { int32 = 1, header = wrong })
        end
      end)
    end)
  end)

  it("names the first difference if a value has another layout", function()
    local changed = ipmmap.parse(tostring(S):gsub("int8: int8", "int8: int16"))
    local difference = ": int8: int8 at 17 here, int16 at 18 given"
    is_unchanged_by(function()
      refused("AccessSpec: a AccessSpec is not a AccessSpec of the same layout" .. difference,
        editor.set, editor, changed:new())
      refused("AccessSpec: a snapshot does not fit into a AccessSpec" .. difference,
        reader.snapshot, reader, changed:new())
    end)
  end)

  describe("add", function()
    it("returns the new value", function()
      assert.equal(5, editor:add("int32", 5))
      assert.equal(3, editor:add("int32", -2.0))
      assert.equal("3", tostring(editor:add("int32", 0)))
      assert.equal(0.5, editor:add("double", 0.5))
      assert.equal(0.25, editor:add("float", 0.25))
      assert.equal(1.25, editor:add("float", 1))
      assert.equal(1.0, editor:add("points[24].y", 1))
      assert.equal(1.0, reader:read "points[24].y")
    end)

    local limits = {
      int8 = { -128, 127 }, uint8 = { 0, 255 }, int16 = { -32768, 32767 }, uint16 = { 0, 65535 },
      int32 = { -2147483648, 2147483647 }, uint32 = { 0, 4294967295 },
      int64 = { MIN, MAX }, uint64 = { 0, ALL },
    }
    for name, limit in pairs(limits) do
      it("to " .. name .. " raises if the sum is out of range, and keeps the old value", function()
        editor:write(name, limit[1])
        is_unchanged_by(function()
          refused(("AccessSpec.%s: "):format(name), editor.add, editor, name, -1)
          refused("is out of range for " .. name, editor.add, editor, name, MIN)
        end)
        editor:write(name, limit[2])
        is_unchanged_by(function()
          refused("is out of range for " .. name, editor.add, editor, name, 1)
          refused("is out of range for " .. name, editor.add, editor, name, MAX)
        end)
        assert.equal(limit[2] - 1, editor:add(name, -1))
      end)
    end

    it("to a uint64 treats the old value as unsigned", function()
      editor:write("uint64", MAX)
      assert.equal(either.uint64_middle, editor:add("uint64", 1))
      assert.equal(ALL, editor:add("uint64", MAX))
      assert.equal(MAX, editor:add("uint64", MIN))
      editor:write("uint64", -2)
      refused("AccessSpec.uint64: 18446744073709551614 + 2 is out of range for uint64 (0 to 18446744073709551615)",
        editor.add, editor, "uint64", 2)
    end)

    it("raises if the sum of finite numbers is infinite, but can add to infinity", function()
      for name, huge in pairs { float = 3e38, double = 1.5e308 } do
        editor:write(name, huge)
        is_unchanged_by(function()
          refused(("is out of range for %s (-"):format(name), editor.add, editor, name, huge)
        end)
        assert.equal(math.huge, editor:add(name, math.huge))
        assert.equal(math.huge, editor:add(name, 1))
        local nan = editor:add(name, -math.huge)
        assert.is_true(nan ~= nan)
      end
    end)

    it("refuses a field or an amount that is not a number", function()
      is_unchanged_by(function()
        refused("AccessSpec.text: char[16] is not a number to add to",
          editor.add, editor, "text", 1)
        refused("AccessSpec.bool: bool is not a number to add to", editor.add, editor, "bool", 1)
        refused("AccessSpec.point: AccessSpecPoint is not a number to add to",
          editor.add, editor, "point", 1)
        refused("AccessSpec.int32: '1' is not a number to add", editor.add, editor, "int32", "1")
        refused("AccessSpec.points: AccessSpecPoint[24] is not a number to add to",
          editor.add, editor, "points", 1)
        refused("AccessSpec.int32: true is not a number to add", editor.add, editor, "int32", true)
        refused("AccessSpec.int32: a table is not a number to add", editor.add, editor, "int32", {})
        refused("AccessSpec.int32: nil is not a number to add", editor.add, editor, "int32")
        refused("AccessSpec.int32: 0.5 is not an integer to add", editor.add, editor, "int32", 0.5)
      end)
    end)

    it("does not change the open transaction if it is refused", function()
      editor:with(function()
        editor:write("int8", 100)
        refused("AccessSpec.int8: 100 + 100 is out of range for int8 (-128 to 127)",
          editor.add, editor, "int8", 100)
      end)
      assert.equal(100, reader:read "int8")
    end)
  end)

  it("sets every field and the time stamp to zero with clear, but not the header's code", function()
    editor:set { int32 = 1, long = ("x"):rep(5000), points = { { x = 1 }, { y = 2 } } }
    editor:clear()
    assert.equal("\40\17" .. ("\0"):rep(S.size - 2), ipmmap.bytes(reader:snapshot()))
    assert.equal(0.0, reader:last_update())
  end)

  describe("snapshot", function()
    it("returns the whole struct as last committed", function()
      editor:set { int32 = 5, points = { { x = 1 } } }
      editor:with(function(data)
        data.int32 = 6
        for _, handle in ipairs { editor, reader } do
          local copy = handle:snapshot()
          assert.equal(5, copy.int32)
          assert.equal(1.0, copy.points[1].x)
          assert.equal(0x1128, copy.header.header_code)
        end
      end)
    end)

    it("is stored in a value that is passed", function()
      editor:write("int32", 5)
      local value = S:new()
      local points = value.points
      assert.equal(value, reader:snapshot(value))
      assert.equal(5, value.int32)
      editor:write("points[1].x", 3)
      assert.equal(0.0, points[1].x)
      reader:snapshot(value)
      assert.equal(3.0, points[1].x)
    end)

    it("refuses to be stored in anything but a value of the struct", function()
      editor:with(function(data)
        for _, wrong in ipairs { 5, {}, "x", data, ipmmap.lookup("AccessSpecPoint"):new(), S } do
          assert.has_error(function() reader:snapshot(wrong) end)
        end
      end)
      refused("AccessSpec: a snapshot does not fit into a AccessSpecPoint",
        reader.snapshot, reader, ipmmap.lookup("AccessSpecPoint"):new())
    end)
  end)
end)

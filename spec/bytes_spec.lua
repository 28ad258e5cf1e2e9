-- Conversion of views and values to plain tables, and to and from bytes.
local ipmmap = require "ipmmap"
local pack = require "spec.helper.pack"
local refused = require "spec.helper.refused"

ipmmap.struct("BytesSpecPoint", { { "x", "double" }, { "y", "double" } })
ipmmap.struct("BytesSpecInner", { { "a", "int32" }, { "b", "char[4]" }, { "n", "int8[3]" } })
local All = ipmmap.struct("BytesSpecAll", {
  { "bool", "bool" }, { "int8", "int8" }, { "uint8", "uint8" }, { "int16", "int16" },
  { "uint16", "uint16" }, { "int32", "int32" }, { "uint32", "uint32" }, { "int64", "int64" },
  { "uint64", "uint64" }, { "float", "float" }, { "double", "double" }, { "char", "char" },
  { "text", "char[8]" }, { "grid", "int16[2][3]" }, { "points", "BytesSpecPoint[3]" },
  { "inner", "BytesSpecInner" },
})

describe("totable", function()
  it("returns plain tables, also for nested structs and arrays", function()
    local v = All:new { text = "hi", grid = { { 1 }, { 2 } } }
    local t = ipmmap.totable(v)
    assert.equal("table", type(t.points[3]))
    assert.is_nil(getmetatable(t.points))
    assert.same({ { 1, 0, 0 }, { 2, 0, 0 } }, t.grid)
    assert.equal("hi", t.text)
    assert.same(t, ipmmap.totable(All:new(t)))
    assert.same({ 2, 0, 0 }, ipmmap.totable(v.grid[2]))
  end)

  it("refuses anything but a view or value", function()
    for _, wrong in ipairs { 5, {}, "x", io.stdout, All } do
      assert.has_error(function() ipmmap.totable(wrong) end)
      assert.has_error(function() ipmmap.bytes(wrong) end)
      assert.has_error(function() ipmmap.setbytes(wrong, "") end)
    end
    assert.has_error(function() ipmmap.totable() end)
  end)
end)

describe("bytes and setbytes", function()
  it("read and write the raw memory", function()
    local v = ipmmap.lookup("BytesSpecPoint"):new { x = 1.5, y = -2 }
    assert.equal(pack("dd", 1.5, -2), ipmmap.bytes(v))
    ipmmap.setbytes(v, pack("dd", 3, 4))
    assert.same({ x = 3, y = 4 }, ipmmap.totable(v))
    local all = All:new()
    ipmmap.setbytes(all.grid[2], pack("hhh", 1, 2, 3))
    assert.equal(pack("hhhhhh", 0, 0, 0, 1, 2, 3), ipmmap.bytes(all.grid))
    all.inner = { a = 1, b = "abcd", n = { 1, 2, -1 } }
    assert.equal(pack("i4c4bbbx", 1, "abcd", 1, 2, -1), ipmmap.bytes(all.inner))
    ipmmap.setbytes(all.inner, pack("i4c4bbbx", 9, "zz", 4, 5, 6))
    assert.same({ a = 9, b = "zz", n = { 4, 5, 6 } }, ipmmap.totable(all.inner))
    assert.equal(All.size, #ipmmap.bytes(all))
  end)

  it("refuse fewer or more bytes than the view has", function()
    local v = ipmmap.lookup("BytesSpecPoint"):new { x = 1 }
    refused("BytesSpecPoint: 15 bytes given, BytesSpecPoint has 16", function()
      ipmmap.setbytes(v, ("a"):rep(15))
    end)
    assert.has_error(function() ipmmap.setbytes(v, ("a"):rep(17)) end)
    assert.has_error(function() ipmmap.setbytes(v, 1234567890123456) end)
    refused("BytesSpecAll.grid[2]: 5 bytes given, int16[3] has 6",
      function() ipmmap.setbytes(All:new().grid[2], "abcde") end)
    assert.equal(1.0, v.x)
  end)

  it("refuse a bool other than 0 and 1, and bytes other than 0 after the NUL of a text", function()
    local Flags = ipmmap.struct("BytesSpecFlags", {
      { "on", "bool" }, { "rows", "bool[2][3]" }, { "text", "char[4]" }, { "texts", "char[2][3]" },
      { "letter", "char" },
    })
    local Nested = ipmmap.struct("BytesSpecNested", { { "number", "double" }, { "flags", Flags[2] } })
    local v = Nested:new()
    local function with(path, byte)
      local bytes, at = ipmmap.bytes(v), Nested:offsetof(path)
      return bytes:sub(1, at) .. byte .. bytes:sub(at + #byte + 1)
    end
    local good = with("flags[2].on", "\1")
    ipmmap.setbytes(v, good)
    ipmmap.setbytes(v, with("flags[2].text", "abcd"))
    ipmmap.setbytes(v, with("flags[1].letter", "\255"))
    ipmmap.setbytes(v, with("flags[1].text", "a\0\0\0"))
    assert.equal("a", v.flags[1].text)
    local before = ipmmap.bytes(v)
    for path, byte in pairs {
      ["flags[1].on"] = "\7", ["flags[2].rows[2][3]"] = "\2", ["flags[1].rows[1][1]"] = "\255",
    } do
      refused(("BytesSpecNested.%s: the byte %d is not a bool, which is 0 or 1"):format(path, byte:byte()),
        function() ipmmap.setbytes(v, with(path, byte)) end)
    end
    for path, bytes in pairs { ["flags[2].text"] = "a\0b", ["flags[1].texts[2]"] = "\0\0c" } do
      refused(("BytesSpecNested.%s: there are bytes after the NUL that ends the text, and char["):format(path),
        function() ipmmap.setbytes(v, with(path, bytes)) end)
    end
    refused("BytesSpecNested.flags[1].on: the byte 2",
      function() ipmmap.setbytes(v.flags[1], ("\2"):rep(Flags.size)) end)
    refused("BytesSpecNested.flags[1].rows[2][1]: the byte 3",
      function() ipmmap.setbytes(v.flags[1].rows[2], "\3\0\0") end)
    assert.equal(before, ipmmap.bytes(v))
  end)
end)

-- Conversion of views and values to plain tables, and to and from bytes.
local either = require "spec.helper.either"
local ipmmap = require "ipmmap"
local pack = require "spec.helper.pack"
local posix = require "spec.helper.posix"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

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

local function int16(n) return string.char(n, 0) end

describe("a part of an array", function()
  local S = ipmmap.base:extend("BytesSpecShared", {
    { "numbers", "int16[5]" }, { "flags", "bool[300]" }, { "texts", "char[3][4]" }, { "points", "BytesSpecPoint[3]" },
  })
  local _, manager, reader
  before_each(function()
    _, manager, reader = segment.make(S, { "reader" })
    manager:set { numbers = { 1, 2, 3, 4, 5 }, points = { { x = 1 }, { x = 2 }, { x = 3 } } }
  end)
  after_each(segment.close)

  it("is copied by bytes and totable", function()
    local v = reader:snapshot()
    assert.equal(int16(2) .. int16(3), ipmmap.bytes(v.numbers, 2, 3))
    assert.equal(int16(4) .. int16(5), ipmmap.bytes(v.numbers, 4))
    assert.equal(int16(1), ipmmap.bytes(v.numbers, nil, 1))
    assert.equal(ipmmap.bytes(v.numbers), ipmmap.bytes(v.numbers, 1, 5))
    assert.equal("", ipmmap.bytes(v.numbers, 3, 2))
    assert.equal("", ipmmap.bytes(v.numbers, 6))
    assert.same({ 2, 3 }, ipmmap.totable(v.numbers, 2, 3))
    assert.same({ 4, 5 }, ipmmap.totable(v.numbers, 4))
    assert.same({}, ipmmap.totable(v.numbers, 6))
    assert.same({ { x = 2, y = 0 } }, ipmmap.totable(v.points, 2, 2))
    reader:with(function(view) assert.same({ 5 }, ipmmap.totable(view.numbers, 5)) end)
  end)

  it("is overwritten by setbytes, and nothing else", function()
    manager:with(function(view)
      ipmmap.setbytes(view.numbers, int16(7) .. int16(8), 2)
      ipmmap.setbytes(view.numbers, int16(9), 5)
      ipmmap.setbytes(view.numbers, "", 6)
      ipmmap.setbytes(view.points[2], pack("d", 4) .. pack("d", 5))
    end)
    assert.same({ 1, 7, 8, 4, 9 }, ipmmap.totable(reader:read "numbers"))
    assert.same({ x = 4, y = 5 }, ipmmap.totable(reader:read "points[2]"))
    local v = S:new()
    ipmmap.setbytes(v.texts, "ab\0\0abcd", 2)
    assert.same({ "", "ab", "abcd" }, ipmmap.totable(v.texts))
  end)

  it("is refused if it is out of range", function()
    local v = S:new()
    refused("BytesSpecShared.numbers: index 0 is out of range (1 to 6)", ipmmap.bytes, v.numbers, 0)
    refused("BytesSpecShared.numbers: index 7 is out of range (1 to 6)", ipmmap.totable, v.numbers, 7)
    refused("BytesSpecShared.numbers: index 6 is out of range (1 to 5)", ipmmap.bytes, v.numbers, 2, 6)
    refused("BytesSpecShared.numbers: index 0 is out of range (1 to 5)", ipmmap.totable, v.numbers, 2, 0)
    refused("BytesSpecShared.numbers: index -1 is out of range (1 to 6)", ipmmap.bytes, v.numbers, -1)
    refused("BytesSpecShared.numbers: 1.5 is not an index", ipmmap.bytes, v.numbers, 1.5)
    refused("BytesSpecShared.numbers: '1' is not an index", ipmmap.totable, v.numbers, "1")
    refused("BytesSpecShared.numbers: index 0 is out of range", ipmmap.setbytes, v.numbers, "ab", 0)
    refused("BytesSpecShared: BytesSpecShared is not an array", ipmmap.bytes, v, 1, 2)
    refused("BytesSpecShared.points[1]: BytesSpecPoint is not an array", ipmmap.setbytes, v.points[1], "", 1)
  end)

  it("refuses bytes that do not fit or are no values, and stores nothing", function()
    local v = S:new()
    refused("BytesSpecShared.numbers: 3 bytes given, which are no whole number of elements of 2 bytes",
      ipmmap.setbytes, v.numbers, "abc", 1)
    refused("BytesSpecShared.numbers: 2 elements given from index 5 on, int16[5] has 5", ipmmap.setbytes, v.numbers,
      "abcd", 5)
    refused("BytesSpecShared.flags[3]: the byte 2 is not a bool", ipmmap.setbytes, v.flags, "\1\2", 2)
    refused("BytesSpecShared.texts[3]: there are bytes after the NUL", ipmmap.setbytes, v.texts, "abcda\0b\0", 2)
    assert.equal(("\0"):rep(S.size), ipmmap.bytes(v))
    reader:with(function(view)
      refused("BytesSpecShared.numbers: a reader cannot write", ipmmap.setbytes, view.numbers, "ab", 1)
    end)
    local kept
    manager:with(function(view) kept = view.numbers end)
    for _, name in ipairs { "bytes", "totable" } do
      refused("BytesSpecShared.numbers: view used after its lock was released", ipmmap[name], kept, 1, 2)
    end
    refused("view used after its lock was released", ipmmap.setbytes, kept, "ab", 1)
    refused("view used after its lock was released", ipmmap.pointer, kept)
  end)
end)

describe("pointer", function()
  local S = ipmmap.lookup "BytesSpecShared"
  local _, manager, reader
  before_each(function() _, manager, reader = segment.make(S, { "reader" }) end)
  after_each(segment.close)

  it("gives the address and the size of views and values", function()
    local kind = either.is_jit and "cdata" or "userdata"
    for _, v in ipairs { S:new(), S:new().points, S:new().points[2] } do
      local address, size = ipmmap.pointer(v)
      assert.equal(kind, type(address))
      assert.equal(#ipmmap.bytes(v), size)
    end
    for _, handle in ipairs { manager, reader } do
      handle:with(function(view)
        assert.equal(S.size, select(2, ipmmap.pointer(view)))
        assert.equal(10, select(2, ipmmap.pointer(view.numbers)))
        assert.equal(16, select(2, ipmmap.pointer(view.header)))
        assert.equal((ipmmap.pointer(view.numbers)), (ipmmap.pointer(view.numbers)))
      end)
    end
  end)

  it("lets the host write under the lock, and roll back", function()
    local fill = either.is_jit and require("ffi").fill or posix.fill
    local function store(address, size) fill(address, size, 1) end
    manager:with(function(view) store(ipmmap.pointer(view.numbers)) end)
    assert.equal(("\1"):rep(10), ipmmap.bytes(reader:read "numbers"))
    local version = reader:version()
    pcall(manager.with, manager, function(view)
      store(ipmmap.pointer(view.points))
      error "no"
    end)
    assert.equal(("\0"):rep(48), ipmmap.bytes(reader:read "points"))
    assert.equal(version, reader:version())
  end)

  it("refuses anything but a view or value", function()
    for _, wrong in ipairs { 5, {}, "x", io.stdout, S, manager } do
      assert.has_error(function() ipmmap.pointer(wrong) end)
    end
    assert.has_error(function() ipmmap.pointer() end)
  end)
end)

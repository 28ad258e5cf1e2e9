-- What fields take and give, in detached values and in views under a lock: the paragraph
-- "Values" and the section "Views and values" of the Lua API.
local ipmmap = require "ipmmap"
local tmpdir = require "spec.helper.tmpdir"

local In = ipmmap.struct("CVIn", { { "a", "int32" }, { "b", "char[4]" }, { "n", "int8[3]" } })
local All = ipmmap.base:extend("CVAll", {
  { "bool", "bool" }, { "int8", "int8" }, { "uint8", "uint8" }, { "int16", "int16" },
  { "uint16", "uint16" }, { "int32", "int32" }, { "uint32", "uint32" }, { "int64", "int64" },
  { "uint64", "uint64" }, { "float", "float" }, { "double", "double" }, { "char", "char" },
  { "text", "char[8]" }, { "texts", "char[2][4]" }, { "inner", "CVIn" }, { "inners", "CVIn[3]" },
  { "ints", "int32[4]" }, { "more_ints", "int32[5]" }, { "matrix", "float[2][3]" },
  { "close", "int8" }, { "lock", "int8" },
})
local Other = ipmmap.struct("CVOther", { { "a", "int32" }, { "b", "char[4]" }, { "n", "int8[3]" } })

local handles = {}
local function editor_view()
  local options = { mmap_dir = tmpdir(), create = true }
  local manager = assert(ipmmap.manager(All, options))
  handles[#handles + 1] = manager
  return manager:lock()
end

for kind, make in pairs { ["a detached value"] = function() return All:new() end, ["a view"] = editor_view } do
  describe("the contract of values, in " .. kind .. ":", function()
    local v
    before_each(function() v = make() end)
    after_each(function()
      for i = #handles, 1, -1 do
        handles[i]:close()
        handles[i] = nil
      end
    end)

    local function refuses(key, value, shown)
      local before = ipmmap.bytes(v)
      local ok, message = pcall(function() v[key] = value end)
      assert.is_false(ok, ("%s took %s"):format(key, tostring(value)))
      message = tostring(message)
      assert.is_truthy(message:find("CVAll", 1, true), message)
      assert.is_truthy(message:find(key, 1, true), message)
      if shown then assert.is_truthy(message:find(shown, 1, true), message) end
      assert.equal(before, ipmmap.bytes(v))
      return message
    end

    for name, range in pairs {
      int8 = { -128, 127 }, uint8 = { 0, 255 }, int16 = { -32768, 32767 }, uint16 = { 0, 65535 },
      int32 = { -2 ^ 31 | 0, 2 ^ 31 - 1 | 0 }, uint32 = { 0, 2 ^ 32 - 1 | 0 },
    } do
      it(name .. " is checked for its range", function()
        for _, bound in ipairs(range) do
          v[name] = bound
          assert.equal(bound, v[name])
          assert.equal("integer", math.type(v[name]))
        end
        refuses(name, range[1] - 1, tostring(range[1] - 1))
        refuses(name, range[2] + 1, tostring(range[2] + 1))
        refuses(name, math.maxinteger)
        refuses(name, math.mininteger)
      end)
    end

    for _, name in ipairs { "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64" } do
      it(name .. " takes integral floats and nothing else beside integers", function()
        v[name] = 3.0
        assert.equal(3, v[name])
        assert.equal("integer", math.type(v[name]))
        refuses(name, 3.5, "3.5")
        refuses(name, 0 / 0, "nan")
        refuses(name, math.huge, "inf")
        refuses(name, 1e30, "1e+30")
        refuses(name, "10", "10")
        refuses(name, true, "true")
        refuses(name, nil, "nil")
        refuses(name, {})
        refuses(name, print)
      end)
    end

    it("int64 and uint64 hold the 64 bits of a Lua integer", function()
      for _, name in ipairs { "int64", "uint64" } do
        for _, n in ipairs { math.mininteger, -1, 0, math.maxinteger } do
          v[name] = n
          assert.equal(n, v[name])
        end
        refuses(name, 2.0 ^ 63)
      end
    end)

    it("float and double take any number, but nothing finite beyond float's range", function()
      for _, name in ipairs { "float", "double" } do
        for _, n in ipairs { 0, 1, -1.5, 0.25, math.huge, -math.huge, 2 ^ 100 } do
          v[name] = n
          assert.equal(n, v[name])
          assert.equal("float", math.type(v[name]))
        end
        v[name] = 0 / 0
        assert.is_true(v[name] ~= v[name])
        refuses(name, "1.5")
        refuses(name, true)
        refuses(name, nil)
        refuses(name, {})
      end
      v.float = 0.1
      assert.equal(string.unpack("f", string.pack("f", 0.1)), v.float)
      v.float = 3.4028234663852886e38
      refuses("float", 3.5e38, "3.5e+38")
      refuses("float", -1e39)
      v.double = -1.7976931348623157e308
      assert.equal(-1.7976931348623157e308, v.double)
    end)

    it("bool takes a boolean only", function()
      v.bool = true
      assert.is_true(v.bool)
      v.bool = false
      assert.is_false(v.bool)
      refuses("bool", 1, "1")
      refuses("bool", nil, "nil")
      refuses("bool", "true", "true")
    end)

    it("char[N] is a string of at most N bytes, zero-filled", function()
      v.text = "12345678"
      assert.equal("12345678", v.text)
      v.text = "abc"
      assert.equal("abc", v.text)
      assert.is_truthy(ipmmap.bytes(v):find("abc\0\0\0\0\0", 1, true))
      v.text = ""
      assert.equal("", v.text)
      refuses("text", "123456789", "123456789")
      refuses("text", "a\0b")
      refuses("text", "a\0")
      refuses("text", 12)
      refuses("text", nil)
      refuses("text", { "a" })
      v.char = "x"
      assert.equal("x", v.char)
      refuses("char", "xy", "xy")
      v.texts[2] = "four"
      v.texts[1] = "one"
      assert.same({ "one", "four" }, ipmmap.totable(v.texts))
    end)

    it("a struct takes a table with the keys given", function()
      v.inner = { a = 1, b = "b", n = { 1, 2, 3 } }
      v.inner = { a = 2, n = { 9 } }
      assert.same({ a = 2, b = "b", n = { 9, 2, 3 } }, ipmmap.totable(v.inner))
      assert.matches("CVAll%.inner: .*nope", refuses("inner", { a = 3, nope = 1 }))
      assert.matches("inner%.a", refuses("inner", { b = "x", a = "3" }))
      assert.matches("inner%.n%[3%]", refuses("inner", { a = 5, b = "x", n = { 1, 1, 300 } }, "300"))
      refuses("inner", { [1] = 2 })
      refuses("inner", { [{}] = 2 })
      refuses("inner", 5)
      refuses("inner", nil)
      v.inner = {}
      assert.equal(2, v.inner.a)
    end)

    it("an array takes 1..n with n at most N", function()
      v.ints = { 1, 2, 3, 4 }
      v.ints = { 9, 8 }
      assert.same({ 9, 8, 3, 4 }, ipmmap.totable(v.ints))
      v.ints = {}
      assert.same({ 9, 8, 3, 4 }, ipmmap.totable(v.ints))
      refuses("ints", { 1, 2, 3, 4, 5 }, "5")
      refuses("ints", { [0] = 1 })
      refuses("ints", { 1, 2, x = 3 }, "x")
      refuses("ints", { 1, nil, 3 })
      refuses("ints", { [2] = 3 })
      refuses("ints", { 1, 2, "3" }, "ints[3]")
      refuses("ints", 7)
      refuses("ints", "abcd")
      v.matrix = { { 1, 2, 3 }, { 4, 5 } }
      assert.same({ { 1.0, 2.0, 3.0 }, { 4.0, 5.0, 0.0 } }, ipmmap.totable(v.matrix))
      refuses("matrix", { { 1, 2, 3, 4 } }, "matrix[1]")
      v.inners = { { a = 1 }, { n = { 1 } } }
      assert.equal(1, v.inners[2].n[1])
      assert.matches("inners%[2%]: .*z", refuses("inners", { { a = 5 }, { z = 1 } }))
    end)

    it("a struct or an array takes a view or value of the same type", function()
      local w <const> = In:new { a = 5, b = "abcd", n = { 1, 2, 3 } }
      v.inner = w
      v.inners[2] = v.inner
      w.a = 6
      assert.same({ a = 5, b = "abcd", n = { 1, 2, 3 } }, ipmmap.totable(v.inners[2]))
      v.inners[2] = v.inners[2]
      assert.equal(5, v.inners[2].a)
      local all = All:new { ints = { 1, 2, 3, 4 }, inners = { { a = 8 }, { a = 9 } } }
      v.ints, v.inners = all.ints, all.inners
      assert.same({ 1, 2, 3, 4 }, ipmmap.totable(v.ints))
      assert.same({ 8, 9 }, { v.inners[1].a, v.inners[2].a })
      v.inners = { w, { a = 1 } }
      assert.same({ 6, 1 }, { v.inners[1].a, v.inners[2].a })
      refuses("inner", Other:new())
      refuses("inner", all.ints)
      refuses("ints", all.more_ints)
      refuses("ints", all.inner)
      refuses("inners", all.inner)
      refuses("int32", all.inner)
    end)

    it("indexes from 1, and raises beside the array", function()
      for i = 1, 4 do v.ints[i] = 10 * i end
      assert.equal(4, #v.ints)
      assert.equal(3, #v.inners)
      assert.equal(2, #v.matrix)
      assert.equal(3, #v.matrix[1])
      assert.equal(20, v.ints[2.0])
      for _, i in ipairs { 0, -1, 6, math.maxinteger, math.mininteger, 1.5, "x", "1", true } do
        local ok, message = pcall(function() return v.ints[i] end)
        assert.is_false(ok, tostring(i))
        assert.matches("CVAll.*ints", message)
        assert.is_truthy(message:find(tostring(i), 1, true), message)
      end
      for _, i in ipairs { 0, 5, -1, "x" } do
        local ok, message = pcall(function() v.ints[i] = 1 end)
        assert.is_false(ok)
        assert.matches("CVAll.*ints", message)
        assert.is_truthy(message:find(tostring(i), 1, true), message)
      end
    end)

    it("walks with ipairs and pairs", function()
      v.ints = { 4, 3, 2, 1 }
      local seen = {}
      for i, n in ipairs(v.ints) do seen[i] = n end
      assert.same({ 4, 3, 2, 1 }, seen)
      seen = {}
      for i, n in pairs(v.ints) do seen[i] = n end
      assert.same({ 4, 3, 2, 1 }, seen)
      v.inner = { a = 1, b = "two", n = { 3 } }
      seen = {}
      for name in pairs(v.inner) do seen[#seen + 1] = name end
      assert.same({ "a", "b", "n" }, seen)
      local names = {}
      for name in pairs(v) do names[#names + 1] = name end
      assert.same({ "header", "bool", "int8" }, { table.unpack(names, 1, 3) })
      assert.equal("lock", names[#names])
      for _, inner in ipairs(v.inners) do inner.a = 77 end
      assert.equal(77, v.inners[3].a)
    end)

    it("raises for a field that is not there", function()
      local ok, message = pcall(function() return v.nope end)
      assert.is_false(ok)
      assert.matches("CVAll.*nope", message)
      refuses("nope", 1)
      ok, message = pcall(function() return v.inners[2].nope end)
      assert.is_false(ok)
      assert.matches("CVAll.*inners%[2%]: .*nope", message)
      assert.is_false(pcall(function() return v[1] end))
      assert.is_false(pcall(function() return v.int32.x end))
    end)

    it("has fields of any name", function()
      v.close, v.lock = 1, 2
      assert.same({ 1, 2 }, { v.close, v.lock })
    end)

    it("becomes plain tables, recursively", function()
      v.inners[2] = { a = 7, b = "x", n = { 1, 2, 3 } }
      local t = ipmmap.totable(v)
      assert.equal("table", type(t))
      assert.is_nil(getmetatable(t))
      assert.same({ a = 7, b = "x", n = { 1, 2, 3 } }, t.inners[2])
      assert.equal("number", type(t.header.time_stamp))
      assert.same({ { 0.0, 0.0, 0.0 }, { 0.0, 0.0, 0.0 } }, t.matrix)
      assert.is_false(pcall(ipmmap.totable, 5))
      assert.is_false(pcall(ipmmap.totable, {}))
    end)

    it("becomes raw bytes and is set from them", function()
      assert.equal(All.size, #ipmmap.bytes(v))
      v.inner = { a = 1, b = "abcd", n = { 1, 2, -1 } }
      assert.equal(string.pack("<i4c4bbbx", 1, "abcd", 1, 2, -1), ipmmap.bytes(v.inner))
      ipmmap.setbytes(v.inner, string.pack("<i4c4bbbx", 9, "zz", 4, 5, 6))
      assert.same({ a = 9, b = "zz", n = { 4, 5, 6 } }, ipmmap.totable(v.inner))
      ipmmap.setbytes(v.ints, string.pack("<i4i4i4i4", 1, 2, 3, 4))
      assert.same({ 1, 2, 3, 4 }, ipmmap.totable(v.ints))
      assert.equal(string.pack("<i4i4i4i4", 1, 2, 3, 4), ipmmap.bytes(v.ints))
      local before = ipmmap.bytes(v)
      for _, bytes in ipairs { "", "short", ("x"):rep(17), 5 } do
        local ok, message = pcall(ipmmap.setbytes, v.ints, bytes)
        assert.is_false(ok)
        assert.matches("ints", message)
      end
      assert.is_false(pcall(ipmmap.setbytes, {}, "x"))
      assert.is_false(pcall(ipmmap.bytes, "x"))
      assert.equal(before, ipmmap.bytes(v))
      ipmmap.setbytes(v, before)
      assert.equal(before, ipmmap.bytes(v))
    end)
  end)
end

describe("the contract of detached values:", function()
  it("stay as they are when what they came from changes", function()
    local a = All:new { inner = { a = 1 } }
    local b = All:new { inner = a.inner }
    a.inner.a = 2
    assert.equal(1, b.inner.a)
  end)

  it("outlive the value that a part was taken of", function()
    local part = All:new { inner = { a = 41 } }.inner
    collectgarbage()
    collectgarbage()
    assert.equal(41, part.a)
  end)

  it("read a char[N] up to its first NUL, after which there are only zeros", function()
    local v = In:new()
    ipmmap.setbytes(v, string.pack("<i4c4bbbx", 0, "a\0\0\0", 0, 0, 0))
    assert.equal("a", v.b)
    assert.is_false(pcall(ipmmap.setbytes, v, string.pack("<i4c4bbbx", 0, "a\0bc", 0, 0, 0)))
    assert.equal("a", v.b)
  end)
end)

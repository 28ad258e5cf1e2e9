-- The table "Structs" of the Lua API, row by row.
local ipmmap = require "ipmmap"

local function raises(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok, "nothing was raised")
  assert.matches(pattern, tostring(message))
  return tostring(message)
end

describe("the contract of structs:", function()
  local Point = ipmmap.struct("CPoint", { { "x", "double" }, { "y", "double" } })
  local Multi = ipmmap.struct("CMulti", {
    { "multi_data_int", "int32" },
    { "multi_points", "CPoint[24]" },
  })
  local Demo = ipmmap.base:extend("CDemo", {
    { "data_int", "int32" },
    { "data_string", "char[256]" },
    { "data_xy", "CPoint" },
    { "multi_pts", "CMulti" },
  })

  describe("struct(name, fields)", function()
    it("lays the fields out in the order of the list", function()
      local s = ipmmap.struct("COrder", { { "b", "int8" }, { "a", "int32" }, { "c", "int8" } })
      assert.same({ 0, 4, 8, 12 }, { s:offsetof("b"), s:offsetof("a"), s:offsetof("c"), s.size })
    end)

    it("gives 688 bytes to the example", function()
      assert.equal(688, Demo.size)
      assert.equal(8, Demo.align)
    end)

    it("knows every scalar type, with the size and alignment of C", function()
      local sizes = { bool = 1, int8 = 1, uint8 = 1, int16 = 2, uint16 = 2, int32 = 4, uint32 = 4,
                      int64 = 8, uint64 = 8, float = 4, double = 8, char = 1 }
      for name, size in pairs(sizes) do
        local s = ipmmap.struct("COne_" .. name, { { "pad", "int8" }, { "v", name } })
        assert.equal(size, s:offsetof("v"), name)
        assert.equal(size, s.align, name)
        assert.equal(2 * size, s.size, name)
      end
    end)

    it("takes arrays of arrays, of structs, and of structs given by themselves", function()
      local s = ipmmap.struct("CArrays", {
        { "m", "float[4][3]" }, { "p", "CPoint[2]" }, { "q", Point }, { "names", "char[3][8]" },
      })
      assert.same({ 0, 48, 80, 96, 120 },
        { s:offsetof("m"), s:offsetof("p"), s:offsetof("q"), s:offsetof("names"), s.size })
      assert.equal((3 * 1 + 2) * 4, s:offsetof("m[2][3]"))
    end)

    it("takes a Struct itself with [N] after it", function()
      local s = ipmmap.struct("CStructArrays", { { "p", Point[2] }, { "m", Point[4][3] } })
      assert.same({ 0, 32, 32 * 7 }, { s:offsetof("p"), s:offsetof("m"), s.size })
      assert.equal(32 + (3 * 1 + 2) * 16, s:offsetof("m[2][3]"))
    end)

    it("takes fields of any name", function()
      local s = ipmmap.struct("CNames", {
        { "close", "int32" }, { "lock", "int32" }, { "name", "int32" }, { "size", "int32" },
        { "new", "int32" }, { "end", "int32" }, { "__index", "int32" }, { "__close", "int32" },
      })
      local v = s:new { close = 1, lock = 2, name = 3, size = 4, new = 5, ["end"] = 6, __index = 7, __close = 8 }
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8 },
        { v.close, v.lock, v.name, v.size, v.new, v["end"], v.__index, v.__close })
    end)

    it("returns the first Struct for the same layout, and raises for another", function()
      local again = ipmmap.struct("CPoint", { { "x", "double" }, { "y", "double" } })
      assert.is_true(rawequal(Point, again))
      local message = raises("CPoint", ipmmap.struct, "CPoint", { { "x", "double" }, { "y", "float" } })
      assert.matches("y", message)
      assert.equal(16, ipmmap.lookup("CPoint").size)
      raises("CPoint", ipmmap.struct, "CPoint", { { "x", "double" }, { "z", "double" } })
      raises("CPoint", ipmmap.struct, "CPoint", { { "x", "double" } })
    end)

    it("returns the first Struct from extend too", function()
      assert.is_true(rawequal(Demo, ipmmap.base:extend("CDemo", {
        { "data_int", "int32" }, { "data_string", "char[256]" },
        { "data_xy", Point }, { "multi_pts", Multi },
      })))
      raises("CDemo", ipmmap.base.extend, ipmmap.base, "CDemo", { { "data_int", "int32" } })
    end)

    for what, fields in pairs {
      ["an unknown type"] = { { "good", "int32" }, { "bad_one", "int31" } },
      ["an array of no elements"] = { { "bad_one", "int32[0]" } },
      ["an array of negative length"] = { { "bad_one", "int32[-1]" } },
      ["an array without a length"] = { { "bad_one", "int32[]" } },
      ["an unclosed array"] = { { "bad_one", "int32[3" } },
      ["text after the type"] = { { "bad_one", "int32[3]x" } },
      ["a type that is a number"] = { { "bad_one", 4 } },
      ["a missing type"] = { { "bad_one" } },
      ["a field twice"] = { { "bad_one", "int32" }, { "bad_one", "double" } },
      ["itself as a field"] = { { "bad_one", "CBad" } },
      ["more bytes than can be counted"] = { { "bad_one", "int64[4294967296][4294967296]" } },
    } do
      it("refuses " .. what .. ", naming struct and field", function()
        local message = raises("CBad", ipmmap.struct, "CBad", fields)
        assert.matches("bad_one", message)
        assert.is_nil(ipmmap.lookup("CBad"))
      end)
    end

    it("refuses a Struct that is not the registered one of its name", function()
      local other = assert(ipmmap.parse("struct CPoint {\n  x: float\n}\n"))
      for _, type in ipairs { other, other[2] } do
        raises("CBad%.p: .*CPoint", ipmmap.struct, "CBad", { { "p", type } })
        raises("CBad%.p: .*CPoint", ipmmap.struct, "CBad", { { "q", "CPoint" }, { "p", type } })
      end
      raises("CBad: .*CPoint", other.extend, other, "CBad", { { "y", "float" } })
    end)

    it("refuses what is no list of fields, and names that are none", function()
      raises("CBad", ipmmap.struct, "CBad", "x int32")
      raises("CBad", ipmmap.struct, "CBad", nil)
      raises("CBad", ipmmap.struct, "CBad", { "x" })
      raises("CBad", ipmmap.struct, "CBad", { { 1, "int32" } })
      raises("CBad", ipmmap.struct, "CBad", { { "a.b", "int32" } })
      raises("CBad", ipmmap.struct, "CBad", { { "", "int32" } })
      raises("CBad", ipmmap.struct, "CBad", {})
      for _, name in ipairs { "", "a/b", "..", "a b", "int32", 7, {} } do
        raises("name", ipmmap.struct, name, { { "x", "int32" } })
      end
    end)
  end)

  describe("base", function()
    it("holds the header code and the time stamp in 16 bytes", function()
      assert.equal(16, ipmmap.base.size)
      assert.equal(0, ipmmap.base:offsetof("header.header_code"))
      assert.equal(8, ipmmap.base:offsetof("header.time_stamp"))
    end)
  end)

  describe("extend", function()
    it("puts the parent's fields first, at the same offsets", function()
      local child = Demo:extend("CChild", { { "more", "int16" } })
      for _, path in ipairs { "header.time_stamp", "data_int", "data_xy.y", "multi_pts.multi_points[24].y" } do
        assert.equal(Demo:offsetof(path), child:offsetof(path))
      end
      assert.equal(688, child:offsetof("more"))
      local grandchild = child:extend("CGrandchild", { { "most", "double" } })
      assert.equal(688, grandchild:offsetof("more"))
      assert.equal(696, grandchild:offsetof("most"))
    end)

    it("extends plain structs as well", function()
      local s = Point:extend("CPoint3", { { "z", "double" } })
      assert.same({ 24, 16 }, { s.size, s:offsetof("z") })
    end)

    it("refuses a field that the parent has", function()
      local message = raises("CTwice", ipmmap.base.extend, ipmmap.base, "CTwice", { { "header", "int32" } })
      assert.matches("header", message)
    end)
  end)

  describe("load", function()
    it("requires each module and returns what they returned", function()
      package.preload["contract.one"] = function()
        return ipmmap.struct("CLoaded", { { "x", "int32" } })
      end
      package.preload["contract.two"] = function() return { 2 } end
      local one, two = ipmmap.load { "contract.one", "contract.two" }
      assert.is_true(rawequal(ipmmap.lookup("CLoaded"), one))
      assert.is_true(rawequal(require "contract.two", two))
    end)

    it("raises for a module that is not there", function()
      raises("contract%.nowhere", ipmmap.load, { "contract.nowhere" })
    end)
  end)

  describe("lookup", function()
    it("finds what is registered, and nothing else", function()
      assert.is_true(rawequal(Demo, ipmmap.lookup("CDemo")))
      assert.is_nil(ipmmap.lookup("CNobody"))
    end)
  end)

  describe("a Struct", function()
    it("has a name, a size, an alignment, offsets and a text", function()
      assert.equal("CDemo", Demo.name)
      assert.equal(16, Demo:offsetof("data_int"))
      assert.equal(20, Demo:offsetof("data_string"))
      assert.equal(280, Demo:offsetof("data_xy.x"))
      assert.equal(304 + 2 * 16, Demo:offsetof("multi_pts.multi_points[3].x"))
      assert.matches("CDemo", tostring(Demo))
      assert.matches("multi_points", tostring(Demo))
    end)

    for path, culprit in pairs {
      ["nothing"] = "nothing", ["data_xy.z"] = "z", ["multi_pts.multi_points[25].x"] = "25",
      ["multi_pts.multi_points[0].x"] = "0", ["data_int.x"] = "x", ["data_int[1]"] = "1",
      ["multi_pts..x"] = "", ["data_xy."] = "", ["multi_pts.multi_points[x]"] = "x",
      [""] = "",
    } do
      it(("raises for the path %q, naming struct and path"):format(path), function()
        local message = raises("CDemo", Demo.offsetof, Demo, path)
        assert.is_truthy(message:find(path, 1, true))
        assert.is_truthy(message:find(culprit, 1, true))
      end)
    end

    it("makes zeroed values, assigned from a table", function()
      local v = Demo:new()
      assert.equal(0, v.data_int)
      assert.equal("", v.data_string)
      assert.equal(0.0, v.multi_pts.multi_points[24].y)
      v = Demo:new { data_int = 7, data_xy = { y = 2 }, multi_pts = { multi_points = { { x = 1 }, { y = 3 } } } }
      assert.same({ 7, 0.0, 2.0, 1.0, 3.0 }, { v.data_int, v.data_xy.x, v.data_xy.y,
        v.multi_pts.multi_points[1].x, v.multi_pts.multi_points[2].y })
      assert.matches("wrong", raises("CDemo", Demo.new, Demo, { wrong = 1 }))
      raises("CDemo", Demo.new, Demo, 7)
    end)

    it("has no other fields, and none can be set", function()
      raises("CPoint", function() Point.size = 3 end)
      assert.equal(16, Point.size)
    end)
  end)
end)

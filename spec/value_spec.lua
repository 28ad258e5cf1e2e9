local ipmmap = require "ipmmap"
local either = require "spec.helper.either"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.struct("ValueSpecPoint", { { "x", "double" }, { "y", "double" } })
ipmmap.struct("ValueSpecInner", { { "a", "int32" }, { "b", "char[4]" }, { "n", "int8[3]" } })
local All = ipmmap.base:extend("ValueSpecAll", {
  { "bool", "bool" }, { "int8", "int8" }, { "uint8", "uint8" }, { "int16", "int16" },
  { "uint16", "uint16" }, { "int32", "int32" }, { "uint32", "uint32" }, { "int64", "int64" },
  { "uint64", "uint64" }, { "float", "float" }, { "double", "double" }, { "char", "char" },
  { "text", "char[8]" }, { "texts", "char[2][4]" }, { "grid", "int16[2][3]" },
  { "point", "ValueSpecPoint" }, { "points", "ValueSpecPoint[3]" }, { "inner", "ValueSpecInner" },
  { "pair", "int16[2]" },
})

local MAX, MIN = either.integer "0x7fffffffffffffff", either.integer "-0x7fffffffffffffff" - 1

--- Asserts that a number is an integer or a float, which LuaJIT does not tell apart.
local function is_of_type(expected, value)
  assert.equal(expected, either.is_jit and expected or math.type(value)) -- luacheck: ignore 143
end

--- Describes behaviours that detached values and views have in common.
-- @tparam function body called with a function that makes a value or a view, of zeros
local function describe_both(what, body)
  describe(what .. " of a detached value", function() body(function() return All:new() end) end)
  describe(what .. " of a view", function()
    after_each(segment.close)
    body(function()
      local _, manager = segment.make(All)
      return segment.lock(manager)
    end)
  end)
end

describe_both("a scalar field", function(make)
  local v
  before_each(function() v = make() end)

  local limits = {
    int8 = { -128, 127 }, uint8 = { 0, 255 }, int16 = { -32768, 32767 }, uint16 = { 0, 65535 },
    int32 = { -2147483648, 2147483647 }, uint32 = { 0, 4294967295 },
  }
  for name, limit in pairs(limits) do
    it("of type " .. name .. " takes the values in its range, and no others", function()
      for _, value in ipairs(limit) do
        v[name] = value
        assert.equal(value, v[name])
        v[name] = value + 0.0
        is_of_type("integer", v[name])
      end
      local message = ("ValueSpecAll.%s: %d is out of range for %s (%d to %d)")
      refused(message:format(name, limit[1] - 1, name, limit[1], limit[2]), function()
        v[name] = limit[1] - 1
      end)
      refused(message:format(name, limit[2] + 1, name, limit[1], limit[2]), function()
        v[name] = limit[2] + 1
      end)
      for _, far in ipairs { MAX, MIN } do
        refused("is out of range for " .. name, function() v[name] = far end)
      end
      assert.equal(limit[2], v[name])
    end)
  end

  it("of 64 bits holds every integer of 64 bits", function()
    for _, value in ipairs { MIN, -1, 0, MAX } do
      v.int64, v.uint64 = value, value
      assert.equal(value, v.int64)
      assert.equal(value == -1 and either.uint64_max or value, v.uint64)
    end
    local shown = either.is_jit and "9223372036854775808" or tostring(2.0 ^ 63)
    refused(("ValueSpecAll.int64: %s is out of range for int64 (-9223372036854775808 to "
      .. "9223372036854775807)"):format(shown), function() v.int64 = 2.0 ^ 63 end)
    if either.is_jit then return end
    refused(("ValueSpecAll.uint64: %s is out of range for uint64 (0 to 18446744073709551615; a Lua "
      .. "integer holds 2^63 and more as the negative number of the same 64 bits, -1 for the largest)")
      :format(shown), function() v.uint64 = 2.0 ^ 63 end)
  end)

  for _, name in ipairs { "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64" } do
    it("of type " .. name .. " takes an integral float, and refuses other values", function()
      v[name] = 7.0
      is_of_type("integer", v[name])
      for shown, wrong in pairs {
        ["1.5"] = 1.5, ["'12'"] = "12", ["true"] = true, ["a table"] = {}, ["a function"] = print,
      } do
        refused(("ValueSpecAll.%s: %s is not an integer (%s)"):format(name, shown, name),
          function() v[name] = wrong end)
      end
      refused(("ValueSpecAll.%s: nil is not an integer (%s)"):format(name, name), function() v[name] = nil end)
      refused(("nan is not an integer (%s)"):format(name), function() v[name] = 0 / 0 end)
      refused("inf is out of range for " .. name, function() v[name] = math.huge end)
      refused("1e+30 is out of range for " .. name, function() v[name] = 1e30 end)
      assert.equal(7, v[name])
    end)
  end

  it("of type double takes any number", function()
    for _, value in ipairs { 0.1, -1.7976931348623157e308, math.huge, -math.huge, 5 } do
      v.double = value
      assert.equal(value, v.double)
      is_of_type("float", v.double)
    end
    v.double = 0 / 0
    assert.not_equal(v.double, v.double)
  end)

  it("of type float or double refuses anything but a number", function()
    for _, name in ipairs { "float", "double" } do
      v[name] = 0.25
      for shown, wrong in pairs { ["'1'"] = "1", ["true"] = true, ["a table"] = {} } do
        refused(("ValueSpecAll.%s: %s is not a number (%s)"):format(name, shown, name),
          function() v[name] = wrong end)
      end
      refused(("ValueSpecAll.%s: nil is not a number (%s)"):format(name, name), function() v[name] = nil end)
      assert.equal(0.25, v[name])
      is_of_type("float", v[name])
    end
  end)

  it("of type float rounds, and refuses a finite number out of its range", function()
    v.float = 0.1
    assert.equal(0x1.99999ap-4, v.float)
    local largest = 0x1.fffffep127
    for _, value in ipairs { largest, -largest, math.huge, -math.huge } do
      v.float = value
      assert.equal(value, v.float)
    end
    v.float = largest * (1 + 2.0 ^ -26) -- rounds down to the largest
    assert.equal(largest, v.float)
    v.float = 1
    for _, value in ipairs { 1e39, -1e39, 0x1.ffffffp127 } do
      refused("is out of range for float (-3.40282347e+38 to 3.40282347e+38)", function() v.float = value end)
    end
    assert.equal(1.0, v.float)
    v.float = 0 / 0
    assert.not_equal(v.float, v.float)
  end)

  it("of type bool takes only a boolean", function()
    v.bool = true
    assert.is_true(v.bool)
    refused("ValueSpecAll.bool: 0 is not a boolean (bool)", function() v.bool = 0 end)
    refused("ValueSpecAll.bool: nil is not a boolean (bool)", function() v.bool = nil end)
    refused("ValueSpecAll.bool: 'true' is not a boolean (bool)", function() v.bool = "true" end)
    assert.is_true(v.bool)
    v.bool = false
    assert.is_false(v.bool)
  end)

  it("of type char is filled with zeros, and read up to the first NUL", function()
    v.text = "12345678"
    assert.equal("12345678", v.text)
    v.text = "abc"
    assert.equal("abc", v.text)
    local start = All:offsetof "text" + 1
    assert.equal("abc\0\0\0\0\0", ipmmap.bytes(v):sub(start, start + 7))
    v.text = ""
    assert.equal("", v.text)
    v.char = "c"
    assert.equal("c", v.char)
    v.texts[2] = "four"
    assert.same({ "", "four" }, ipmmap.totable(v).texts)
  end)

  it("of type char refuses a longer string, a NUL and a number", function()
    v.text = "old"
    refused("ValueSpecAll.text: '123456789' has 9 bytes, char[8] holds 8", function()
      v.text = "123456789"
    end)
    refused("ValueSpecAll.text: 'a\\x00b' has a NUL in it", function() v.text = "a\0b" end)
    refused("ValueSpecAll.text: 'a\\x00' has a NUL in it", function() v.text = "a\0" end)
    refused("ValueSpecAll.text: 5 is not a string (char[8])", function() v.text = 5 end)
    refused("ValueSpecAll.text: nil is not a string (char[8])", function() v.text = nil end)
    refused("ValueSpecAll.text: a table is not a string (char[8])", function() v.text = { "a" } end)
    refused("ValueSpecAll.text: '" .. ("x"):rep(40) .. "...' has 1000 bytes", function()
      v.text = ("x"):rep(1000)
    end)
    refused("ValueSpecAll.char: 'ab' has 2 bytes, char holds 1", function() v.char = "ab" end)
    assert.equal("old", v.text)
  end)
end)

describe("a value", function()
  it("is zero except for the fields in the table", function()
    local v = All:new { int8 = 5, points = { { x = 1 }, { y = 2 } }, grid = { { 1, 2, 3 }, { 4 } } }
    assert.equal(5, v.int8)
    assert.equal(0, v.int16)
    assert.equal("", v.text)
    assert.is_false(v.bool)
    assert.same({ { x = 1, y = 0 }, { x = 0, y = 2 }, { x = 0, y = 0 } }, ipmmap.totable(v).points)
    assert.same({ { 1, 2, 3 }, { 4, 0, 0 } }, ipmmap.totable(v).grid)
  end)

  it("can be made from another value, and is a copy", function()
    local v = All:new { int8 = 5 }
    local copy = All:new(v)
    v.int8 = 6
    assert.equal(5, copy.int8)
  end)

  it("of a shared struct has a header like any field", function()
    local S = ipmmap.base:extend("ValueSpecShared", { { "x", "int32" } })
    local v = S:new { header = { header_code = 3 }, x = 1 }
    assert.equal(3, v.header.header_code)
    v.header.time_stamp = 5
    assert.equal(5.0, v.header.time_stamp)
  end)

  it("refuses a table with a mistake, even if all else in it is right", function()
    refused("ValueSpecAll: no field 'nope'", function() All:new { int8 = 1, nope = 2 } end)
    refused("ValueSpecAll: no field 1", function() All:new { 5 } end)
    refused("ValueSpecAll.points[2].x: 'a' is not a number", function()
      All:new { points = { {}, { x = "a" } } }
    end)
    refused("ValueSpecAll: 5 is neither a table nor a ValueSpecAll", function() All:new(5) end)
    assert.has_error(function() All.new({}, {}) end)
  end)

  it("keeps nested views alive", function()
    local point = All:new({ point = { x = 4 } }).point
    collectgarbage()
    collectgarbage()
    assert.equal(4.0, point.x)
  end)
end)

describe_both("assignment to a struct or an array", function(make)
  local v
  before_each(function()
    v = make()
    v.point, v.points = { x = 1, y = 2 }, { { x = 3 }, { x = 4 }, { x = 5 } }
  end)

  it("from a table sets the fields in the table", function()
    v.point = { y = 9 }
    assert.same({ x = 1, y = 9 }, ipmmap.totable(v.point))
    v.points = { { y = 7 } }
    assert.same({ { x = 3, y = 7 }, { x = 0, y = 0 }, { x = 0, y = 0 } }, ipmmap.totable(v.points))
    v.points = { [2] = { x = 4 }, [3] = { x = 5 } }
    assert.same({ { x = 3, y = 7 }, { x = 4, y = 0 }, { x = 5, y = 0 } }, ipmmap.totable(v.points))
    v.points[3] = {}
    v.grid[2] = { 7, 8 }
    assert.same({ { 0, 0, 0 }, { 7, 8, 0 } }, ipmmap.totable(v.grid))
    v.grid[2] = { [3] = 9 }
    assert.same({ 7, 8, 9 }, ipmmap.totable(v.grid[2]))
    v.grid[2] = {}
    assert.same({ 0, 0, 0 }, ipmmap.totable(v.grid[2]))
    v.inner = { a = 1, b = "b", n = { 1, 2, 3 } }
    v.inner = { a = 2, n = { 9 } }
    assert.same({ a = 2, b = "b", n = { 9, 0, 0 } }, ipmmap.totable(v.inner))
  end)

  it("from a view or value of the same type copies it", function()
    v.point = v.points[3]
    assert.same({ x = 5, y = 0 }, ipmmap.totable(v.point))
    local point = ipmmap.lookup("ValueSpecPoint"):new { x = 6, y = 6 }
    v.points[1] = point
    point.x = 7
    assert.same({ x = 6, y = 6 }, ipmmap.totable(v.points[1]))
    v.points = All:new { points = { { x = 8 } } }.points
    assert.same({ { x = 8, y = 0 }, { x = 0, y = 0 }, { x = 0, y = 0 } }, ipmmap.totable(v.points))
    v.point = v.point
    assert.equal(5.0, v.point.x)
    v.pair = All:new { pair = { 7, 8 } }.pair -- its offset is no multiple of 8
    assert.same({ 7, 8 }, ipmmap.totable(v.pair))
    v.grid[1] = { 1, 2, 3 }
    v.grid[2] = v.grid[1]
    assert.same({ { 1, 2, 3 }, { 1, 2, 3 } }, ipmmap.totable(v.grid))
  end)

  it("takes views inside tables", function()
    v.points = { v.point, { y = 1 } }
    assert.same({ x = 1, y = 2 }, ipmmap.totable(v.points[1]))
  end)

  it("stores nothing if one of the values is refused", function()
    local before = ipmmap.bytes(v)
    for _, wrong in ipairs {
      { { x = 1 }, { x = 1 }, { x = 1 }, { x = 1 } }, { [4] = { x = 9 } },
      { { x = 9 }, n = 1 }, { { x = 9 }, { x = "9" } },
      { { x = 9 }, 5 }, { [0] = {} }, { [1.5] = {} },
      { { x = 9, z = 1 } }, { { x = 9 }, v.grid }, "abcd", v.point,
    } do
      assert.is_false(pcall(function() v.points = wrong end))
    end
    for _, wrong in ipairs { 5, "x", true, v.points, v, print, io.stdout, { 2 },
                             { [{}] = 2 } } do
      assert.is_false(pcall(function() v.point = wrong end))
    end
    for _, wrong in ipairs { v.pair, v.points, { 1, 2, "3" } } do
      assert.is_false(pcall(function() v.grid[1] = wrong end))
    end
    assert.is_false(pcall(function() v.int32 = v.point end))
    assert.is_false(pcall(function() v.point = nil end))
    assert.equal(before, ipmmap.bytes(v))
  end)

  it("names in its error the value that is wrong", function()
    refused("ValueSpecAll.points: index 4 is out of range (1 to 3)", function()
      v.points = { {}, {}, {}, {} }
    end)
    refused("ValueSpecAll.points: index 4 is out of range (1 to 3)", function() v.points = { [4] = {} } end)
    refused("ValueSpecAll.points: 'n' is not an index", function() v.points = { n = 1 } end)
    refused("ValueSpecAll.point: a ValueSpecPoint[3] is not a ValueSpecPoint of the same layout",
      function() v.point = v.points end)
    refused("ValueSpecAll.grid[1]: a int16[2] is not a int16[3] of the same layout",
      function() v.grid[1] = v.pair end)
    refused("ValueSpecAll.grid[1]: index 4 is out of range (1 to 3)", function() v.grid = { { 1, 2, 3, 4 } } end)
    refused("ValueSpecAll.grid[2][3]: '3' is not an integer", function() v.grid[2] = { 1, 2, "3" } end)
    refused("ValueSpecAll.inner.n[3]: 300 is out of range for int8", function() v.inner = { n = { 1, 1, 300 } } end)
    local namesake = ipmmap.struct("ValueSpecNamesake", { { "x", "double" }, { "y", "double" } })
    refused("ValueSpecAll.point: a ValueSpecNamesake is not a ValueSpecPoint",
      function() v.point = namesake:new() end)
    local other = ipmmap.parse "struct ValueSpecPoint {\n  x: double\n  y: float\n}\n"
    refused("ValueSpecAll.point: a ValueSpecPoint is not a ValueSpecPoint of the same layout: y: double at 8 here, "
      .. "float at 8 given", function() v.point = other:new() end)
    refused("ValueSpecAll.point: 5 is neither a table nor a ValueSpecPoint", function()
      v.point = 5
    end)
    refused("ValueSpecAll.points[2]: no field 'z'", function() v.points[2] = { z = 1 } end)
  end)

  it("refuses a table whose metatable shows fields that the table does not contain", function()
    local use = " metatable%s, which assignment does not use: give a plain table"
    for name, metatable in pairs {
      __index = { __index = function() return 9 end }, __pairs = { __pairs = pairs },
    } do
      for field, table in pairs { point = { x = 5 }, points = {}, texts = { "a" } } do
        refused(("ValueSpecAll.%s: the table's" .. use):format(field, " has " .. name), function()
          v[field] = setmetatable(table, metatable)
        end)
      end
    end
    refused("ValueSpecAll.points: the table's" .. use:format " has __len", function()
      v.points = setmetatable({}, { __len = function() return 2 end })
    end)
    refused("ValueSpecAll.point.y: it comes by __index of the table's" .. use:format "", function()
      v.point = setmetatable({ x = 5 }, { __index = { y = 6 } })
    end)
    refused("ValueSpecAll.texts[2]: it comes by __index of the table's" .. use:format "", function()
      v.texts = setmetatable({ "a" }, { __index = { "b", "c" } })
    end)
    refused("ValueSpecAll.texts: the table's" .. use:format " has __index", function()
      v.texts = setmetatable({ "a", "b" }, { __index = { "a", "b", "c" } })
    end)
    local loop = setmetatable({}, {})
    getmetatable(loop).__index = loop
    refused("ValueSpecAll.point: the table's" .. use:format " has __index", function() v.point = loop end)
    local far = setmetatable({}, { __index = setmetatable({ name = "class" }, { __index = { x = 9 } }) })
    refused("ValueSpecAll.point.x: it comes by __index", function() v.point = far end)
    refused("ValueSpecAll.point.x: it comes by __index", function() All:new { point = far } end)
    refused("ValueSpecAll.points[1].x: it comes by __index", function() v.points = { far } end)
    assert.same({ x = 1.0, y = 2.0 }, ipmmap.totable(v.point))
  end)

  it("takes an object of a class that has methods behind __index", function()
    local Class = { length = function() error "called" end }
    Class.__index = setmetatable(Class, { __index = { base = print } })
    v.point = setmetatable({ x = 3, y = 4 }, Class)
    assert.same({ x = 3.0, y = 4.0 }, ipmmap.totable(v.point))
    Class.x = 9
    v.point = setmetatable({ x = 5 }, Class)
    assert.equal(5.0, v.point.x)
    v.texts = setmetatable({ "a", "b" }, { __index = table, __newindex = error, __name = "list" })
    assert.same({ "a", "b" }, ipmmap.totable(v.texts))
  end)
end)

describe_both("an index", function(make)
  it("goes from 1 to the length, and raises an error outside", function()
    local v = make()
    for i = 1, 3 do v.grid[2][i] = 10 * i end
    assert.same({ 2, 3, 3 }, { #v.grid, #v.grid[1], #v.points })
    assert.equal(20, v.grid[2][2.0])
    for _, i in ipairs { 0, -1, 5, MAX, MIN, 1.5, "x", "1", true } do
      local shown = type(i) == "string" and ("'%s'"):format(i) or tostring(i):gsub("LL$", "")
      refused("ValueSpecAll.grid[2]: ", function() return v.grid[2][i] end)
      refused(shown, function() return v.grid[2][i] end)
      refused("ValueSpecAll.grid[2]: ", function() v.grid[2][i] = 1 end)
      refused(shown, function() v.grid[2][i] = 1 end)
    end
    assert.same({ { 0, 0, 0 }, { 10, 20, 30 } }, ipmmap.totable(v.grid))
    refused("ValueSpecAll.points[2]: no field 'z'", function() return v.points[2].z end)
  end)
end)

describe_both("an iteration", function(make)
  it("by ipairs and pairs visits elements in order, and fields in memory order", function()
    local v = make()
    v.grid[1] = { 6, 5, 4 }
    for _, walk in ipairs { ipmmap.ipairs, ipmmap.pairs } do
      local seen = {}
      for i, n in walk(v.grid[1]) do seen[i] = n end
      assert.same({ 6, 5, 4 }, seen)
    end
    for _, point in ipmmap.ipairs(v.points) do point.x = 7 end
    assert.equal(7.0, v.points[3].x)
    local names = {}
    for name in ipmmap.pairs(v.inner) do names[#names + 1] = name end
    assert.same({ "a", "b", "n" }, names)
  end)
end)

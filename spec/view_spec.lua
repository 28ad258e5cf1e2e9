local ipmmap = require "ipmmap"
local either = require "spec.helper.either"
local pack = require "spec.helper.pack"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

-- What LuaJIT itself says about a number as the key of a struct in a view.
local UNINDEXED = either.is_jit and "size of C type is unknown or too large"

--- Describes a behaviour in Lua, where views have metatables that a program can change.
local it_in_lua = either.is_jit and function() end or it

ipmmap.struct("ViewSpecPoint", { { "x", "double" }, { "y", "double" } })
local S = ipmmap.base:extend("ViewSpec", {
  { "number", "int32" }, { "text", "char[16]" }, { "point", "ViewSpecPoint" },
  { "points", "ViewSpecPoint[24]" }, { "many", "ViewSpecPoint[2000]" }, { "grid", "int16[2][3]" },
})

describe("a view", function()
  local _, manager, reader
  before_each(function() _, manager, reader = segment.make(S, { "reader" }) end)
  after_each(segment.close)

  it("reads and writes fields, nested ones and elements", function()
    manager:with(function(data)
      data.number, data.text = 5, "hello"
      data.point.x = 1.5
      data.points[24].y = 2.5
      data.grid[2][3] = 7
      data.many[2000] = { x = 9 }
    end)
    local data = segment.lock(reader)
    assert.equal(5, data.number)
    assert.equal("hello", data.text)
    assert.equal(1.5, data.point.x)
    assert.equal(2.5, data.points[24].y)
    assert.equal(7, data.grid[2][3])
    assert.equal(9.0, data.many[2000].x)
    assert.equal(0x1128, data.header.header_code)
  end)

  it("gives pairs its fields in memory order", function()
    local data = segment.lock(reader)
    local names = {}
    for name, value in ipmmap.pairs(data) do
      names[#names + 1] = name
      if name == "number" then assert.equal(0, value) end
      if name == "point" then assert.equal(data.point, value) end
    end
    assert.same({ "header", "number", "text", "point", "points", "many", "grid" }, names)
  end)

  it("of an array has a length, and works with pairs and ipairs", function()
    local data = segment.lock(manager)
    assert.equal(24, #data.points)
    assert.equal(3, #data.grid[1])
    for i, point in ipmmap.ipairs(data.points) do point.x = i end
    local sum, count = 0, 0
    for i, point in ipmmap.pairs(data.points) do
      assert.equal(i + 0.0, point.x)
      sum, count = sum + i, count + 1
    end
    assert.equal(300, sum)
    assert.equal(24, count)
    data.grid[1] = { 4, 5, 6 }
    local seen = {}
    for i, value in ipmmap.pairs(data.grid[1]) do seen[i] = value end
    assert.same({ 4, 5, 6 }, seen)
  end)

  it("finds fields by long names, and by names that are made at run time", function()
    local fields = {}
    for i = 1, 300 do
      fields[i] = { ("f"):rep(i % 60 + 1) .. i, "int32" }
    end
    local value = ipmmap.struct("ViewSpecNames", fields):new()
    for i = 1, 300 do
      value[("f"):rep(i % 60 + 1) .. i] = i
    end
    for i, field in ipairs(fields) do
      assert.equal(i, value[field[1]])
    end
    refused("no field", function() return value[("f"):rep(50)] end)
    refused("no field", function() return value[1] end)
    refused("no field", function() return value[io.stdout] end)
  end)

  it("raises an error for a field or an index that does not exist", function()
    local data = segment.lock(manager)
    refused("ViewSpec: no field 'nope'", function() return data.nope end)
    refused("ViewSpec: no field 'nope'", function() data.nope = 1 end)
    refused("ViewSpec.point: no field 'z'", function() return data.point.z end)
    refused(UNINDEXED or "ViewSpec.point: no field 1", function() return data.point[1] end)
    refused("ViewSpec.points: index 0 is out of range (1 to 24)", function()
      return data.points[0]
    end)
    refused("ViewSpec.points: index 26 is out of range (1 to 24)", function()
      return data.points[26]
    end)
    refused("ViewSpec.points: index -1 is out of range (1 to 24)", function()
      return data.points[-1]
    end)
    for _, far in ipairs { "9223372036854775807", "-9223372036854775807" } do
      refused(("ViewSpec.points: index %s is out of range (1 to 24)"):format(far), function()
        return data.points[either.integer(far)]
      end)
    end
    refused("ViewSpec.points: index 25 is out of range (1 to 24)", function()
      data.points[25] = {}
    end)
    refused("ViewSpec.points: true is not an index", function() return data.points[true] end)
    refused("ViewSpec.points: 1.5 is not an index", function() return data.points[1.5] end)
    refused("ViewSpec.points: '1' is not an index", function() return data.points["1"] end)
    refused("ViewSpec.grid[2]: index 4 is out of range (1 to 3)", function()
      data.grid[2][4] = 1
    end)
    refused("ViewSpec.points: nil is not an index", function() return data.points[nil] end)
    assert.is_nil(data.points[25])
    assert.equal(data.points[1], data.points[1.0])
  end)

  it("names the field's path in its errors", function()
    local data = segment.lock(manager)
    refused("ViewSpec.points[3].x: 'a' is not a number (double)", function()
      data.points[3].x = "a"
    end)
    refused("ViewSpec.grid[2][3]: 40000 is out of range for int16", function()
      data.grid[2][3] = 40000
    end)
  end)

  it("of a reader raises an error on assignment", function()
    local data = segment.lock(reader)
    refused("ViewSpec.number: a reader cannot write", function() data.number = 1 end)
    refused("ViewSpec.point.x: a reader cannot write", function() data.point.x = 1 end)
    refused("ViewSpec.points[1]: a reader cannot write", function() data.points[1] = {} end)
    refused("ViewSpec.grid[1][2]: a reader cannot write", function() data.grid[1][2] = 1 end)
    refused("ViewSpec.grid[1]: a reader cannot write", function() data.grid[1] = { 1 } end)
    refused("ViewSpec.point: a reader cannot write", ipmmap.setbytes, data.point, ("a"):rep(16))
    refused("ViewSpec: a reader cannot write", ipmmap.setbytes, data, ipmmap.bytes(data))
    assert.equal(0, data.number)
  end)

  it("has fields of any name, because it has no methods", function()
    local _, own = segment.make(ipmmap.base:extend("ViewSpecWords", { { "close", "int8" }, { "lock", "int8" } }))
    local data = segment.lock(own)
    data.close, data.lock = 1, 2
    assert.same({ 1, 2 }, { data.close, data.lock })
  end)

  it("never assigns the header", function()
    local data = segment.lock(manager)
    local stamp = data.header.time_stamp
    refused("ViewSpec.header: set only by creation, touch and clear", function()
      data.header = { time_stamp = 1 }
    end)
    refused("ViewSpec.header: set only by creation, touch and clear", function()
      data.header = S:new().header
    end)
    refused("ViewSpec.header.time_stamp: set only by creation, touch and clear", function()
      data.header.time_stamp = 1
    end)
    refused("ViewSpec.header: the header is set only by creation, touch and clear",
      ipmmap.setbytes, data.header, ("a"):rep(16))
    refused("ViewSpec: the header is set only by creation, touch and clear",
      ipmmap.setbytes, data, ("a"):rep(S.size))
    assert.equal(stamp, data.header.time_stamp)
    local bytes = ipmmap.bytes(data)
    ipmmap.setbytes(data, bytes:sub(1, 16) .. pack("i4", 77) .. bytes:sub(21))
    assert.equal(77, data.number)
    ipmmap.setbytes(data.header, bytes:sub(1, 16))
  end)

  it("raises an error after its lock was released", function()
    local data, point, points
    manager:with(function(view) data, point, points = view, view.point, view.points end)
    for _, use in ipairs {
      function() return data.number end, function() data.number = 1 end,
      function() return point.x end, function() point.x = 1 end,
      function() for _ in ipmmap.pairs(data) do error "x" end end,
      function() return #data.points end, function() return #points end, function() return points[1] end,
      function() for _ in ipmmap.ipairs(points) do error "x" end end, function() S:new().point = point end,
      function() ipmmap.totable(data) end, function() ipmmap.bytes(point) end,
      function() ipmmap.setbytes(point, ("a"):rep(16)) end, function() S:new(data) end,
      function() manager:set { point = point } end,
    } do
      refused("view used after its lock was released", use)
    end
    refused("ViewSpec.point: view used after", function() return point.x end)
    assert.truthy(tostring(point):find("ViewSpec.point (ViewSpecPoint): ", 1, true))
    assert.equal(0, manager:read "number")
  end)

  it("that a program keeps works again under the next lock of its handle", function()
    local point
    manager:with(function(data) point = data.point end)
    local data = segment.lock(manager)
    point.x = 8
    assert.equal(8.0, data.point.x)
    assert.equal(point, data.point)
  end)

  it("raises an error after its handle was closed", function()
    local data = segment.lock(manager)
    local point = data.point
    manager:close()
    refused("view used after its lock was released", function() return data.number end)
    refused("view used after its lock was released", function() point.x = 1 end)
    assert.is_string(tostring(data))
    if not either.is_jit then
      getmetatable(data).__close(data)
      getmetatable(data).__gc(data)
    end
  end)

  it("can be assigned from a view of another handle, and to values", function()
    local other = segment.open("manager", S, { create = true, mmap_dir = tmpdir(), tag = "b" })
    local to = segment.lock(other)
    manager:with(function(data)
      data.points[2].x = 3
      to.points = data.points
      to.point = data.points[2]
      data.many = { data.points[2], data.point }
    end)
    assert.equal(3.0, to.points[2].x)
    assert.equal(3.0, to.point.x)
    assert.equal(3.0, S:new(to).point.x)
    assert.equal(3.0, manager:read "many[1].x")
  end)

  it_in_lua("has metamethods that refuse wrong arguments when a program calls them", function()
    local data = segment.lock(manager)
    local struct, array = getmetatable(data), getmetatable(data.points)
    for _, wrong in ipairs { 5, {}, "x", io.stdout, manager, S } do
      for name, method in pairs(struct) do
        if type(method) == "function" then
          assert.has_error(function() method(wrong, "number", 1) end, nil, name)
        end
      end
      for name, method in pairs(array) do
        if type(method) == "function" then
          assert.has_error(function() method(wrong, 1, 1) end, nil, name)
        end
      end
    end
    assert.has_error(function() struct.__index() end)
    assert.has_error(function() struct.__index(data.point, "number") end)
    assert.has_error(function() struct.__newindex(data.point, "number", 1) end)
    assert.has_error(function() struct.__index(data.points, "number") end)
    assert.has_error(function() array.__index(data, 1) end)
    assert.has_error(function() array.__len(data) end)
    assert.has_error(function() array.next(data) end)
    assert.has_error(function() struct.next(data.points) end)
    assert.has_error(function() struct.__close(data.point) end)
    assert.has_error(function() struct.__gc(S:new()) end)
    assert.has_error(function() struct.next(data, "nope") end)
    assert.equal(0, data.number)
  end)

  it_in_lua("does not crash when a program changes its metatable", function()
    local struct = ipmmap.struct("ViewSpecEmptied", { { "x", "double" }, { "y", "int32" } })
    local big = ipmmap.struct("ViewSpecBig", { { "pad", "char[100000000]" }, { "x", "int32" } })
    local metatable, kept = getmetatable(struct:new()), {}
    local index = metatable.__index
    for key, value in pairs(metatable) do
      if type(key) == "userdata" then
        for _, other in ipairs { getmetatable(big:new())[key], io.stdout, false } do
          metatable[key] = other
          assert.equal(0.0, struct:new().x)
        end
        metatable[key] = value
      end
    end
    for i = 1, 20 do
      local v = struct:new()
      for key in pairs(metatable) do metatable[key] = nil end
      collectgarbage()
      for j = 1, 100 do kept[#kept + 1] = ("z"):rep(40 + i + j) end
      assert.equal(0.0, index(v, "x"))
      assert.has_error(function() index(v, "z") end)
    end
  end)
end)

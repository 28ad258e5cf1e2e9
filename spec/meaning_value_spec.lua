-- Enumerations, limits, defaults, wide texts and packed structs in views and values.
local ipmmap = require "ipmmap"
local either = require "spec.helper.either"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

local Mode = ipmmap.enum("MeaningValueMode", "int8", { idle = 0, walk = 4, back = -1 })
local Rights = ipmmap.flags("MeaningValueRights", "uint32", { "read", "write" })
ipmmap.struct("MeaningValueVec", { { "x", "float" }, { "y", "float" }, { "z", "float" } })
ipmmap.struct("MeaningValueMixed", { { "x", "float" }, { "y", "double" } })
ipmmap.struct("MeaningValuePacked", {
  { "a", "int8" }, { "b", "double" }, { "c", "int16" }, { "d", "int64" }, { "e", "float" }, { "f", "char16[4]" },
  { "mode", Mode }, { "g", "uint32[2]" },
}, { pack = 1 })
ipmmap.struct("MeaningValueLimited", {
  { "level", "float", min = 0, max = 0.1 }, { "count", "int16", min = -2, max = 5 },
  { "big", "uint64", max = 10 }, { "small", "int8", min = 0 }, { "rows", "double[3]", min = 1 },
})
local S = ipmmap.base:extend("MeaningValue", {
  { "mode", Mode, default = "walk" }, { "modes", Mode[3], default = { "back" } }, { "rights", Rights, default = 3 },
  { "limited", "MeaningValueLimited" }, { "wide", "char16[4]" }, { "wider", "char32[4]", default = "aé" },
  { "long", "char16[600]" }, { "unit", "char16" },
  { "packed", "MeaningValuePacked[3]" }, { "vec", "MeaningValueVec" }, { "vecs", "MeaningValueVec[2]" },
  { "mixed", "MeaningValueMixed" }, { "grid", "int16[2][3]" }, { "cube", "int8[2][2][2]" },
  { "gains", "float[4]", default = 1 }, { "steps", "int32[4]", default = { 7, 8 } },
  { "table", "int32[2][2]", default = { 1, 2, 3, 4 } },
})

local function describe_both(what, body)
  describe(what .. " of a detached value", function() body(function() return S:new() end) end)
  describe(what .. " of a view", function()
    after_each(segment.close)
    body(function()
      local _, manager = segment.make(S)
      local v = segment.lock(manager)
      ipmmap.setbytes(v, ipmmap.bytes(v):sub(1, 16) .. ("\0"):rep(S.size - 16))
      return v
    end)
  end)
end

describe_both("an enumeration", function(make)
  local v
  before_each(function() v = make() end)

  it("is read as a name, or as a number that has no name", function()
    assert.equal("idle", v.mode)
    v.mode = 4
    assert.equal("walk", v.mode)
    v.mode = 5
    assert.equal(5, v.mode)
    v.mode = -1
    assert.equal("back", v.mode)
  end)

  it("takes a name or a number", function()
    v.mode = "walk"
    assert.equal("walk", v.mode)
    v.mode = Mode.back
    assert.equal("back", v.mode)
    v.modes = { "walk", -1, 9 }
    assert.same({ "walk", "back", 9 }, ipmmap.totable(v.modes))
  end)

  it("refuses anything else, and tells its names", function()
    v.mode = "walk"
    local function refuses(text, value)
      refused("MeaningValue.mode: " .. text, function() v.mode = value end)
    end
    refuses("'run' is not a name of MeaningValueMode (back, idle, walk)", "run")
    refuses("'' is not a name of MeaningValueMode", "")
    refuses("128 is out of range for MeaningValueMode (-128 to 127)", 128)
    refuses("1.5 is not a name or an integer (MeaningValueMode)", 1.5)
    refuses("true is not a name or an integer (MeaningValueMode)", true)
    refuses("nil is not a name or an integer (MeaningValueMode)", nil)
    refused("MeaningValue.modes[2]: 'run' is not a name", function() v.modes = { "walk", "run" } end)
    assert.equal("walk", v.mode)
    assert.equal("idle", v.modes[1])
  end)
end)

describe_both("flags", function(make)
  it("are numbers", function()
    local v = make()
    v.rights = Rights.read + Rights.write
    assert.equal(3, v.rights)
    v.rights = 1
    assert.equal(1, v.rights)
    refused("MeaningValue.rights: 'read' is not an integer (MeaningValueRights)", function() v.rights = "read" end)
    refused("MeaningValue.rights: -1 is out of range for MeaningValueRights", function() v.rights = -1 end)
  end)
end)

describe_both("a limit", function(make)
  local v
  before_each(function()
    v = make().limited
    v.rows = { 1, 2, 3 }
  end)

  it("allows the numbers at both ends", function()
    v.level, v.count, v.big, v.small = 0, -2, 10, 0
    v.level, v.count = 0.1, 5
    assert.equal(5, v.count)
  end)

  it("is rounded as the numbers of a float are", function()
    v.level = 0.1
    refused("above the limit of 0.1", function() v.level = 0.10000001 end)
  end)

  it("refuses the numbers beyond, and leaves the old ones", function()
    v.level, v.count = 0.05, 3
    local before = ipmmap.bytes(v)
    local function refuses(name, text, value)
      refused("MeaningValue.limited." .. name .. ": " .. text, function() v[name] = value end)
    end
    refuses("level", "1.5 is above the limit of 0.1", 1.5)
    refuses("level", "-1 is below the limit of 0", -1)
    refuses("level", "inf is above the limit of 0.1", math.huge)
    refuses("level", "nan is not within the limits", 0 / 0)
    refuses("count", "6 is above the limit of 5", 6)
    refuses("count", "-3 is below the limit of -2", -3)
    refuses("count", "40000 is out of range for int16 (-32768 to 32767)", 40000)
    refuses("count", "'5' is not an integer (int16)", "5")
    refuses("big", "11 is above the limit of 10", 11)
    refuses("big", "18446744073709551615 is above the limit of 10", either.uint64_max)
    refuses("small", "-1 is below the limit of 0", -1)
    refused("MeaningValue.limited.rows[2]: 0.5 is below the limit of 1", function() v.rows[2] = 0.5 end)
    refused("MeaningValue.limited.rows[3]: 0 is below the limit of 1", function() v.rows = { 1, 1, 0 } end)
    assert.equal(before, ipmmap.bytes(v))
  end)

  it("holds in tables too, of which then nothing is stored", function()
    local whole = make()
    refused("MeaningValue.limited.count: 6 is above the limit of 5",
      function() whole.limited = { level = 0.1, count = 6 } end)
    assert.equal(0, whole.limited.level)
  end)

  it("is not checked by setbytes, but by check, and when a view or value is copied", function()
    local Limited = ipmmap.lookup "MeaningValueLimited"
    assert.is_true(ipmmap.check(v))
    local value = Limited:new(v)
    ipmmap.setbytes(value, ("\255"):rep(Limited.size))
    local is_valid, message = ipmmap.check(value)
    assert.is_nil(is_valid)
    assert.equal("MeaningValueLimited.level: nan is not within the limits", (message:gsub("%-nan", "nan")))
    local before = ipmmap.bytes(v)
    local whole = make()
    refused("MeaningValue.limited.level: ", function() whole.limited = value end)
    refused("MeaningValue.limited.level: ", function() whole.limited = { level = value.level } end)
    assert.equal(before, ipmmap.bytes(v))
    assert.equal(0, whole.limited.count)
  end)

  it("is named with the whole path by check", function()
    local whole = make()
    ipmmap.setbytes(whole.limited, ("\0"):rep(ipmmap.lookup("MeaningValueLimited").size))
    local is_valid, message = ipmmap.check(whole)
    assert.same({ nil, "MeaningValue.limited.rows[1]: 0 is below the limit of 1" }, { is_valid, message })
    is_valid, message = ipmmap.check(whole.limited.rows)
    assert.same({ nil, "MeaningValue.limited.rows[1]: 0 is below the limit of 1" }, { is_valid, message })
  end)
end)

describe("S:new", function()
  it("is of zeros, also where a field has a default", function()
    local value = S:new { packed = { { a = 1 } } }
    assert.equal("idle", value.mode)
    assert.equal(0, value.gains[1])
  end)

  it("gives the rest of a list its defaults", function()
    local value = S:new { gains = { 5 }, steps = { 1 }, table = { { 9 } } }
    assert.same({ 5, 1, 1, 1 }, ipmmap.totable(value.gains))
    assert.same({ 1, 8, 0, 0 }, ipmmap.totable(value.steps))
    assert.same({ { 9, 2 }, { 3, 4 } }, ipmmap.totable(value.table))
  end)
end)

describe_both("a default", function(make)
  local v
  before_each(function() v = make() end)

  it("is the rest of an array that a list is assigned to", function()
    v.gains = { 5 }
    assert.same({ 5, 1, 1, 1 }, ipmmap.totable(v.gains))
    v.gains = {}
    assert.same({ 1, 1, 1, 1 }, ipmmap.totable(v.gains))
    v.steps = { 1, 2, 3 }
    assert.same({ 1, 2, 3, 0 }, ipmmap.totable(v.steps))
    v.steps = {}
    assert.same({ 7, 8, 0, 0 }, ipmmap.totable(v.steps))
    v.modes = { "walk" }
    assert.same({ "walk", "idle", "idle" }, ipmmap.totable(v.modes))
    v.table[2] = { 5 }
    assert.same({ { 0, 0 }, { 5, 4 } }, ipmmap.totable(v.table))
  end)

  it("is not stored by a table with other indices", function()
    v.gains = { [3] = 5 }
    assert.same({ 0, 0, 5, 0 }, ipmmap.totable(v.gains))
    v.gains = { 1, nil, 2 }
    assert.same({ 1, 0, 2, 0 }, ipmmap.totable(v.gains))
  end)
end)

describe_both("a list of numbers", function(make)
  local v
  before_each(function() v = make() end)

  it("stands for a struct whose fields are all of one scalar type", function()
    v.vec = { 1, 2, 3 }
    assert.same({ x = 1, y = 2, z = 3 }, ipmmap.totable(v.vec))
    v.vecs = { { 1, 2, 3 }, { y = 5 } }
    assert.same({ { x = 1, y = 2, z = 3 }, { x = 0, y = 5, z = 0 } }, ipmmap.totable(v.vecs))
  end)

  it("has a number for each field", function()
    refused("MeaningValue.vec: a list for MeaningValueVec has 3 values, not 2", function() v.vec = { 1, 2 } end)
    refused("MeaningValue.vec: no field 4", function() v.vec = { 1, 2, 3, 4 } end)
    refused("MeaningValue.vec.y: 'a' is not a number", function() v.vec = { 1, "a", 3 } end)
    refused("MeaningValue.vec: a table for MeaningValueVec has either names or the numbers 1 to 3",
      function() v.vec = { x = 1, 2 } end)
    refused("MeaningValue.mixed: no field 1", function() v.mixed = { 1, 2 } end)
    assert.same({ x = 0, y = 0, z = 0 }, ipmmap.totable(v.vec))
  end)

  it("fills an array of arrays in memory order, if it is flat", function()
    v.grid = { 1, 2, 3, 4 }
    assert.same({ { 1, 2, 3 }, { 4, 0, 0 } }, ipmmap.totable(v.grid))
    v.cube = { 1, 2, 3, 4, 5, 6, 7, 8 }
    assert.same({ { { 1, 2 }, { 3, 4 } }, { { 5, 6 }, { 7, 8 } } }, ipmmap.totable(v.cube))
    v.cube[2] = { 9, 10, 11 }
    assert.same({ { 9, 10 }, { 11, 0 } }, ipmmap.totable(v.cube[2]))
    v.table = { 9 }
    assert.same({ { 9, 2 }, { 3, 4 } }, ipmmap.totable(v.table))
  end)

  it("is refused if it is longer than the array of arrays", function()
    refused("MeaningValue.grid: a list of 7 values is too long: int16[2][3] has 6",
      function() v.grid = { 1, 2, 3, 4, 5, 6, 7 } end)
    refused("MeaningValue.grid[2][1]: 'x' is not an integer", function() v.grid = { 1, 2, 3, "x" } end)
    assert.same({ { 0, 0, 0 }, { 0, 0, 0 } }, ipmmap.totable(v.grid))
  end)
end)

describe_both("a text of wide units", function(make)
  local v
  before_each(function() v = make() end)

  it("is UTF-8 in Lua", function()
    for _, text in ipairs { "", "a", "añ", "日本語", "a😀", "\239\191\191" } do
      v.wide, v.wider = text, text
      assert.same({ text, text }, { v.wide, v.wider })
    end
    v.unit = "é"
    assert.equal("é", v.unit)
  end)

  it("is UTF-16 and UTF-32 in memory, zero-filled", function()
    v.wide, v.wider = "abcd", "abcd"
    v.wide, v.wider = "a😀", "é"
    assert.equal("a\0\61\216\0\222\0\0", ipmmap.bytes(v):sub(S:offsetof "wide" + 1, S:offsetof "wide" + 8))
    assert.equal("\233\0\0\0" .. ("\0"):rep(12), ipmmap.bytes(v):sub(S:offsetof "wider" + 1, S:offsetof "wider" + 16))
  end)

  it("keeps unpaired surrogates", function()
    v.wide = "a\237\160\128b"
    assert.equal("a\237\160\128b", v.wide)
  end)

  it("may be long", function()
    local text = ("añ😀"):rep(150)
    v.long = text
    assert.equal(text, v.long)
    v.long = "b"
    assert.equal("b", v.long)
    text = ("x"):rep(600)
    v.long = text
    assert.equal(text, v.long)
  end)

  it("refuses what does not fit", function()
    v.wide = "abcd"
    local function refuses(text, value)
      refused("MeaningValue.wide: " .. text, function() v.wide = value end)
    end
    refuses("'abcde' has 5 units, char16[4] holds 4", "abcde")
    refuses("'abc😀' has 5 units, char16[4] holds 4", "abc😀")
    refuses("'\255' is not UTF-8", "\255")
    refuses("'\195' is not UTF-8", "\195")
    refuses("'a\\x00' has a NUL in it, which would end char16[4]", "a\0")
    refuses("5 is not a string (char16[4])", 5)
    assert.equal("abcd", v.wide)
  end)

  it("is zero-filled by setbytes too", function()
    local before = ipmmap.bytes(v)
    local at = S:offsetof "wide"
    refused("MeaningValue.wide: there are bytes after the NUL", function()
      ipmmap.setbytes(v, before:sub(1, at) .. "\0\0a\0" .. before:sub(at + 5))
    end)
    ipmmap.setbytes(v, before:sub(1, at) .. "\0a\0\0" .. before:sub(at + 5))
    assert.equal("愀", v.wide)
  end)
end)

describe_both("a packed struct", function(make)
  it("has its fields at any address", function()
    local v = make()
    for i = 1, 3 do
      local p = v.packed[i]
      p.a, p.b, p.c, p.d, p.e, p.f, p.mode, p.g[2] = -i, i + 0.5, -2 * i, 3 * i, i / 4, "é" .. i, "walk", 4294967295
    end
    for i = 1, 3 do
      assert.same({ a = -i, b = i + 0.5, c = -2 * i, d = 3 * i, e = i / 4, f = "é" .. i, mode = "walk",
        g = { 0, 4294967295 } }, ipmmap.totable(v.packed[i]))
    end
    v.packed[2] = v.packed[3]
    assert.equal(3.5, v.packed[2].b)
    v.packed = { { b = 7, f = "abcd" } }
    assert.same({ 7, "abcd", 0 }, { v.packed[1].b, v.packed[1].f, v.packed[3].b })
    assert.equal(32 + 4 + 4, ipmmap.lookup("MeaningValuePacked").size)
  end)
end)

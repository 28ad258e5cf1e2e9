-- Definitions with meaning: enumerations, flags, attributes, packed structs, redefinition.
local ipmmap = require "ipmmap"

local count = 0

-- A name that no other test has used.
local function fresh(name)
  count = count + 1
  return ("Meaning%s%d"):format(name, count)
end

local function refused(expected, fn, ...)
  local is_done, message = pcall(fn, ...)
  assert.is_false(is_done)
  assert.has_match(expected, message)
end

describe("an enumeration", function()
  it("numbers a list of names from 0", function()
    local Mode = ipmmap.enum(fresh "Mode", "uint8", { "idle", "walk" })
    assert.equal(0, Mode.idle)
    assert.equal(1, Mode.walk)
  end)

  it("takes the numbers of a table", function()
    local Mode = ipmmap.enum(fresh "Mode", "int16", { idle = -5, walk = 4 })
    assert.equal(-5, Mode.idle)
    assert.equal(4, Mode.walk)
  end)

  it("tells its names if one is unknown", function()
    local name = fresh "Mode"
    local Mode = ipmmap.enum(name, "uint8", { "idle", "walk" })
    refused(name .. " has no 'run': its names are idle, walk", function() return Mode.run end)
  end)

  it("has its schema text, in the order of the numbers", function()
    local name = fresh "Mode"
    local Mode = ipmmap.enum(name, "int8", { c = 10, a = 9, b = -10, d = -9 })
    assert.equal(("enum %s : int8 {\n  b = -10\n  d = -9\n  a = 9\n  c = 10\n}\n"):format(name), tostring(Mode))
  end)

  it("lists its names and numbers by pairs", function()
    local found = {}
    for name, number in ipmmap.pairs(ipmmap.enum(fresh "Mode", "uint8", { walk = 4, idle = 0 })) do
      found[#found + 1] = name .. number
    end
    assert.same({ "idle0", "walk4" }, found)
  end)

  it("cannot be changed", function()
    local Mode = ipmmap.enum(fresh "Mode", "uint8", { "idle" })
    refused("cannot be changed %('idle'%)", function() Mode.idle = 3 end)
    refused("cannot be changed %('run'%)", function() Mode.run = 3 end)
  end)

  it("is the first one if it is defined again in the same way", function()
    local name = fresh "Mode"
    local Mode = ipmmap.enum(name, "uint8", { "idle", "walk" })
    assert.equal(Mode, ipmmap.enum(name, "uint8", { walk = 1, idle = 0 }))
    assert.equal(Mode, ipmmap.lookup(name))
  end)

  it("cannot be defined again in another way", function()
    local name = fresh "Mode"
    ipmmap.enum(name, "uint8", { "idle", "walk" })
    refused(name .. " is defined already with another list of names: walk = 1 there, run = 1 here",
      ipmmap.enum, name, "uint8", { "idle", "run" })
    refused("is defined already", ipmmap.enum, name, "uint16", { "idle", "walk" })
    refused("is defined already", ipmmap.flags, name, "uint8", { "idle", "walk" })
    refused("is defined already", ipmmap.struct, name, { { "x", "int8" } })
  end)

  it("refuses a bad definition by name", function()
    local name = fresh "Mode"
    refused(name .. ": 'float' is not an integer type", ipmmap.enum, name, "float", { "a" })
    refused(name .. ": nil is not an integer type", ipmmap.enum, name, nil, { "a" })
    refused(name .. ": an enumeration has at least one name", ipmmap.enum, name, "uint8", {})
    refused(name .. ": names are a list, or a table", ipmmap.enum, name, "uint8", "a")
    refused(name .. ": 'a' and 'b' have the same number, 1", ipmmap.enum, name, "uint8", { a = 1, b = 1 })
    refused(name .. ": a = 256 is outside the range of uint8, 0 to 255", ipmmap.enum, name, "uint8", { a = 256 })
    refused(name .. ": a = %-1 is outside the range of uint8", ipmmap.enum, name, "uint8", { a = -1 })
    refused(name .. "%.a: 1.5 is not an integer", ipmmap.enum, name, "uint8", { a = 1.5 })
    refused(name .. "%.a: true is not an integer", ipmmap.enum, name, "uint8", { a = true })
    refused(name .. ": duplicate name 'a'", ipmmap.enum, name, "uint8", { "a", "a" })
    refused(name .. ": the name 2, 'b c', is not a name", ipmmap.enum, name, "uint8", { "a", "b c" })
    refused(name .. ": the name 2, nil, is not a name", ipmmap.enum, name, "uint8", { "a", nil, "c" })
    refused(name .. ": '9' is not a name", ipmmap.enum, name, "uint8", { ["9"] = 1 })
    refused("'b' is in a list", ipmmap.enum, name, "uint8", { "a", b = 4 })
    refused("'int8' is the name of a type already", ipmmap.enum, "int8", "uint8", { "a" })
    refused("'a b' is not a name", ipmmap.enum, "a b", "uint8", { "a" })
    assert.is_nil(ipmmap.lookup(name))
  end)

  it("is a type of fields as an object, as a name, and with dimensions", function()
    local name = fresh "Mode"
    local Mode = ipmmap.enum(name, "uint8", { "idle", "walk" })
    local S = ipmmap.struct(fresh "S", { { "a", Mode }, { "b", name }, { "c", Mode[4][2] }, { "d", name .. "[2]" } })
    assert.equal(1 + 1 + 8 + 2, S.size)
    assert.equal(name .. "[4][2]", S:type().fields[3].type.name)
  end)
end)

describe("flags", function()
  it("give a list of names the bits from 1 on", function()
    local Rights = ipmmap.flags(fresh "Rights", "uint32", { "read", "write", "run" })
    assert.same({ 1, 2, 4 }, { Rights.read, Rights.write, Rights.run })
  end)

  it("may have names for several bits, but not for none", function()
    local name = fresh "Rights"
    assert.equal(3, ipmmap.flags(name, "uint8", { read = 1, write = 2, both = 3 }).both)
    refused("a = 0: a flag has at least one bit", ipmmap.flags, fresh "Rights", "uint8", { a = 0 })
  end)

  it("have no more bits than the type", function()
    local names = {}
    for i = 1, 64 do names[i] = "bit" .. i end
    assert.truthy(ipmmap.flags(fresh "Rights", "uint64", names).bit64)
    names[65] = "bit65"
    refused("bit65 = 18446744073709551616 is outside the range", ipmmap.flags, fresh "Rights", "uint64", names)
  end)
end)

describe("an attribute", function()
  it("is in the schema text, in a fixed order", function()
    local S = ipmmap.struct(fresh "S", {
      { "volume", "float", doc = 'how "loud"\\\n', unit = "dB", max = 1, min = 0, default = 0.8 },
      { "on", "bool", default = true },
      { "title", "char[8]", default = "a\tb" },
      { "gains", "float[4]", default = { 1, 0.5 } },
      { "same", "int8[4]", default = -1 },
    })
    assert.has_match('  volume: float %(default 0.8, min 0, max 1, unit "dB", '
      .. 'doc "how \\"loud\\"\\\\\\x0[aA]"%)\n', tostring(S))
    assert.has_match("  on: bool %(default true%)\n", tostring(S))
    assert.has_match('  title: char%[8%] %(default "a\\x09b"%)\n', tostring(S))
    assert.has_match("  gains: float%[4%] %(default %[1, 0.5%]%)\n", tostring(S))
    assert.has_match("  same: int8%[4%] %(default %-1%)\n", tostring(S))
  end)

  it("keeps every digit of a number", function()
    local S = ipmmap.struct(fresh "S", {
      { "a", "double", max = 0.1 + 0.2 },
      { "b", "int64", min = -9007199254740991 },
      { "c", "double", default = 1 / 0 },
      { "d", "double", default = -0.0 },
    })
    assert.has_match("max 0.30000000000000004", tostring(S))
    assert.has_match("min %-9007199254740991", tostring(S))
    assert.has_match("default inf", tostring(S))
    assert.has_match("default %-0", tostring(S))
  end)

  it("takes the name of an enumeration's number, or the number", function()
    local Mode = ipmmap.enum(fresh "Mode", "uint8", { "idle", "walk" })
    local S = ipmmap.struct(fresh "S", {
      { "a", Mode, default = "walk" }, { "b", Mode, default = 1 }, { "c", Mode[2], default = { "walk", 0 } },
    })
    assert.has_match("a: %w+ %(default walk%)", tostring(S))
    assert.has_match("b: %w+ %(default walk%)", tostring(S))
    assert.has_match("c: %w+%[2%] %(default %[walk%]%)", tostring(S))
    local fields = S:type().fields
    assert.same({ "walk", "walk", { "walk", "idle" } }, { fields[1].default, fields[2].default, fields[3].default })
    assert.same({ { name = "idle", number = 0 }, { name = "walk", number = 1 } }, fields[1].type.names)
    assert.is_false(fields[1].type.flags)
  end)

  it("is refused by name if it is unknown or has a bad value", function()
    local name = fresh "S"
    local function refuses(expected, field)
      refused(name .. "%.x: " .. expected, ipmmap.struct, name, { field })
    end
    refuses("there is no attribute 'colour' %(default, min, max, unit, doc%)", { "x", "float", colour = 1 })
    refuses("there is no attribute true", { "x", "float", [true] = 1 })
    refuses("field 1 is not { name, type }", { "x", "float", 3 })
    refuses("min = 'low' is not a number", { "x", "float", min = "low" })
    refuses("max = %-?nan is not a finite number", { "x", "float", max = 0 / 0 })
    refuses("min = inf is not a finite number", { "x", "float", min = math.huge })
    refuses("unit = 3 is not a string", { "x", "float", unit = 3 })
    refuses("doc = 'a\0b' has a NUL in it", { "x", "float", doc = "a\0b" })
    refuses("default = a table is not a list of one value or more", { "x", "float[2]", default = {} })
    refuses("default = a table is not a list of one value or more", { "x", "float[2]", default = { x = 1 } })
    refuses("default = a table has an element 2, a table, which is neither", { "x", "int8[4]", default = { 1, { 2 } } })
    refuses("min 2 is above max 1", { "x", "float", min = 2, max = 1 })
    refuses("default 3 is above max 1", { "x", "float", default = 3, max = 1 })
    refuses("max of bool: limits are for numbers", { "x", "bool", max = 1 })
    refuses("min of a text: limits are for numbers", { "x", "char[4]", min = 1 })
    refuses("'float %(min 0%)' is not a type: attributes are keys of the field", { "x", "float (min 0)" })
    refuses("'int' is neither a type .* write 'int32'", { "x", "int", min = 0 })
    assert.is_nil(ipmmap.lookup(name))
  end)

  it("is described", function()
    local field = ipmmap.struct(fresh "S", {
      { "volume", "float", default = 0.5, min = 0, max = 1, unit = "dB", doc = "how loud" },
    }):type().fields[1]
    assert.same({ 0.5, "dB", "how loud" }, { field.default, field.unit, field.doc })
    assert.same({ "float", 0, 1 }, { field.type.name, field.type.min, field.type.max })
  end)

  it("makes another definition, but no other layout in memory", function()
    local name = fresh "S"
    ipmmap.struct(name, { { "x", "float", max = 1 } })
    refused(name .. " is defined already with another layout: x: float %(max 1%) there, x: float here",
      ipmmap.struct, name, { { "x", "float" } })
  end)
end)

describe("the option pack", function()
  it("lowers the alignment of fields", function()
    local S = ipmmap.struct(fresh "S", { { "a", "int8" }, { "b", "double" }, { "c", "int16" } }, { pack = 1 })
    assert.same({ 11, 1, 1, 9 }, { S.size, S.align, S:offsetof "b", S:offsetof "c" })
    S = ipmmap.struct(fresh "S", { { "a", "int8" }, { "b", "double" } }, { pack = 4 })
    assert.same({ 12, 4, 4 }, { S.size, S.align, S:offsetof "b" })
    assert.equal(4, S:type().pack)
  end)

  it("is 1, 2, 4 or 8, and the only option", function()
    local fields = { { "a", "int8" } }
    refused("option 'pack': 3 is not 1, 2, 4 or 8", ipmmap.struct, "MeaningNone", fields, { pack = 3 })
    refused("there is no option 'peck'", ipmmap.struct, "MeaningNone", fields, { peck = 1 })
    refused("options are a table, not 1", ipmmap.struct, "MeaningNone", fields, 1)
  end)

  it("is refused for a struct that is shared", function()
    refused("MeaningNone", function() ipmmap.base:extend("MeaningNone", { { "a", "int8" } }, { pack = 1 }) end)
  end)
end)

describe("redefine", function()
  it("replaces a struct, a child, an enumeration and flags", function()
    local name = fresh "S"
    local old = ipmmap.struct(name, { { "x", "int8" } })
    local new = ipmmap.redefine(name, { { "x", "int16" } }, { pack = 1 })
    assert.equal(new, ipmmap.lookup(name))
    assert.same({ 1, 2 }, { old.size, new.size })
    local parent = ipmmap.struct(fresh "S", { { "z", "int32" } })
    assert.equal(8, ipmmap.redefine(name, parent, { { "y", "int8" } }).size)
    name = fresh "Mode"
    ipmmap.enum(name, "uint8", { "idle" })
    local Mode = ipmmap.redefine(name, "uint8", { "idle", "walk" })
    assert.equal(1, Mode.walk)
    assert.equal(Mode, ipmmap.lookup(name))
    name = fresh "Rights"
    ipmmap.flags(name, "uint8", { "read" })
    assert.equal(2, ipmmap.redefine(name, "uint8", { "read", "write" }).write)
  end)

  it("returns what has the name if that is equal", function()
    local name = fresh "S"
    local S = ipmmap.struct(name, { { "x", "int8" } })
    assert.equal(S, ipmmap.redefine(name, { { "x", "int8" } }))
  end)

  it("replaces an enumeration by a struct, and the reverse", function()
    local name = fresh "S"
    ipmmap.enum(name, "uint8", { "idle" })
    local S = ipmmap.redefine(name, { { "x", "int8" } })
    assert.equal(S, ipmmap.lookup(name))
    assert.equal(0, ipmmap.redefine(name, "uint8", { "idle" }).idle)
  end)

  it("leaves the old objects as they are", function()
    local name = fresh "S"
    local old = ipmmap.struct(name, { { "x", "int8" } })
    local value = old:new { x = 5 }
    ipmmap.redefine(name, { { "y", "double" } })
    assert.equal(5, value.x)
    assert.equal(6, old:new({ x = 6 }).x)
  end)

  it("does not mix the old and the new one in a struct", function()
    local name, outer = fresh "Part", fresh "Outer"
    local old = ipmmap.struct(name, { { "x", "int8" } })
    local Outer = ipmmap.struct(outer, { { "part", old } })
    ipmmap.redefine(name, { { "x", "int16" } })
    refused("the Struct " .. name .. " is not the registered one", ipmmap.struct, "MeaningNone", { { "p", old } })
    refused("MeaningNone: a type of its fields contains the " .. name .. " of before it was redefined",
      ipmmap.struct, "MeaningNone", { { "o", Outer }, { "p", name } })
    Outer = ipmmap.redefine(outer, { { "part", name } })
    assert.equal(4, ipmmap.struct(fresh "S", { { "o", Outer }, { "p", name } }).size)
  end)

  it("does not replace the common header", function()
    refused("BaseMmapStructure is defined already", ipmmap.redefine, "BaseMmapStructure", { { "a", "int8" } })
  end)
end)

describe("schema text that ends with an enumeration", function()
  it("is parsed as an Enum that is not registered", function()
    local Mode = ipmmap.parse "enum MeaningParsed : int8 { a = -1 }"
    assert.equal(-1, Mode.a)
    assert.is_nil(ipmmap.lookup "MeaningParsed")
    refused("the Enum MeaningParsed is not the registered one", ipmmap.struct, "MeaningNone", { { "m", Mode } })
  end)
end)

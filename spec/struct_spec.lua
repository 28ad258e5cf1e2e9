local ipmmap = require "ipmmap"
local core = require("ipmmap.compat").core
local either = require "spec.helper.either"

--- Describes a behaviour in Lua, where a program can call the finalizer of a Struct.
local it_in_lua = either.is_jit and function() end or it

ipmmap.struct("StructSpecPoint", { { "x", "double" }, { "y", "double" } })

local function raises(message, fn, ...)
  local ok, raised = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal(message, (tostring(raised):gsub("^[^:]+%.lua:%d+: ", "")))
end

describe("struct", function()
  it("has the properties name, and size and align in bytes", function()
    local S = ipmmap.struct("StructSpecMixed", {
      { "a", "int8" }, { "b", "int64" }, { "c", "bool" },
    })
    assert.equal("StructSpecMixed", S.name)
    assert.equal(24, S.size)
    assert.equal(8, S.align)
  end)

  it("lays the fields out in the order of the list", function()
    local S = ipmmap.struct("StructSpecOrder", { { "b", "int8" }, { "a", "int32" }, { "c", "int8" } })
    assert.same({ 0, 4, 8, 12 }, { S:offsetof "b", S:offsetof "a", S:offsetof "c", S.size })
  end)

  it("lays out the demo struct as a C compiler does", function()
    ipmmap.struct("StructSpecMulti", {
      { "multi_data_int", "int32" }, { "multi_points", "StructSpecPoint[24]" },
    })
    local S = ipmmap.base:extend("StructSpecDemo", {
      { "data_int", "int32" }, { "data_string", "char[256]" },
      { "data_xy", "StructSpecPoint" }, { "multi_pts", "StructSpecMulti" },
    })
    assert.equal(688, S.size)
    assert.equal(8, S.align)
    assert.equal(16, S:offsetof "data_int")
    assert.equal(8, S:offsetof "header.time_stamp")
    assert.equal(280, S:offsetof "data_xy.x")
    assert.equal(336, S:offsetof "multi_pts.multi_points[3].x")
  end)

  it("knows every scalar", function()
    local sizes = {
      bool = 1, int8 = 1, uint8 = 1, int16 = 2, uint16 = 2, int32 = 4, uint32 = 4, int64 = 8,
      uint64 = 8, float = 4, double = 8, char = 1,
    }
    for name, size in pairs(sizes) do
      local S = ipmmap.struct("StructSpec_" .. name, {
        { "pad", "int8" }, { "only", name }, { "many", name .. "[3]" },
      })
      assert.equal(size, S:offsetof "only", name)
      assert.equal(5 * size, S.size)
      assert.equal(size, S.align)
    end
  end)

  it("takes a Struct, its name, and arrays of both as a field's type", function()
    local Point = ipmmap.lookup "StructSpecPoint"
    local S = ipmmap.struct("StructSpecTypes", {
      { "a", Point }, { "b", Point[2] }, { "c", Point[2][3] }, { "d", " StructSpecPoint [2] [3] " },
    })
    assert.equal(16 * (1 + 2 + 6 + 6), S.size)
    assert.equal(S:offsetof "c" + 16 * 4, S:offsetof "c[2][2]")
    assert.equal("StructSpecPoint[2][3]", tostring(Point[2][3]))
  end)

  it("allows any word as a field's name", function()
    local S = ipmmap.struct("StructSpecWords", {
      { "end", "int32" }, { "lock", "int32" }, { "close", "int32" }, { "struct", "int32" },
      { "int32", "int32" }, { "__index", "int32" }, { "name", "int32" }, { "_", "int32" },
      { "size", "int32" }, { "new", "int32" }, { "__close", "int32" },
    })
    local v = S:new { ["end"] = 1, lock = 2, close = 3, struct = 4, __index = 5, name = 6, size = 7, new = 8,
                      __close = 9 }
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 },
      { v["end"], v.lock, v.close, v.struct, v.__index, v.name, v.size, v.new, v.__close })
  end)

  it("has the canonical schema text as its tostring", function()
    local S = ipmmap.struct("StructSpecText", { { "p", "StructSpecPoint[2]" }, { "s", "char[8]" } })
    assert.equal([[
struct StructSpecPoint {
  x: double
  y: double
}
struct StructSpecText {
  p: StructSpecPoint[2]
  s: char[8]
}
]], tostring(S))
  end)

  it("returns the registered Struct for the same definition", function()
    local first = ipmmap.struct("StructSpecAgain", { { "x", "int32" } })
    assert.equal(first, ipmmap.struct("StructSpecAgain", { { "x", "int32" } }))
    assert.equal(first, ipmmap.lookup "StructSpecAgain")
    local pair = ipmmap.struct("StructSpecPair", { { "points", "StructSpecPoint[2]" } })
    assert.equal(pair, ipmmap.struct("StructSpecPair", { { "points", ipmmap.lookup("StructSpecPoint")[2] } }))
  end)

  it("refuses another definition of a registered name, and names the first difference", function()
    local first = ipmmap.struct("StructSpecOther", { { "x", "int32" } })
    raises("StructSpecOther is defined already with another layout: "
      .. "x: int32 at 0 there, int64 at 0 here",
      ipmmap.struct, "StructSpecOther", { { "x", "int64" } })
    raises("StructSpecOther is defined already with another layout: y: absent there, int32 at 4 here",
      ipmmap.struct, "StructSpecOther", { { "x", "int32" }, { "y", "int32" } })
    raises("StructSpecOther is defined already with another layout: z: absent there, int32 at 0 here",
      ipmmap.struct, "StructSpecOther", { { "z", "int32" } })
    raises("StructSpecPoint is defined already with another layout: y: double at 8 there, absent here",
      ipmmap.struct, "StructSpecPoint", { { "x", "double" } })
    assert.equal(first, ipmmap.lookup "StructSpecOther")
  end)

  it("names the field that differs in a nested struct's array", function()
    ipmmap.struct("StructSpecNested", { { "points", "StructSpecPoint[4]" } })
    raises("StructSpecNested is defined already with another layout: "
      .. "points: StructSpecPoint[4] at 0 there, StructSpecPoint[5] at 0 here",
      ipmmap.struct, "StructSpecNested", { { "points", "StructSpecPoint[5]" } })
  end)

  it("refuses a registered name for a struct with another parent, and names the difference", function()
    local fields = { { "n", "int32" } }
    local extended = ipmmap.base:extend("StructSpecShared", fields)
    raises("StructSpecShared is defined already with another layout: n: int32 at 16 there, int32 at 0 here",
      ipmmap.struct, "StructSpecShared", fields)
    raises("StructSpecShared is defined already with another layout: "
      .. "it extends BaseMmapStructure there, nothing here",
      ipmmap.struct, "StructSpecShared", { { "header", "MmapStructureHeader" }, { "n", "int32" } })
    assert.equal(extended, ipmmap.base:extend("StructSpecShared", fields))
    ipmmap.struct("StructSpecPlain", { { "x", "double" }, { "y", "double" } })
    raises("StructSpecPlain is defined already with another layout: it extends nothing there, StructSpecPoint here",
      ipmmap.lookup("StructSpecPoint").extend, ipmmap.lookup "StructSpecPoint", "StructSpecPlain", {})
  end)

  it("outlives the structs that it is made of", function()
    local Part = ipmmap.struct("StructSpecPart", { { "x", "int32" } })
    local Whole = Part:extend("StructSpecWhole", { { "parts", Part[3] } })
    core.structs.StructSpecPart = nil
    if not either.is_jit then debug.getmetatable(Part).__gc(Part) end
    Part = nil -- luacheck: no unused
    collectgarbage()
    collectgarbage()
    assert.equal(16, Whole.size)
    assert.equal(7, Whole:new { parts = { { x = 1 }, { x = 7 } } }.parts[2].x)
  end)

  it("cannot be changed", function()
    raises("StructSpecPoint: a Struct cannot be changed ('size')", function()
      ipmmap.lookup("StructSpecPoint").size = 1
    end)
  end)

  it_in_lua("raises an error if it is used after a program has called its __gc", function()
    local S = ipmmap.struct("StructSpecGone", { { "p", "StructSpecPoint" } })
    local v = S:new { p = { x = 1 } }
    local nested = v.p
    debug.getmetatable(S).__gc(S)
    debug.getmetatable(S).__gc(S)
    assert.has_error(function() return S.size end)
    raises("value used after its struct was collected", function() return v.p end)
    raises("value used after its struct was collected", function() nested.x = 1 end)
    raises("value used after its struct was collected", ipmmap.totable, v)
    assert.is_string(tostring(v))
    core.structs.StructSpecGone = nil
  end)

  describe("refuses", function()
    local function refuses(what, message, ...)
      local arguments = table.pack(...) -- luacheck: ignore 143
      it(what, function()
        raises(message, ipmmap.struct, table.unpack(arguments, 1, arguments.n)) -- luacheck: ignore 143
        if type(arguments[1]) == "string" then assert.is_nil(ipmmap.lookup(arguments[1])) end
      end)
    end

    refuses("a name with a space",
      "'a b' is not a struct's name (letters, digits and _, at most 63)",
      "a b", { { "x", "int32" } })
    refuses("a number for a name", "5 is not a struct's name (letters, digits and _, at most 63)",
      5, { { "x", "int32" } })
    refuses("a long name", ("'%s' is not a struct's name (letters, digits and _, at most 63)")
      :format(("a"):rep(64)), ("a"):rep(64), { { "x", "int32" } })
    for _, name in ipairs { "", "a/b", ".." } do
      refuses(("the name '%s'"):format(name),
        ("'%s' is not a struct's name (letters, digits and _, at most 63)"):format(name), name, { { "x", "int32" } })
    end
    it("a name that is a table", function()
      assert.error_matches(function() ipmmap.struct({}, { { "x", "int32" } }) end, " is not a struct's name")
    end)
    refuses("a scalar's name", "'int32' is the name of a type already",
      "int32", { { "x", "int32" } })
    refuses("a struct without fields", "StructSpecBad: a struct needs a field or a parent",
      "StructSpecBad", {})
    refuses("fields that are nil",
      "StructSpecBad: fields are a list of { name, type }, not nil",
      "StructSpecBad", nil)
    refuses("fields that are a string", "StructSpecBad: fields are a list of { name, type }, not 'x int32'",
      "StructSpecBad", "x int32")
    refuses("a table with fields by name",
      "StructSpecBad: fields are a list of { name, type }, which has no key 'x'",
      "StructSpecBad", { x = "int32" })
    refuses("a nil before a field", "StructSpecBad: field 1 is not { name, type }",
      "StructSpecBad", { nil, { "x", "int32" } })
    refuses("a nil between fields", "StructSpecBad: field 2 is not { name, type }",
      "StructSpecBad", { { "x", "int32" }, nil, { "y", "int32" } })
    local sparse = {}
    sparse[2], sparse[4] = { "x", "int32" }, { "y", "int32" }
    refuses("a table that got a nil before a field", "StructSpecBad: field 1 is not { name, type }",
      "StructSpecBad", sparse)
    refuses("a field without a type", "StructSpecBad.y: field 2 is not { name, type }",
      "StructSpecBad", { { "x", "int32" }, { "y" } })
    refuses("a field with a third element", "StructSpecBad.x: field 1 is not { name, type }",
      "StructSpecBad", { { "x", "int32", 4 } })
    refuses("a field with an unknown attribute",
      "StructSpecBad.x: there is no attribute 'size' (default, min, max, unit, doc)",
      "StructSpecBad", { { "x", "int32", size = 4 } })
    refuses("a field's name that begins with a digit",
      "StructSpecBad: field 1: '1x' is not a name (letters, digits and _, at most 63)",
      "StructSpecBad", { { "1x", "int32" } })
    for shown, name in pairs { ["'a.b'"] = "a.b", ["''"] = "", ["1"] = 1 } do
      refuses(("the field's name %s"):format(shown),
        ("StructSpecBad: field 1: %s is not a name (letters, digits and _, at most 63)"):format(shown),
        "StructSpecBad", { { name, "int32" } })
    end
    refuses("two fields of the same name", "StructSpecBad.x: there are two fields of that name",
      "StructSpecBad", { { "x", "int32" }, { "x", "int8" } })
    refuses("an unknown type", "StructSpecBad.x: 'int33' is neither a type (bool, char, char16, char32, int8 to "
      .. "uint64, float, double) nor a registered struct or enumeration",
      "StructSpecBad", { { "x", "int33" } })
    it("a type of another language, and names the type to use instead", function()
      local text = "text of at most N bytes is 'char[N]', such as 'char[64]'"
      for _, name in ipairs { "string", "str", "String", "text", "char*", "char *", "const char *", "char[]" } do
        local message = select(2, pcall(ipmmap.struct, "StructSpecBad", { { "x", name } }))
        assert.truthy(message:find(text, 1, true), message)
      end
      for written, meant in pairs {
        int = "int32", uint = "uint32", number = "double", integer = "int64", boolean = "bool", _Bool = "bool",
        u8 = "uint8", i32 = "int32", f32 = "float", float32 = "float", float64 = "double", long = "int64",
        byte = "uint8", size_t = "uint64", int16_t = "int16", Int32 = "int32", c_double = "double",
        c_uint8 = "uint8", short = "int16", ["unsigned long"] = "uint64", ["unsigned"] = "uint32",
        ["int[4]"] = "int32[4]", ["u8 [2][3]"] = "uint8[2][3]", ["string[16]"] = "char[16]",
      } do
        local message = select(2, pcall(ipmmap.struct, "StructSpecBad", { { "x", written } }))
        assert.truthy(message:find("StructSpecBad.x: '", 1, true), message)
        assert.equal(meant, message:match "write '(.*)'$", message)
      end
    end)

    refuses("a type that is no valid text", "StructSpecBad.x: 'int32[' is not a type",
      "StructSpecBad", { { "x", "int32[" } })
    refuses("an array without a length", "StructSpecBad.x: 'int32[]' is not a type",
      "StructSpecBad", { { "x", "int32[]" } })
    refuses("text after the type", "StructSpecBad.x: 'int32[3]x' is not a type",
      "StructSpecBad", { { "x", "int32[3]x" } })
    refuses("a negative dimension", "StructSpecBad.x: 'int32[-1]' is not a type",
      "StructSpecBad", { { "x", "int32[-1]" } })
    refuses("a type that injects schema text", "StructSpecBad.x: 'int32 y: int32' is not a type",
      "StructSpecBad", { { "x", "int32 y: int32" } })
    refuses("a number for a type", "StructSpecBad.x: 4 is not a type",
      "StructSpecBad", { { "x", 4 } })
    refuses("an array of nothing", "StructSpecBad.x: 'int32[0]': an array has at least one element",
      "StructSpecBad", { { "x", "int32[0]" } })
    refuses("a struct that contains itself", "StructSpecBad.x: 'StructSpecBad' is neither a type (bool, char, "
      .. "char16, char32, int8 to uint64, float, double) nor a registered struct or enumeration",
      "StructSpecBad", { { "x", "StructSpecBad" } })

    it("a struct that would contain itself, at any depth", function()
      local Inner = ipmmap.struct("StructSpecInner", { { "x", "int32" } })
      local Outer = Inner:extend("StructSpecOuter", { { "more", Inner } })
      raises("StructSpecInner.y: a struct cannot be part of itself",
        ipmmap.struct, "StructSpecInner", { { "x", "int32" }, { "y", "StructSpecInner[2]" } })
      raises("StructSpecInner.y: a struct cannot be part of itself",
        ipmmap.struct, "StructSpecInner", { { "x", "int32" }, { "y", Outer } })
      raises("StructSpecInner: a struct cannot be part of itself", Outer.extend, Outer, "StructSpecInner", {})
    end)

    it("a Struct that is not registered, as a type and as a parent", function()
      local other = assert(ipmmap.parse("struct StructSpecPoint {\n  x: float\n}\n"))
      for _, type in ipairs { other, other[2] } do
        for _, fields in ipairs { { { "p", type } }, { { "q", "StructSpecPoint" }, { "p", type } } } do
          local ok, message = pcall(ipmmap.struct, "StructSpecBad", fields)
          assert.is_false(ok)
          assert.matches("StructSpecBad%.p: .*StructSpecPoint", message)
        end
      end
      local ok, message = pcall(other.extend, other, "StructSpecBad", { { "y", "float" } })
      assert.is_false(ok)
      assert.matches("StructSpecBad: .*StructSpecPoint", message)
      assert.is_nil(ipmmap.lookup "StructSpecBad")
    end)

    it_in_lua("a struct whose __gc a program has called", function()
      local Gone = ipmmap.struct("StructSpecGone", { { "x", "int32" } })
      debug.getmetatable(Gone).__gc(Gone)
      assert.has_error(function() ipmmap.struct("StructSpecBad", { { "gone", "StructSpecGone" } }) end)
      core.structs.StructSpecGone = nil
    end)

    it("a struct too large for any memory", function()
      assert.has_error(function()
        ipmmap.struct("StructSpecBad", { { "x", "int32[99999999]" .. ("[99999999]"):rep(9) } })
      end)
      assert.has_error(function()
        ipmmap.struct("StructSpecBad", { { "x", "int32[99999999999999999999999]" } })
      end)
      local ok, message = pcall(ipmmap.struct, "StructSpecBad", { { "x", "int64[4294967296][4294967296]" } })
      assert.is_false(ok)
      assert.truthy(message:find("StructSpecBad.x", 1, true), message)
    end)

    it("structs that are nested too deeply", function()
      local inner = ipmmap.struct("StructSpecDeep0", { { "x", "int32" } })
      assert.has_error(function()
        for depth = 1, 100 do
          inner = ipmmap.struct("StructSpecDeep" .. depth, { { "inner", inner } })
        end
      end)
    end)

    it("an array of anything but a Struct", function()
      local Point = ipmmap.lookup "StructSpecPoint"
      raises("StructSpecPoint[0]: an array has at least one element", function()
        return Point[0]
      end)
      raises("StructSpecPoint[2][-1]: an array has at least one element", function()
        return Point[2][-1]
      end)
    end)

    it("with an error that has the caller's position", function()
      local ok, message = pcall(function() ipmmap.struct("StructSpecBad", { { "x", "int33" } }) end)
      assert.is_false(ok)
      assert.truthy(message:find("struct_spec.lua:", 1, true))
    end)
  end)
end)

describe("extend", function()
  local Parent = ipmmap.struct("StructSpecParent", { { "a", "int64" }, { "b", "int8" } })

  it("keeps the parent's fields and adds its own from the parent's size on", function()
    local Child = Parent:extend("StructSpecChild", { { "c", "int8" } })
    assert.equal(0, Child:offsetof "a")
    assert.equal(8, Child:offsetof "b")
    assert.equal(16, Child:offsetof "c")
    assert.equal(24, Child.size)
  end)

  it("allows structs without fields of their own, and structs that extend extended structs", function()
    local Child = Parent:extend("StructSpecSame", {})
    assert.equal(Parent.size, Child.size)
    local Grandchild = Child:extend("StructSpecGrandchild", { { "d", Parent } })
    assert.equal(16, Grandchild:offsetof "d")
    assert.truthy(tostring(Grandchild):find("StructSpecGrandchild : StructSpecSame {", 1, true))
  end)

  it("refuses a field name that the parent has", function()
    raises("StructSpecBad.b: there are two fields of that name",
      Parent.extend, Parent, "StructSpecBad", { { "b", "int8" } })
  end)

  it("must be called as a method", function()
    raises("extend is a method of a Struct: write S:extend(name, fields)",
      Parent.extend, "StructSpecBad", {})
  end)
end)

describe("base", function()
  it("holds the common header", function()
    assert.equal("BaseMmapStructure", ipmmap.base.name)
    assert.equal(16, ipmmap.base.size)
    assert.equal(0, ipmmap.base:offsetof "header.header_code")
    assert.equal(8, ipmmap.base:offsetof "header.time_stamp")
    assert.equal(ipmmap.base, ipmmap.lookup "BaseMmapStructure")
  end)
end)

describe("offsetof", function()
  local S = ipmmap.struct("StructSpecPaths", { { "grid", "StructSpecPoint[2][3]" }, { "n", "int32" } })

  it("refuses a path that leads to no field", function()
    for _, path in ipairs {
      "", "x", "grid[3]", "grid[0]", "grid[1][4]", "grid.x", "grid[1]x", "grid[", "grid[1][1].z",
      ".grid", "grid.", "grid[1.5]", "grid[x]", "grid[1][1]..x", "n.x", "n[1]",
    } do
      local ok, message = pcall(S.offsetof, S, path)
      assert.is_false(ok, path)
      assert.truthy(message:find("StructSpecPaths", 1, true), message)
      assert.truthy(message:find(path, 1, true), message)
    end
    assert.has_error(function() S:offsetof(5) end)
    assert.has_error(function() S:offsetof() end)
    assert.has_error(function() S.offsetof("grid") end)
  end)

  it("takes more paths than its cache holds", function()
    local Wide = ipmmap.struct("StructSpecWide", { { "a", "int16[2000]" } })
    for _ = 1, 2 do
      for i = 1, 2000 do
        assert.equal(2 * (i - 1), Wide:offsetof(("a[%d]"):format(i)))
      end
    end
  end)
end)

describe("lookup and load", function()
  it("find the structs that modules define", function()
    package.preload.struct_spec_one = function()
      return ipmmap.struct("StructSpecLoaded", { { "x", "int32" } })
    end
    package.preload.struct_spec_two = function() return "two" end
    local one, two, more = ipmmap.load { "struct_spec_one", "struct_spec_two" }
    assert.equal(ipmmap.lookup "StructSpecLoaded", one)
    assert.equal("two", two)
    assert.is_nil(more)
  end)

  it("return nil for a name that is not registered", function()
    assert.is_nil(ipmmap.lookup "StructSpecUnknown")
  end)

  it("refuse anything but a list of names", function()
    raises("load takes a list of module names, not 'x'", ipmmap.load, "x")
    raises("load: 5 is not a module's name", ipmmap.load, { 5 })
    raises("load: nil is not a module's name", ipmmap.load, { nil, "struct_spec_missing" })
    local sparse = {}
    sparse[2] = "struct_spec_missing"
    raises("load: nil is not a module's name", ipmmap.load, sparse)
    local ok, message = pcall(ipmmap.load, { "struct_spec_missing" })
    assert.is_false(ok)
    assert.truthy(tostring(message):find("struct_spec_missing", 1, true), message)
  end)

  it("keep the registered structs if the modules are loaded again", function()
    local kept = ipmmap.lookup "StructSpecPoint"
    local loaded = {}
    for _, name in ipairs {
      "ipmmap", "ipmmap.compat", "ipmmap.core", "ipmmap.jit.core", "ipmmap.struct", "ipmmap.handle",
    } do
      loaded[name], package.loaded[name] = package.loaded[name], nil
    end
    local again = require "ipmmap"
    for name, module in pairs(loaded) do package.loaded[name] = module end
    assert.not_equal(ipmmap, again)
    assert.equal(kept, again.lookup "StructSpecPoint")
    assert.equal(ipmmap.base, again.base)
    assert.equal(16, kept.size)
  end)
end)

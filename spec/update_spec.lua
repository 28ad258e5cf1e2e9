local either = require "spec.helper.either"
local ipmmap = require "ipmmap"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

local MIN, MAX, ALL = either.integer "-0x8000000000000000", either.integer "0x7fffffffffffffff", either.uint64_max
local NAN = 0 / 0

ipmmap.struct("UpdateSpecPoint", { { "x", "double" }, { "y", "double" } })
local S = ipmmap.base:extend("UpdateSpec", {
  { "bool", "bool" }, { "int8", "int8" }, { "uint8", "uint8" }, { "int32", "int32" }, { "uint32", "uint32" },
  { "int64", "int64" }, { "uint64", "uint64" }, { "float", "float" }, { "double", "double" },
  { "text", "char[16]" }, { "point", "UpdateSpecPoint" }, { "list", "int32[4]" },
})

describe("a change that depends on the value", function()
  local _, editor, other, reader
  before_each(function() _, editor, other, reader = segment.make(S, { "editor", "reader" }) end)
  after_each(segment.close)

  local function is_unchanged_by(fn) segment.is_unchanged_by(reader, other, fn) end

  describe("by update", function()
    it("is one transaction", function()
      local version = reader:version()
      assert.equal(5, editor:update("int32", function(old)
        assert.equal(0, old)
        assert.is_false(segment.is_free(other))
        return old + 5
      end))
      assert.equal(5, reader:read "int32")
      assert.equal(version + 1, reader:version())
      assert.is_true(segment.is_free(other))
    end)

    it("takes and returns values of each kind", function()
      assert.equal("ab", editor:update("text", function(old) return old .. "ab" end))
      assert.is_true(editor:update("bool", function(old) return not old end))
      assert.is_false(editor:update("bool", function(old) return not old end))
      assert.equal(0.5, editor:update("float", function() return 0.5 end))
      local point = editor:update("point", function(old)
        old.x = 3
        return old
      end)
      assert.same({ x = 3, y = 0 }, ipmmap.totable(point))
      assert.same({ x = 3, y = 4 }, ipmmap.totable(editor:update("point", function() return { y = 4 } end)))
      assert.same({ 1, 2, 0, 0 }, ipmmap.totable(editor:update("list", function() return { 1, 2 } end)))
      assert.equal(4.0, reader:read "point.y")
    end)

    it("passes on an error of the function, and rolls back", function()
      local problem = {}
      is_unchanged_by(function()
        local ok, raised = pcall(editor.update, editor, "int32", function()
          editor:write("int8", 1)
          error(problem)
        end)
        assert.is_false(ok)
        assert.equal(problem, raised)
      end)
    end)

    it("refuses what the function returns as write does", function()
      is_unchanged_by(function()
        refused("UpdateSpec.int8: 128 is out of range for int8 (-128 to 127)", editor.update, editor, "int8",
          function() return 128 end)
        refused("UpdateSpec.int8: the function of update returned nil instead of the new value", editor.update,
          editor, "int8", function() end)
        refused("UpdateSpec.point: no field 'z'", editor.update, editor, "point", function() return { z = 1 } end)
      end)
    end)

    it("is a part of the handle's own transaction", function()
      editor:with(function(data)
        data.int32 = 1
        assert.equal(2, editor:update("int32", function(old) return old + 1 end))
        assert.equal(0, reader:read "int32")
        assert.is_false(pcall(editor.update, editor, "int32", function() error("no", 0) end))
        refused("returned nil", editor.update, editor, "int32", function() end)
        assert.equal(2, data.int32)
      end)
      assert.equal(2, reader:read "int32")
    end)

    it("notices that the function releases the lock", function()
      is_unchanged_by(function()
        refused("UpdateSpec: the function of update has released the lock", editor.update, editor, "int32",
          function()
            editor:rollback()
            return 1
          end)
      end)
    end)

    it("lets the function yield", function()
      local run = coroutine.wrap(function()
        return editor:update("int32", function(old) return old + coroutine.yield "waits" end)
      end)
      assert.equal("waits", run())
      assert.is_false(segment.is_free(other))
      assert.equal(7, run(7))
      assert.equal(7, reader:read "int32")
    end)

    it("works in a function of update", function()
      editor:update("int32", function(old)
        editor:update("int8", function(inner) return inner + 1 end)
        return old + 1
      end)
      assert.equal(1, reader:read "int8")
      assert.equal(1, reader:read "int32")
    end)

    it("refuses wrong arguments", function()
      is_unchanged_by(function()
        refused("update takes a function, not 5", editor.update, editor, "int32", 5)
        refused("update takes a function, not nil", editor.update, editor, "int32")
        refused("UpdateSpec: no field 'nope'", editor.update, editor, "nope", function() return 1 end)
        refused("UpdateSpec.header.time_stamp: set only by creation, touch and clear", editor.update, editor,
          "header.time_stamp", function() return 1 end)
        refused("UpdateSpec: a reader cannot write", reader.update, reader, "int32", function() return 1 end)
      end)
    end)
  end)

  describe("by max and min", function()
    it("keeps the greater or the smaller number", function()
      for _, name in ipairs { "int8", "uint8", "int32", "uint32", "int64", "uint64", "float", "double" } do
        assert.equal(5, editor:max(name, 5))
        assert.equal(5, editor:max(name, 3))
        assert.equal(3, editor:min(name, 3))
        assert.equal(3, editor:min(name, 5))
        assert.equal(3, reader:read(name))
      end
      assert.equal(-4, editor:min("int8", -4))
      assert.equal(-4, editor:min("int8", 5))
      assert.equal(MIN, editor:min("int64", MIN))
      assert.equal(MAX, editor:max("int64", MAX))
    end)

    it("commits only a change", function()
      editor:max("int32", 5)
      local version = reader:version()
      editor:max("int32", 5)
      editor:max("int32", 4)
      editor:min("int32", 6)
      assert.equal(version, reader:version())
    end)

    it("compares a uint64 without a sign", function()
      editor:write("uint64", 7)
      assert.equal(ALL, editor:max("uint64", ALL))
      assert.equal(ALL, editor:max("uint64", 7))
      assert.equal(7, editor:min("uint64", 7))
      assert.equal(ALL, editor:max("uint64", -1))
      assert.equal(7, editor:min("uint64", 7))
    end)

    it("counts NaN as no number", function()
      assert.equal(0, editor:max("double", NAN))
      assert.equal(0, editor:min("double", NAN))
      editor:write("double", NAN)
      assert.is_true(editor:max("double", NAN) ~= editor:read "double")
      assert.equal(-1, editor:max("double", -1))
      editor:write("float", NAN)
      assert.equal(2, editor:min("float", 2))
      assert.equal(math.huge, editor:max("double", math.huge))
    end)

    it("is a part of the handle's own transaction", function()
      editor:with(function(data)
        assert.equal(9, editor:max("int32", 9))
        assert.equal(9, data.int32)
        editor:rollback()
      end)
      assert.equal(0, reader:read "int32")
    end)

    it("refuses what is no number", function()
      is_unchanged_by(function()
        refused("UpdateSpec.text: char[16] is not a number, which max takes", editor.max, editor, "text", 1)
        refused("UpdateSpec.bool: bool is not a number, which min takes", editor.min, editor, "bool", 1)
        refused("UpdateSpec.point: UpdateSpecPoint is not a number, which max takes", editor.max, editor, "point", 1)
        refused("UpdateSpec.int8: 128 is out of range for int8 (-128 to 127)", editor.max, editor, "int8", 128)
        refused("UpdateSpec.int8: 1.5 is not an integer (int8)", editor.max, editor, "int8", 1.5)
        refused("UpdateSpec.double: nil is not a number (double)", editor.min, editor, "double")
        refused("UpdateSpec.header.time_stamp: set only by", editor.max, editor, "header.time_stamp", 1)
        refused("UpdateSpec: a reader cannot write", reader.max, reader, "int32", 1)
        refused("UpdateSpec: a reader cannot write", reader.min, reader, "int32", 1)
      end)
    end)
  end)

  describe("by bor and band", function()
    it("sets and keeps bits", function()
      for _, name in ipairs { "int8", "uint8", "int32", "uint32", "int64", "uint64" } do
        assert.equal(5, editor:bor(name, 5))
        assert.equal(7, editor:bor(name, 2))
        assert.equal(6, editor:band(name, 14))
        assert.equal(6, reader:read(name))
      end
      assert.equal(-2, editor:bor("int8", -2))
      assert.equal(-8, editor:band("int8", -8))
      assert.equal(0xffffffff, editor:bor("uint32", 0xffffffff))
      assert.equal(ALL, editor:bor("uint64", -1))
      assert.equal(ALL, editor:band("uint64", ALL))
      editor:write("int64", -1)
      assert.equal(MIN, editor:band("int64", MIN))
    end)

    it("commits only a change", function()
      editor:bor("int32", 5)
      local version = reader:version()
      editor:bor("int32", 4)
      editor:band("int32", 15)
      assert.equal(version, reader:version())
    end)

    it("refuses what is no integer", function()
      is_unchanged_by(function()
        refused("UpdateSpec.double: double is not an integer, which bor takes", editor.bor, editor, "double", 1)
        refused("UpdateSpec.bool: bool is not an integer, which band takes", editor.band, editor, "bool", 1)
        refused("UpdateSpec.text: char[16] is not an integer, which bor takes", editor.bor, editor, "text", 1)
        refused("UpdateSpec.uint8: -1 is out of range for uint8 (0 to 255)", editor.bor, editor, "uint8", -1)
        refused("UpdateSpec.uint8: 256 is out of range for uint8 (0 to 255)", editor.band, editor, "uint8", 256)
        refused("UpdateSpec.uint8: 'a' is not an integer (uint8)", editor.bor, editor, "uint8", "a")
        refused("UpdateSpec: a reader cannot write", reader.bor, reader, "int32", 1)
        refused("UpdateSpec: a reader cannot write", reader.band, reader, "int32", 1)
      end)
    end)
  end)

  describe("by swap", function()
    it("writes if the field has the expected value", function()
      for name, values in pairs {
        bool = { false, true }, int8 = { 0, -3 }, uint32 = { 0, 4294967295 }, int64 = { 0, MIN },
        uint64 = { 0, ALL }, float = { 0, 0.1 }, double = { 0, 0.1 }, text = { "", "hello" },
      } do
        local old, new = values[1], values[2]
        local version = reader:version()
        assert.is_false(editor:swap(name, new, old))
        assert.equal(version, reader:version())
        assert.is_true(editor:swap(name, old, new))
        assert.equal(version + 1, reader:version())
        assert.is_false(editor:swap(name, old, new))
        assert.is_true(editor:swap(name, new, old))
        assert.equal(old, reader:read(name))
      end
    end)

    it("finds NaN and a zero of either sign", function()
      editor:write("double", NAN)
      assert.is_true(editor:swap("double", NAN, -0.0))
      assert.is_true(editor:swap("double", 0, 1))
    end)

    it("takes -1 for the 64 bits of a uint64", function()
      editor:write("uint64", ALL)
      assert.is_true(editor:swap("uint64", -1, 2))
    end)

    it("compares a whole text", function()
      editor:write("text", "hello")
      assert.is_false(editor:swap("text", "hell", "x"))
      assert.is_false(editor:swap("text", "hello!", "x"))
      editor:write("text", ("x"):rep(16))
      assert.is_true(editor:swap("text", ("x"):rep(16), "y"))
    end)

    it("is a part of the handle's own transaction", function()
      editor:with(function(data)
        data.int32 = 3
        assert.is_true(editor:swap("int32", 3, 4))
        assert.equal(4, data.int32)
      end)
      assert.equal(4, reader:read "int32")
    end)

    it("refuses a struct, an array and wrong values", function()
      is_unchanged_by(function()
        refused("UpdateSpec.point: swap compares one value, and UpdateSpecPoint has several: use update",
          editor.swap, editor, "point", {}, {})
        refused("UpdateSpec.list: swap compares one value, and int32[4] has several", editor.swap, editor, "list")
        refused("UpdateSpec.int8: nil is not an integer (int8)", editor.swap, editor, "int8", nil, 1)
        refused("UpdateSpec.int8: 300 is out of range for int8", editor.swap, editor, "int8", 300, 1)
        refused("UpdateSpec.int8: 301 is out of range for int8", editor.swap, editor, "int8", 0, 301)
        refused("UpdateSpec.header.header_code: set only by", editor.swap, editor, "header.header_code", 0x1128, 1)
        refused("UpdateSpec: a reader cannot write", reader.swap, reader, "int8", 0, 1)
      end)
    end)
  end)

  it("is refused by a closed handle", function()
    editor:close()
    for _, name in ipairs { "update", "swap", "max", "min", "bor", "band" } do
      refused("UpdateSpec: this manager is closed", editor[name], editor, "int32", 1, 1)
      refused("manager, editor or reader expected", editor[name], {}, "int32", 1, 1)
    end
  end)
end)

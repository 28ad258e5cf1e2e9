-- What only LuaJIT has: compiled code, cdata, a parser of C.
local either = require "spec.helper.either"

if not either.is_jit then return end

local ffi = require "ffi"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.enum("JitSpecMode", "uint8", { "idle", "walk" })
ipmmap.struct("JitSpecPoint", { { "x", "double" }, { "y", "double" } })
local S = ipmmap.base:extend("JitSpec", {
  { "n", "int32" }, { "small", "uint8" }, { "wide", "int64" }, { "bits", "uint64" }, { "flag", "bool" },
  { "text", "char[16]" }, { "point", "JitSpecPoint" }, { "points", "JitSpecPoint[1000]" },
  { "numbers", "int32[1000]" },
})

local RELEASED = "view used after its lock was released"

-- Loops that LuaJIT compiles.
local function write(v)
  for i = 1, 1000 do
    v.n, v.numbers[i] = i, i
    local point = v.points[i]
    point.x, point.y = point.x + 1, -i
  end
end

local function read(v)
  local sum = 0
  for i = 1, 1000 do sum = sum + v.numbers[i] + v.points[i].y end
  return sum
end

--- Runs the loops until they are compiled.
local function warm_up(view)
  for _ = 1, 20 do
    write(view)
    read(view)
  end
end

describe("a view in compiled code", function()
  local dir, manager, reader
  before_each(function() dir, manager, reader = segment.make(S, { "reader" }) end)
  after_each(segment.close)

  it("reads and writes as in code that is not compiled", function()
    manager:with(function(view)
      warm_up(view)
      assert.equal(0, read(view))
      jit.off(write)
      jit.flush()
      write(view)
      jit.on(write)
    end)
    assert.equal(21, manager:read "points[1000].x")
    assert.equal(1000, manager:read "numbers[1000]")
  end)

  it("raises an error after its lock was released", function()
    local kept, point
    manager:with(function(view)
      warm_up(view)
      kept, point = view, view.points[3]
    end)
    refused(RELEASED, write, kept)
    refused(RELEASED, read, kept)
    refused("JitSpec.points[3]: " .. RELEASED, function() return point.x end)
    refused(RELEASED, function()
      manager:with(function(view)
        for i = 1, 1000 do
          view.n = i
          if i == 900 then manager:unlock() end
        end
      end)
    end)
    assert.equal(900, manager:read "n")
  end)

  it("raises an error while another handle holds its lock", function()
    local _, other = segment.make(S)
    local kept
    manager:with(function(view)
      warm_up(view)
      kept = view
    end)
    other:with(function(view)
      warm_up(view)
      refused(RELEASED, write, kept)
      write(view)
      refused(RELEASED, function() view.point = kept.point end)
    end)
    assert.equal(20, manager:read "points[1].x")
    assert.equal(21, other:read "points[1].x")
  end)

  it("of one of two locked handles never reaches the other's memory", function()
    local _, other = segment.make(S)
    manager:with(function(a)
      other:with(function(b)
        for i = 1, 1000 do
          a.numbers[i], b.numbers[i] = i, -i
          b.points[i].x = a.numbers[i]
        end
        manager:unlock()
        assert.equal(-7, b.numbers[7])
        refused(RELEASED, function() return a.numbers[7] end)
      end)
    end)
    assert.equal(7, manager:read "numbers[7]")
    assert.equal(7, other:read "points[7].x")
  end)

  it("raises an error after its handle was closed, also when others have been opened since", function()
    local view = segment.lock(manager)
    warm_up(view)
    manager:close()
    for tag = 1, 200 do
      local other = assert(ipmmap.manager(S, { create = true, mmap_dir = dir, tag = "t" .. tag % 3 }))
      other:with(function(another)
        another.n = tag
        refused(RELEASED, write, view)
        refused(RELEASED, read, view)
      end)
      other:close()
    end
    assert.is_string(tostring(view))
  end)

  it("raises an error in a fork's child, where values can still be used", function()
    local view, value = segment.lock(manager), S:new { n = 3 }
    warm_up(view)
    local child = process.fork(function()
      local ok, raised = pcall(write, view)
      assert(not ok and raised.code == "forked", raised)
      ok, raised = pcall(read, view)
      assert(not ok and raised.code == "forked", raised)
      write(value)
      assert(value.n == 1000)
    end)
    child:join()
    write(view)
    assert.equal(1000, view.n)
  end)

  it("of a reader raises an error on assignment", function()
    manager:with(write)
    reader:with(function(view)
      for _ = 1, 20 do assert.equal(0, read(view)) end
      refused("JitSpec.numbers[1]: a reader cannot write", write, view)
    end)
  end)

  it("is not changed by what is refused, whatever was stored before", function()
    manager:with(function(view)
      refused("JitSpec.small: 256 is out of range for uint8 (0 to 255)", function()
        for i = 1, 1000 do view.small = i end
      end)
      assert.equal(255, view.small)
      refused("JitSpec.n: nil is not an integer (int32)", function()
        for i = 1, 1000 do view.n = i < 900 and i or nil end
      end)
      assert.equal(899, view.n)
      refused("JitSpec.numbers: index 1002 is out of range (1 to 1000)", function()
        local sum = 0
        for i = 1, 2000 do sum = sum + (view.numbers[i] or 0) end
      end)
    end)
  end)

  it("rolls back if the function of with raises an error", function()
    local function change(view, i)
      view.n = i
      if i == 900 then error "stop" end
    end
    assert.has_error(function()
      for i = 1, 1000 do manager:with(change, i) end
    end)
    assert.equal(899, manager:read "n")
    assert.is_true(segment.is_free(manager))
  end)

  it("can be used in a coroutine and passed to another one", function()
    local walk = coroutine.wrap(function(view)
      while true do
        for i = 1, 100 do view.numbers[i] = view.numbers[i] + 1 end
        coroutine.yield(view.numbers[100])
      end
    end)
    manager:with(function(view)
      for i = 1, 50 do assert.equal(i, walk(view)) end
    end)
    assert.has_error(function() walk() end)
  end)
end)

describe("a finalizer that closes the handle or releases its lock", function()
  local Text = ipmmap.base:extend("JitSpecText", {
    { "n", "int32" }, { "wide", "int64" }, { "text", "char[40]" }, { "long", "char[3000]" },
    { "point", "JitSpecPoint" }, { "points", "JitSpecPoint[50]" }, { "list", "int16[50]" },
    { "items", "JitSpecPoint[<=50]" }, { "few", "int16[<=50]", max = 99 }, { "left", "int32?" },
    { "place", "JitSpecPoint?" }, { "mode", "JitSpecMode" }, { "utf", "char16[600]" },
  })
  local value = Text:new { n = 3, point = { x = 1, y = 2 }, items = { {}, {} }, few = { 1, 2 }, left = 1 }
  local uses = {
    function(v) v.n, v.wide, v.text, v.long = 5, 2 ^ 53, "hello", ("z"):rep(2000) end,
    function(v) return v.n, v.wide, v.text, v.long, #v.points, tostring(v.points[5]) end,
    function(v) v.points[7].x = v.points[9].y end,
    function(v) v.point, v.points[3] = value.point, v.point end,
    function(v) v.points = { v.point, v.points[2], { x = 1 } } end,
    function(v) return ipmmap.totable(v), ipmmap.bytes(v.points) end,
    function(v) ipmmap.setbytes(v.point, ("\0"):rep(16)) end,
    function(v) return Text:new(v), Text:convert(v) end,
    function(v) for i = 1, 50 do v.list[i] = i + v.list[51 - i] % 9 end end,
    function(v) v.items, v.few, v.left, v.place = value.items, { 5, 6 }, 7, { x = 1 } end,
    function(v) v.items[#v.items + 1], v.few[#v.few + 1] = { x = 2 }, 3 end,
    function(v) for i = 1, #v.few do v.few[i] = v.few[#v.few] % 9 + i end end,
    function(v) v.left, v.place, v.few[#v.few + 1] = nil, value.place, nil end,
    function(v) if #v.few > 0 then v.few[#v.few] = nil end end,
    function(v) v.mode, v.utf = "walk", ("\226\130\172"):rep(500) end,
    function(v) return v.mode, v.utf, v.left, v.place and v.place.x, ipmmap.check(v), v.items[1].x end,
  }

  -- In a process of its own, because a wrong address would end the process.
  it("never makes an access use its memory after that", function()
    local dir = segment.make(Text)
    local child = process.fork(function()
      jit.off()
      collectgarbage("setpause", 100)
      collectgarbage("setstepmul", 1000)
      local ended = 0
      for round = 1, 300 do
        local manager = assert(ipmmap.manager(Text, { mmap_dir = dir }))
        local is_armed = true
        local function finalize()
          if is_armed then
            is_armed = false
            if round % 2 == 0 then manager:close() else pcall(manager.unlock, manager) end
          end
        end
        local ok, raised = pcall(manager.with, manager, function(view)
          for _ = 1, 20 do getmetatable(newproxy(true)).__gc = finalize end
          for i = 1, 30 do uses[(i * round) % #uses + 1](view) end
        end)
        if not ok then
          assert(tostring(raised):find "used after its lock" or tostring(raised):find "changed while it", raised)
          ended = ended + 1
        end
        manager:close()
      end
      assert(ended > 100, ended)
    end)
    child:join()
    segment.close()
  end)
end)

describe("a finalizer that calls the library", function()
  it("never changes the message and the code of another call's error", function()
    local _, manager, reader = segment.make(S, { "reader" })
    local is_armed = true
    local function finalize()
      if is_armed then pcall(reader.read, reader, "another") end
    end
    jit.off()
    for _ = 1, 20000 do
      getmetatable(newproxy(true)).__gc = finalize
      refused("missing", manager.read, manager, "missing")
      local version, message, code = manager:wait(manager:version(), 0)
      assert.same({ nil, "timeout" }, { version, code }, message)
    end
    is_armed = false
    jit.on()
    segment.close()
  end)
end)

describe("a field, in LuaJIT,", function()
  local v
  before_each(function() v = S:new() end)

  it("refuses cdata of another type", function()
    local Point = ffi.typeof "struct { double x, y; }"
    for _, wrong in ipairs {
      Point(1, 2), ffi.new "int[2]", ffi.new("int32_t", 3), ffi.new("double", 3), ffi.cast("void *", 3),
      ffi.new("complex", 1, 2), ffi.typeof "int", ffi.C,
    } do
      for _, name in ipairs { "n", "wide", "bits", "flag", "text", "point", "points" } do
        refused("JitSpec." .. name .. ": a ", function() v[name] = wrong end)
      end
      refused("JitSpec.points[2]: a ", function() v.points[2] = wrong end)
      assert.has_error(function() v.numbers[wrong] = 1 end)
      assert.has_error(function() return v[wrong] end)
      assert.has_error(function() S:new(wrong) end)
      assert.has_error(function() ipmmap.bytes(wrong) end)
    end
    assert.equal(ipmmap.bytes(S:new()), ipmmap.bytes(v))
  end)

  it("takes an integer of 64 bits as a time and as a version", function()
    local _, manager = segment.make(S)
    local version = manager:version()
    manager:write("n", 1)
    assert.equal(version + 1, manager:wait(version + 0LL, 1LL))
    assert.equal("timeout", select(3, manager:wait(version + 1ULL, 0LL)))
    assert.is_true(#manager:changed(version + 0LL) > 0)
    manager:feed(version + 0LL):close()
    assert.equal(5, manager:try_with(1LL, function() return 5 end))
    ipmmap.sleep(0LL)
    segment.close()
  end)

  it("takes an integer of 64 bits that is in its range", function()
    v.n, v.small, v.wide, v.bits = -5LL, 255ULL, 9007199254740993LL, 0xffffffffffffffffULL
    assert.same({ -5, 255 }, { v.n, v.small })
    assert.is_true(v.wide == 9007199254740993LL and v.bits == 0xffffffffffffffffULL)
    v.wide = 255ULL
    assert.equal(255, v.wide)
    v.point.x = 3LL
    assert.equal(3, v.point.x)
    refused("JitSpec.n: 2147483648 is out of range for int32", function() v.n = 2147483648LL end)
    refused("JitSpec.small: -1 is out of range for uint8", function() v.small = -1LL end)
    refused("JitSpec.wide: 9223372036854775808 is out of range for int64",
      function() v.wide = 9223372036854775808ULL end)
    for i = 1, 300 do
      local ok = pcall(function() v.small = 0LL + i end)
      assert.equal(i <= 255, ok)
    end
    v.numbers[2LL] = 7
    assert.equal(7, v.numbers[2ULL])
  end)

  it("of 64 bits is a number as far as each integer is one, and cdata beyond", function()
    for _, name in ipairs { "wide", "bits" } do
      v[name] = 2 ^ 53
      assert.equal("number", type(v[name]))
      v[name] = 9007199254740993LL
      assert.equal("cdata", type(v[name]))
    end
    v.wide = -2 ^ 53
    assert.equal(-2 ^ 53, v.wide)
    v.wide = -2 ^ 63
    assert.is_true(v.wide == -9223372036854775807LL - 1)
    v.bits = 2 ^ 63
    assert.is_true(v.bits == 0x8000000000000000ULL)
    v.bits = -1 -- the 64 bits of a negative integer, as in Lua
    assert.is_true(v.bits == 0xffffffffffffffffULL)
    for _, wrong in ipairs { 2 ^ 63, -2 ^ 63 - 2048, 0 / 0, math.huge, 0.5 } do
      assert.has_error(function() v.wide = wrong end)
    end
    for _, wrong in ipairs { 2 ^ 64, -2 ^ 63 - 2048, 0 / 0, -math.huge, 0.5 } do
      assert.has_error(function() v.bits = wrong end)
    end
    assert.is_true(v.bits == 0xffffffffffffffffULL)
  end)

  it("has the same value in compiled code, whatever type the value had before", function()
    local T = ipmmap.struct("JitSpecNumbers", {
      { "u32", "uint32" }, { "i32", "int32" }, { "u64", "uint64" }, { "i64", "int64" }, { "number", "double" },
    })
    local t = T:new()
    local function pass_on(x)
      t.u32 = x
      t.i64 = t.u32
      t.u64 = t.i64
      t.number = t.u64
      t.u32 = t.number
      return t.u32 + t.i64 + t.u64
    end
    for i = 1, 300 do
      local x = i % 3 == 0 and 0xffffffff - i or i % 3 == 1 and 0x80000000 + i or i
      assert.equal(3 * x, pass_on(x))
    end
    for i = 1, 300 do
      t.i32 = -i
      t.i64 = t.i32
      t.number = t.i64
      assert.equal(-i, t.number)
      assert.is_false((pcall(function() t.u32 = t.i64 end)))
    end
  end)

  it("stays alive with a view of a part of its value", function()
    local points = {}
    for i = 1, 500 do points[i] = S:new({ points = { {}, { x = i } } }).points[2] end
    for _ = 1, 5 do collectgarbage() end
    for i = 1, 500 do assert.equal(i, points[i].x) end
  end)

  it("is as equal to itself as in Lua", function()
    assert.is_true(v.point == v.point)
    assert.is_false(v.point == v.points[1])
    assert.is_false(v.points == v.point)
    assert.is_false(v == nil)
    assert.is_false(v.points == 5)
  end)
end)

describe("a schema, in LuaJIT,", function()
  it("may have words of C as names, at any place", function()
    local fields, words = {}, {
      "int", "struct", "const", "void", "sizeof", "union", "enum", "__attribute__", "char", "unsigned", "typedef",
      "and", "end", "nil", "function", "goto", "BLOCK", "SIZE", "OFFSET", "NUMBER", "view", "self", "_G",
    }
    for i, word in ipairs(words) do fields[i] = { word, "int32" } end
    local inner = ipmmap.struct("struct", fields)
    local value = ipmmap.struct("JitSpecWords", { { "typedef", inner }, { "list", "struct[2]" } }):new()
    for i, word in ipairs(words) do
      value.typedef[word] = i
      value.list[2][word] = -i
    end
    for i, word in ipairs(words) do
      assert.same({ i, -i }, { value.typedef[word], value.list[2][word] })
    end
  end)

  it("cannot have text of C or Lua in it", function()
    for _, text in ipairs {
      "x; }; int y", "x/*", "x*/", "x\0y", "x]]", "x'", 'x"', "x\n#define y", "\255number", "x y", "x,y", "x)",
    } do
      assert.is_nil((ipmmap.parse(("struct A {\n  %s: int32\n}\n"):format(text))))
      assert.is_nil((ipmmap.parse(("struct %s {\n  x: int32\n}\n"):format(text))))
      assert.is_nil((ipmmap.parse(("struct A {\n  x: int32[%s]\n}\n"):format(text))))
      assert.has_error(function() ipmmap.struct(text, { { "x", "int32" } }) end)
      assert.has_error(function() ipmmap.struct("JitSpecBad", { { text, "int32" } }) end)
      assert.has_error(function() ipmmap.struct("JitSpecBad", { { "x", text } }) end)
    end
  end)

  it("is no new type of cdata if its structs were there before", function()
    local text = "struct JitSpecAgain {\n  x: int32\n  ys: double[3]\n}\n"
    local function last_type()
      return tonumber(ffi.typeof(("struct { int x[%d]; }"):format(math.random(1e6))))
    end
    local function use()
      local value = assert(ipmmap.parse(text)):new { x = 1, ys = { 1, 2, 3 } }
      return value.x + value.ys[3]
    end
    assert.equal(4, use())
    local before = last_type()
    for _ = 1, 1000 do use() end
    assert.is_true(last_type() - before < 10)
  end)
end)

describe("a program with more layouts than LuaJIT has types for", function()
  it("gets an error, and can go on with those that it has", function()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      local first = ipmmap.parse "struct First { x: int32[3] }":new()
      first.x[1] = 1
      local ok, raised
      for i = 1, 1e5 do
        ok, raised = pcall(function() ipmmap.parse(("struct S { a%d: int8 }"):format(i)):new() end)
        if not ok then break end
      end
      print((raised:gsub("^.-: ", "")))
      first.x[2] = 7
      print(first.x[2], require("ffi").new("int[77]")[0])
    ]])
    child:expect "S: LuaJIT has no more room for types of views"
    child:expect "7\t0"
    child:join()
  end)
end)

describe("add, in LuaJIT,", function()
  it("refuses a number that has no 64-bit integer", function()
    local _, manager = segment.make(S)
    for _, n in ipairs { 2 ^ 64, 1e39, -1e39, -2 ^ 64 } do
      for _, name in ipairs { "wide", "bits" } do
        manager:write(name, name == "wide" and n > 0 and -2 ^ 63 or 0)
        refused("is out of range", manager.add, manager, name, n)
      end
    end
    manager:write("bits", 0)
    assert.is_true(manager:add("bits", 2 ^ 63) == 0x8000000000000000ULL)
    segment.close()
  end)
end)

describe("a feed, in LuaJIT,", function()
  it("leaves no memory behind when it is forgotten or closed, although its handle stays open", function()
    local _, manager = segment.make(S)
    local function use()
      for i = 1, 1000 do
        local feed = manager:feed(0)
        if i % 2 == 0 then feed:close() end
      end
      for _ = 1, 4 do collectgarbage() end
      return collectgarbage "count"
    end
    use()
    local before = use()
    local grown = use() - before
    assert.is_true(grown < 500, grown)
    segment.close()
  end)
end)

describe("a version, in LuaJIT,", function()
  it("is below 2^63, as in Lua", function()
    local _, manager = segment.make(S)
    for _, version in ipairs { 2 ^ 63, 2 ^ 64, 1e300 } do
      refused("is not a version", manager.feed, manager, version)
      refused("is neither a version nor a field's path", manager.wait, manager, version, 0)
    end
    segment.close()
  end)
end)

describe("the module, in LuaJIT,", function()
  local USE = [[
    local S = require("ipmmap").base:extend("JitSpecUse", { { "n", "int32" } })
    local manager = assert(require("ipmmap").manager(S, { create = true, mmap_dir = ... }))
    manager:with(function(view) view.n = 1 end)
    manager:set { n = manager:read "n" + 1 }
    print(select(2, pcall(manager.with, manager, 5LL)))
    manager:close()
    print "closed"
  ]]

  local function use(before)
    local dir = segment.make(S)
    local child = process.spawn(before .. USE, dir)
    child:match "with takes a function, not 5$"
    child:expect "closed"
    child:join()
    segment.close()
  end

  it("reads no global that is not there", function()
    use "setmetatable(_G, { __index = function(_, name) error('no global ' .. name, 2) end }) "
  end)

  it("needs no module debug", function()
    use "debug, package.loaded.debug = nil "
  end)
end)

describe("the module ffi", function()
  local REQUIRE = "package.loaded.ffi, package.preload.ffi = nil, load(...) print(select(2, pcall(require, 'ipmmap')))"

  it("that is missing or a stranger's is one clear line", function()
    for code, shown in pairs {
      ["error('no ffi here', 0)"] = "no ffi here", ["return {}"] = "table: ", ["return 5"] = "5",
      ["return { metatype = print, abi = tostring, C = {} }"] = "table: ",
      ["return { metatype = print }"] = "table: ",
    } do
      local child = process.spawn(REQUIRE, code)
      child:match("^ipmmap needs LuaJIT's module 'ffi' on a machine with 64 bits: require 'ffi' gives " .. shown)
      child:join()
    end
  end)

  it("finds no library outside package.cpath, and says where it has looked", function()
    local child = process.spawn "package.cpath = './nowhere/?.so' print(select(2, pcall(require, 'ipmmap')))"
    child:match "^ipmmap: there is no libipmmap.so in package.cpath:"
    child:match "'./nowhere/ipmmap/libipmmap.so'"
    child:join()
  end)

  it("may have the declarations of the C interface before", function()
    local child = process.spawn "require('ffi').cdef(require 'ipmmap.jit.cdef') print(require('ipmmap')._VERSION)"
    child:expect(ipmmap._VERSION)
    child:join()
  end)
end)

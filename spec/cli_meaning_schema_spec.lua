local cli = require "spec.helper.cli"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

-- Names that are keywords or clash, limits and constants at the edges of their types, and texts that
-- would end a comment or a literal of another language.
local SCHEMA <const> = [==[
struct MmapStructureHeader {
  header_code: int16
  time_stamp: double
}
struct BaseMmapStructure {
  header: MmapStructureHeader
}
enum Mode : uint8 {
  idle = 0
  walk = 4
  class = 5
}
flags Rights : uint32 {
  read = 1
  write = 2
  all = 4294967295
}
enum Big : int64 {
  low = -9223372036854775808
  zero = 0
  high = 9223372036854775807
}
flags Wide : uint64 {
  top = 9223372036854775808
}
struct Item {
  id: int16
  w: double
}
struct Point (pack 1) {
  c: uint8
  x: float (unit "m")
  few: double[<=2]
  maybe: Item?
}
struct Pair (pack 2) {
  c: uint8
  d: double
}
struct Meaning_left {
  count: int8
}
struct Meaning : BaseMmapStructure {
  volume: float (default 0.8, min 0, max 1, unit "dB", doc "how \"loud\" */ \x1B[2J ''' \"\"\" \\ # ]] é")
  gains: float[4] (default 1)
  axis: float[3] (default [0, 0.1, -1])
  mode: Mode (default walk)
  modes: Mode[3] (default [idle, walk, class])
  Mode_idle: Rights (default 1)
  big: Big (default low)
  wide: Wide
  items: Item[<=6]
  points: Point[2]
  pair: Pair
  left: int32? (min -5)
  best: Item?
  clash: Meaning_left[<=2]
  title: char16[32] (default "Grüße")
  name: char[8] (default "a\"\\b")
  glyphs: char32[4]
  u: uint64 (default 18446744073709551615, min 9223372036854775808, max 18446744073709551615)
  low: int64 (default -9223372036854775808, min -9223372036854775808)
  on: bool (default true)
  odd: double (default nan)
  far: double[2] (default [inf, -inf])
  words: char[5][<=3]
  grid: float[2][<=3] (min -1)
  count: uint16?
}
]==]
local S = assert(ipmmap.parse(SCHEMA))

describe("ipmmap schema, of types with meaning,", function()
  local dir, file

  setup(function()
    dir = tmpdir()
    file = dir .. "/Meaning_.mmap"
    assert(ipmmap.manager(S, { create = true, mmap_dir = dir })):close()
  end)

  local function schema(option) return cli.output { "schema", option, file } end

  local function write(name, text)
    local out <close> = assert(io.open(dir .. "/" .. name, "w"))
    out:write(text)
  end

  local function try(command)
    local child = process.start { "sh", "-c", command .. " 2>&1", cwd = dir }
    local lines = {}
    for line in function() return child:line() end do lines[#lines + 1] = line .. "\n" end
    local how, status = child:wait()
    local output = table.concat(lines)
    assert.same({ "exit", 0 }, { how, status }, command .. "\n" .. output)
    return output
  end

  it("has attributes and enumerations in the table, without bytes that control a terminal", function()
    assert.equal(SCHEMA, tostring(S))
    local out = cli.output { "schema", file }
    assert.is_nil(out:find("[\0-\9\11-\31]"))
    assert.matches("\nOFFSET  SIZE  TYPE +PATH +ATTRIBUTES\n", out)
    assert.matches('\n +16 +4  float +volume +default 0.8, min 0.0, max 1.0, unit "dB", doc "how [^\n]*\n',
      out)
    assert.matches("\n +%d+ +8  double +items%[1%]%.w\n", out)
    assert.matches("\n +%d+ +1  Mode +mode +default walk\n", out)
    assert.matches("\nenum Mode: uint8 { idle = 0, walk = 4, class = 5 }\n", out)
    assert.matches("\nflags Wide: uint64 { top = 9223372036854775808 }\n", out)
    for path in ("items[1].w points[1].few left best.w u"):gmatch("%S+") do
      assert.matches(("\n +%d +%%d+ +%%S+ +%s[ \n]"):format(S:offsetof(path),
        path:gsub("%p", "%%%0")), out)
    end
  end)

  it("is a definition in Lua with the same schema text", function()
    write("definition.lua", schema "--lua")
    write("check.lua", [[
      local ipmmap = require "ipmmap"
      dofile "definition.lua"
      io.write(tostring(ipmmap.lookup "Meaning"))
    ]])
    assert.equal(SCHEMA, try(cli.lua .. " check.lua"))
  end)

  it("is a C header whose assertions hold in C and C++, with gcc and clang", function()
    write("meaning.h", schema "--c")
    write("main.c", [[
      #include "meaning.h"
      #include "meaning.h"
      #include <stdio.h>
      int main(void) {
          static Meaning m;
          m.mode = Mode_class;
          m.items.count = 1;
          m.items.items[0].w = 0.5;
          m.left.present = true;
          m.left.value = -5;
          m.points[1].few.items[1] = 2;
          m.title[0] = 'x';
          switch (m.big) {
          case Big_low: case Big_high: return 1;
          default: break;
          }
          printf("%d %d %d %d\n", m.mode == Mode_class, (int)sizeof(Mode), Rights_all == 0xffffffff,
                 Wide_top == UINT64_C(1) << 63);
          return 0;
      }
]])
    for _, compiler in ipairs { "gcc -std=c11 -x c", "clang -std=c11 -x c", "g++ -std=c++17 -x c++",
      "clang++ -std=c++17 -x c++" } do
      local found = try(("command -v %s || true"):format(compiler:match("%S+")))
      if found ~= "" then
        assert.equal("1 1 1 1\n", try(compiler ..
          " -Wall -Wextra -Wpedantic -Werror -o main main.c && ./main"), compiler)
      end
    end
    local text = cli.read_file(dir .. "/meaning.h")
    assert.matches('    float volume; /%* default 0.8, min 0.0, max 1.0, unit "dB", doc', text)
    assert.is_nil(text:find("[\0-\9\11-\31]"))
  end)

  it("is declarations that LuaJIT takes", function()
    write("meaning.cdef", schema "--ffi")
    write("main.lua", [[
      local ffi = require "ffi"
      ffi.cdef(io.open "meaning.cdef":read "*a")
      print(ffi.sizeof "Meaning", ffi.sizeof "Point", ffi.offsetof("Point", "maybe"),
        ffi.offsetof("Meaning", "count_") or ffi.offsetof("Meaning", "count"), ffi.C.Mode_walk)
    ]])
    local type, point = S:type(), nil
    for _, field in ipairs(type.fields) do
      if field.name == "points" then point = field.type.element end
    end
    assert.equal(("%d\t%d\t%d\t%d\t4\n"):format(S.size, point.size, point.fields[4].offset,
      S:offsetof("count")), try "luajit main.lua")
  end)

  it("is a Python module that reads lists, optional fields, enumerations and texts", function()
    if not os.execute("command -v python3 >/dev/null") then pending("there is no python3") end
    write("meaning.py", schema "--python")
    do
      local manager <close> = assert(ipmmap.manager(S, { mmap_dir = dir }))
      manager:set { items = { { id = 1 }, { id = 2, w = 0.5 } }, left = -3, mode = "class",
        Mode_idle = 3, glyphs = "ä𝄞", points = { { few = { 1.5 } } } }
    end
    write("main.py", [[
import sys
sys.dont_write_bytecode = True
import meaning
m = meaning.read("Meaning_.mmap")
print(len(m.items), [item.w for item in m.items], m.left.present, m.left.value, m.best.present)
print(m.mode == meaning.Mode.class_, meaning.Mode(m.mode).name, meaning.text(m.glyphs),
      meaning.text(m.title), m.points[0].few[0], repr(meaning.Rights(m.Mode_idle)))
m.items.count = 7
try:
    len(m.items)
except ValueError as error:
    print(error)
]])
    assert.equal("2 [0.0, 0.5] True -3 False\nTrue class_ ä𝄞 Grüße 1.5 <Rights.write|read: 3>\n" ..
      "a damaged list: its count is 7\n", (try "PYTHONIOENCODING=utf-8 python3 main.py"
      :gsub("<Rights.read|write: 3>", "<Rights.write|read: 3>")))
  end)

  it("is a Python module with members that Python would take for its own", function()
    if not os.execute("command -v python3 >/dev/null") then pending("there is no python3") end
    local T = assert(ipmmap.parse(SCHEMA:match("^.-enum") .. [[ E : uint8 { _x = 1
      _y_ = 2
      __z = 3
      __init__ = 4
      ____w = 5
      _ = 6 }
      struct Odd : BaseMmapStructure { e: E }]]))
    do local _ <close> = assert(ipmmap.manager(T, { create = true, mmap_dir = dir })) end
    write("odd.py", cli.output { "schema", "--python", dir .. "/Odd_.mmap" })
    write("main.py", [[
import sys
sys.dont_write_bytecode = True
import odd
print([member.value for member in odd.E], [member.name for member in odd.E][0])
]])
    assert.equal("[1, 2, 3, 4, 5, 6] _x\n", try "python3 main.py")
  end)

  it("is annotations with the names of enumerations and optional fields", function()
    local out = schema "--luals"
    assert.matches('\n%-%-%-@alias Mode\n%-%-%-| "idle" # 0\n%-%-%-| "walk" # 4\n', out)
    assert.matches("\n%-%-%-@field left%? integer # int32%? %(min %-5%)\n", out)
    assert.matches("\n%-%-%-@field items Item%[%] # Item%[<=6%]\n", out)
    assert.matches('\n%-%-%-@field volume number # float %(default 0.8, min 0.0, [^\n]*\n', out)
    assert.is_truthy(load(out))
    assert.is_nil(out:find("[\0-\9\11-\31]"))
  end)

  it("is JSON with all attributes", function()
    local layout = json.decode(schema "--json")
    local fields = {}
    for _, field in ipairs(layout.fields) do fields[field.name] = field end
    assert.same({ 0.8, 0, 1, "dB", "how \"loud\" */ \27[2J ''' \"\"\" \\ # ]] é" },
      { fields.volume.default, fields.volume.min, fields.volume.max, fields.volume.unit,
        fields.volume.doc })
    assert.same({ "idle", "walk", "class" }, fields.modes.default)
    assert.same({ "inf", "-inf" }, fields.far.default)
    assert.equal("Grüße", fields.title.default)
    assert.equal(1, fields.points.pack)
    assert.equal(8, fields.items.element_offset)
    assert.same({ name = "Mode", type = "uint8", flags = false,
      constants = { idle = 0, walk = 4, class = 5 } }, layout.enums[1])
    assert.is_true(layout.enums[2].flags)
    assert.equal(SCHEMA, layout.text)
  end)
end)

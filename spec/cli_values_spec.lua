local cli = require "spec.helper.cli"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local process = require "spec.helper.process"
local posix = require "spec.helper.posix"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local COMMAND <const> = ('%s "%s/bin/ipmmap"'):format(process.LUA, posix.getcwd())
local S <const> = assert(ipmmap.parse [[
struct MmapStructureHeader { header_code: int16
  time_stamp: double }
struct BaseMmapStructure { header: MmapStructureHeader }
struct Part { flag: bool
  d: double[5]
  f: float[2][5]
  text: char[40] }
struct Values : BaseMmapStructure { b: bool[2]
  i8: int8[2] u8: uint8[2] i16: int16[2] u16: uint16[2] i32: int32[2] u32: uint32[2]
  i64: int64[3] u64: uint64[4] f: float d: double c: char text: char[80] texts: char[3][8]
  part: Part[2] }
]])

local NAN <const>, INF <const> = 0 / 0, math.huge
local TINY <const>, BIG <const> = string.unpack("f", "\1\0\0\0"), 0x1.fffffep127

local FULL <const> = {
  b = { true, false }, i8 = { -128, 127 }, u8 = { 0, 255 }, i16 = { -32768, 32767 },
  u16 = { 0, 65535 }, i32 = { -1 << 31, (1 << 31) - 1 }, u32 = { 0, (1 << 32) - 1 },
  i64 = { math.mininteger, math.maxinteger, (1 << 53) + 1 },
  u64 = { 0, -1, math.mininteger, math.maxinteger },
  f = -INF, d = NAN, c = '"',
  text = '\\ "/\b\f\n\r\t\1\27[2J\127 \u{9b}31m \u{202e}\u{e4}\u{20ac}\u{1f600} \255\xc3\xed\xb3\xbf\x80',
  texts = { "\\udcff", "", "\xf0\x9f\x98" },
  part = {
    { flag = true, d = { NAN, INF, -INF, -0.0, 0x1p-1074 },
      f = { { NAN, INF, -INF, -0.0, TINY }, { BIG, 0.1, 1 / 3, 16777216, 1e-30 } }, text = "nan" },
    { d = { 0.1, 1 / 3, 0x1.fffffffffffffp1023, 1e22, 123456789012345680 }, text = "inf" },
  },
}

-- The struct's bytes without the header.
local function data(handle) return ipmmap.bytes(handle:snapshot()):sub(17) end

describe("a value's JSON", function()
  local dir, first, second

  before_each(function()
    dir = tmpdir()
    first = assert(ipmmap.manager(S, { create = true, mmap_dir = dir, tag = "a" }))
    second = assert(ipmmap.manager(S, { create = true, mmap_dir = dir, tag = "b" }))
    first:set(FULL)
  end)

  after_each(function()
    first:close()
    second:close()
  end)

  -- Runs two commands of ipmmap, with a pipe from the first to the second.
  local function pipe(from, to)
    local child = process.start { "sh", "-c", ("%s %s | %s %s; echo $?"):format(COMMAND, from, COMMAND, to), cwd = dir }
    child:expect("0")
    child:join()
  end

  it("of a whole struct restores every bit except the header", function()
    local header = ipmmap.bytes(second:snapshot()):sub(1, 16)
    pipe("show --json Values_a.mmap", "set --json Values_b.mmap")
    assert.equal(data(first), data(second))
    assert.equal(header, ipmmap.bytes(second:snapshot()):sub(1, 16))
    assert.equal(1, second:version())
  end)

  it("of each field restores it, from standard input and from the command line", function()
    for _, path in ipairs { "b", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f", "d", "c",
      "text", "texts", "part", "texts[1]", "u64[2]", "part[1].f[1][1]", "part[2].d[3]" } do
      second:clear()
      pipe("get --json Values_a.mmap " .. path, "set --json Values_b.mmap " .. path)
      local written = cli.output { "get", "--json", dir .. "/Values_a.mmap", path }
      assert.equal(written, cli.output { "get", "--json", dir .. "/Values_b.mmap", path })
      cli.output { "set", "--json", dir .. "/Values_b.mmap", path .. "=" .. written }
      assert.equal(written, cli.output { "get", "--json", dir .. "/Values_b.mmap", path })
    end
    pipe("show --json Values_a.mmap", "set --json Values_b.mmap")
    assert.equal(data(first), data(second))
  end)

  it("is valid for other JSON parsers, with NaN and infinities as strings", function()
    local value, _, problem = json.decode(cli.output { "show", "--json", dir .. "/Values_a.mmap" })
    assert(value, problem)
    assert.same({ "nan", "inf", "-inf", 0, 0x1p-1074 }, value.part[1].d)
    assert.equal("-inf", value.f)
  end)

  it("on standard input must be one complete value", function()
    for _, case in ipairs {
      { '{"i8": [1, 2}', "neither ',' nor ']' at byte 13" }, { "[]", "is not a JSON object" },
      { '{"i8": [1, 2]} x', "more than one value at byte 16" }, { "", "no value at byte 1" },
      { '{"nope": 1}', "Values: no field 'nope'" }, { '{"i8": [1], "i8": [2]}', "second value" },
      { '{"i8": [01]}', "no value at byte 9" }, { '{"i8": [null]}', "i8%[1%] is int8: 'null'" },
      { '{"part": [{"d": ["1"]}]}', "part%[1%].d%[1%] is double: '\"1\"' is not a number" },
      { '{"text": "\\ud800"}', "half a surrogate pair" }, { '{"text": 1}', "not a JSON string" },
      { '{"f": 1e400}', "f is float: '1e400' is not a number that it can hold" },
      { ("["):rep(100000), "nested too deep" },
    } do
      local child = process.start { "sh", "-c", ('printf %%s "$1" | %s set --json "%s/Values_b.mmap"')
        :format(COMMAND, dir), "sh", case[1] }
      local message = child:line()
      assert.matches(case[2], message)
      assert.matches("^ipmmap: ", message)
      assert.same({ "exit", 2 }, { child:wait() })
    end
    assert.equal(0, second:version())
  end)
end)

describe("ipmmap set", function()
  local dir, file, manager

  before_each(function()
    dir, manager = segment.make(S)
    file = dir .. "/Values_.mmap"
  end)

  after_each(segment.close)

  it("takes all spellings of NaN and the infinities", function()
    for written, expected in pairs {
      nan = "nan", NaN = "nan", ["-NAN"] = "nan", inf = "inf", Infinity = "inf", ["+INF"] = "inf",
      ["-inf"] = "-inf", ["-Infinity"] = "-inf",
    } do
      for _, path in ipairs { "f", "d" } do
        cli.output { "set", file, path .. "=" .. written }
        assert.equal(expected .. "\n", cli.output { "get", file, path })
      end
    end
  end)

  it("refuses a path that is given twice", function()
    local version = manager:version()
    local function refuses(name, ...)
      local status, out, err = cli.run { "set", ... }
      assert.same({ 2, "", ("ipmmap: '%s' is given twice\n"):format(name) }, { status, out, err })
    end
    refuses("d", file, "d=1", "i8[1]=2", "d=1")
    refuses("i8[2]", "--json", file, "i8[2]=1", "d=1", "i8[2]")
    assert.equal(version, manager:version())
  end)

  it("takes the largest integers without wrapping or rounding them", function()
    for _, written in ipairs { "u64[1]=18446744073709551615", "u64[1]=0xffffffffffffffff",
      "i64[1]=9223372036854775807", "i64[1]=-9223372036854775808", "i64[1]=0x7fffffffffffffff",
      "i64[1]=1e3" } do
      cli.output { "set", file, written }
    end
    assert.equal("1000\n", cli.output { "get", file, "i64[1]" })
    assert.equal("18446744073709551615\n", cli.output { "get", file, "u64[1]" })
    local version = manager:version()
    for _, written in ipairs { "u64[1]=18446744073709551616", "u64[1]=-1", "u64[1]=1e20",
      "u64[1]=0x1ffffffffffffffff", "i64[1]=9223372036854775808", "i64[1]=0xffffffffffffffff",
      "i8[1]=0xffffffffffffffff", "i64[1]=9007199254740993.0", "d=1e400", "d=", "b[1]=1" } do
      local status, out, err = cli.run { "set", file, written }
      assert.same({ 2, "" }, { status, out }, written)
      assert.matches("^ipmmap: Values%.[^\n]+ is not [^\n]+\n$", err, 1, false, written)
    end
    assert.equal(version, manager:version())
  end)
end)

describe("a float and a double", function()
  local dir, file, manager

  before_each(function()
    dir, manager = segment.make(S)
    file = dir .. "/Values_.mmap"
  end)

  after_each(segment.close)

  local function set(number) manager:set { f = number, d = number } end

  it("are printed as the shortest decimal that stores the same", function()
    for _, written in ipairs { "0.8", "0.1", "1e-45", "5e-324", "16777216.0", "1e+22", "-0.0" } do
      for _, path in ipairs { "f", "d" } do
        if path == "d" or tonumber(written) ~= 5e-324 then
          manager:write(path, tonumber(written))
          assert.equal(written .. "\n", cli.output { "get", file, path })
          assert.equal(written .. "\n", cli.output { "get", "--json", file, path })
          assert.equal(path .. " = " .. written .. "\n", cli.output { "show", file, path })
        end
      end
    end
    set(0.8)
    assert.same({ f = 0.8, d = 0.8 }, (function(value) return { f = value.f, d = value.d } end)(
      json.decode(cli.output { "show", "--json", file })))
    local child = cli.start { "watch", file, "f", "d" }
    child:match "^version %d+: f = 0%.8, d = 0%.8$"
    set(0.7)
    child:match "^version %d+: f = 0%.7, d = 0%.7$"
    child:kill(posix.SIGTERM)
    assert.equal(0, (cli.finish(child)))
    assert.not_equal(0.7, manager:read("f")) -- in Lua it is exactly what the field holds
  end)
end)

-- Whether a text contains bytes that control a terminal.
local function is_harmful(output)
  return output:gsub("\r?\n", ""):find("[%z\1-\31\127]") or not utf8.len(output)
    or output:find("\u{9b}", 1, true) or output:find("\u{202e}", 1, true)
end

describe("hostile bytes", function()
  local dir, file, manager
  local TEXT <const> = "a\27]0;owned\7\127 \u{9b}2J\u{202e} \155\255 b"

  before_each(function()
    dir, manager = segment.make(S)
    manager:set { text = TEXT, texts = { "\27c" }, c = "\7" }
    file = dir .. "/Values_.mmap"
  end)

  after_each(segment.close)

  it("in a text field do not control the terminal", function()
    for _, argv in ipairs { { "get", file, "text" }, { "get", file, "c" }, { "get", file, "texts" },
      { "show", file }, { "show", file, "text" }, { "get", "--json", file, "text" },
      { "show", "--json", file } } do
      argv.env = { "TERM=dumb" }
      local terminal = cli.terminal(80, 24, argv)
      assert.same({ "exit", 0 }, { terminal:finish() })
      assert.falsy(is_harmful(terminal.output), table.concat(argv, " "))
    end
    local terminal = cli.terminal(80, 24, { "get", file, "text" })
    terminal:finish()
    assert.equal("a\\x1b]0;owned\\x07\\x7f \\u{9b}2J\\u{202e} \\x9b\\xff b\r\n", terminal.output)
  end)

  it("in a text field are written to a pipe unchanged", function()
    assert.equal(TEXT .. "\n", cli.output { "get", file, "text" })
  end)

  it("in two texts make them different", function()
    local other <close> = assert(ipmmap.manager(S, { create = true, mmap_dir = dir, tag = "b" }))
    other:set { text = TEXT:gsub("\255", "\254"), texts = { "\27c" }, c = "\7" }
    local status, out = cli.run { "diff", file, dir .. "/Values_b.mmap" }
    assert.equal(1, status)
    assert.matches("^text: .*\\xff b\" %-> .*\\xfe b\"\n$", out)
    assert.falsy(is_harmful(out))
  end)

  it("in the name of a file or a process do not control the terminal", function()
    local hostile = dir .. "/\27[31m\155\n\u{202e}.mmap"
    assert(io.open(hostile, "w")):close()
    for _, argv in ipairs { { "ls", dir }, { "doctor", dir }, { "doctor", hostile },
      { "show", hostile }, { "get", file, "a\27[31m" }, { "set", file, "d=\27[31m" },
      { "record", file, "-o", hostile }, { "replay", hostile }, { "diff", file, hostile },
      { "\27[31m" }, { "ls", "--json", dir } } do
      local _, out, err = cli.run(argv)
      assert.falsy(is_harmful(out .. err), table.concat(argv, " "))
    end
    local rows, _, problem = json.decode((cli.output { "ls", "--json", dir }))
    assert(rows, problem)
    local holder = process.spawn([[
      local ipmmap = require "ipmmap"
      local editor = assert(ipmmap.editor(assert(ipmmap.describe(...)), { mmap_dir = select(2, ...) }))
      local comm <close> = assert(io.open("/proc/self/comm", "w"))
      comm:write("\27[31m")
      comm:flush()
      local _ <close> = editor:lock()
      print("held")
      io.read()
    ]], file, dir)
    holder:expect("held")
    local out = cli.output { "who", file }
    assert.matches("\\x1b%[31m", out)
    assert.falsy(is_harmful(out))
    holder:kill()
  end)
end)

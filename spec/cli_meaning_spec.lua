local cli = require "spec.helper.cli"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"

local COMMAND <const> = ('%s "%s/bin/ipmmap"'):format(process.LUA, posix.getcwd())
local BASE <const> = [[
struct MmapStructureHeader { header_code: int16
  time_stamp: double }
struct BaseMmapStructure { header: MmapStructureHeader }
]]
local TYPES <const> = BASE .. [[
enum Level : uint8 { debug = 0
  info = 1
  warn = 2 }
flags Rights : uint64 { read = 1
  write = 2
  top = 9223372036854775808 }
struct Vec3 { x: float (unit "m")
  y: float (unit "m")
  z: float (unit "m") }
struct Item { id: int16
  level: Level (default warn)
  left: int32?
  name: char16[4] }
struct Odd (pack 1) { c: uint8
  d: double
  levels: Level[<=3] }
]]
local FIELDS <const> = [[
struct Sound : BaseMmapStructure { volume: float (default 0.8, min 0, max 1, unit "dB", doc "how loud")
  gains: double[3] (default 1, min -10, unit "dB")
  level: Level (default info)
  levels: Level[2]
  rights: Rights
  items: Item[<=4]
  few: int32[<=3] (max 9, unit "ms")
  grid: int8[2][2]
  at: Vec3
  odd: Odd[2]
  left: int32? (min -5, max 5, unit "s")
  best: Item?
  note: char[8]?
  title: char16[16]
  glyphs: char32[4]
  many: double[30] (unit "V") }
]]
local S <const> = assert(ipmmap.parse(TYPES .. FIELDS))

-- The struct's bytes without the header.
local function data(handle) return ipmmap.bytes(handle:snapshot()):sub(17) end

describe("the command, on types with meaning,", function()
  local dir, file, manager

  before_each(function()
    dir, manager = segment.make(S)
    file = dir .. "/Sound_.mmap"
    manager:set {
      level = "warn", rights = 3, levels = { 7, "info" }, title = "Grüße 𝄞", glyphs = "ä𝄞",
      items = { { id = 1, name = "a" }, { id = 2, left = -3, level = "debug" } }, few = { 1, 2 },
      left = 4, note = "null",
    }
  end)

  after_each(segment.close)

  local function set(...) return cli.run { "set", file, ... } end
  local function get(...) return (cli.output { "get", file, ... }:gsub("\n$", "")) end

  local function refuses(message, ...)
    local before = data(manager)
    local status, out, err = set(...)
    assert.same({ 2, "" }, { status, out }, err)
    assert.truthy(err:find(message, 1, true), err)
    assert.equal(before, data(manager))
  end

  describe("shows", function()
    it("names of enumerations and flags, units, elements in use, and nil for what is not there", function()
      local out = cli.output { "show", file }
      for _, line in ipairs {
        "volume = 0.8 dB", "gains = [1.0, 1.0, 1.0] dB", "level = warn", "levels = [7, info]",
        "rights = read|write", "few = [1, 2] ms", "at = { x = 0.0 m, y = 0.0 m, z = 0.0 m }",
        "left = 4 s", "best = nil", 'note = "null"', 'title = "Grüße 𝄞"', 'glyphs = "ä𝄞"',
        "grid = [[0, 0], [0, 0]]", "many (V)",
        "odd = [{ c = 0, d = 0.0, levels = [] }, { c = 0, d = 0.0, levels = [] }]",
        '  [1] = { id = 1, level = warn, left = nil, name = "a" }',
        '  [2] = { id = 2, level = debug, left = -3, name = "" }',
      } do
        assert.truthy(("\n" .. out):find("\n" .. line .. "\n", 1, true), line .. "\n" .. out)
      end
    end)

    it("bits without a name as a number", function()
      manager:write("rights", 0x8000000000000005)
      assert.equal("read|top|4", get("rights"))
      manager:write("rights", 0)
      assert.equal("0", get("rights"))
    end)

    it("one part with its unit, and get shows the bare value", function()
      assert.equal("volume = 0.8 dB\n", cli.output { "show", file, "volume" })
      assert.equal("gains[2] = 1.0 dB\n", cli.output { "show", file, "gains[2]" })
      assert.equal("0.8", get("volume"))
      assert.equal("debug", get("items[2].level"))
      assert.equal("nil", get("best"))
      assert.equal("Grüße 𝄞", get("title"))
      assert.equal("null", get("note"))
      assert.equal("-3", get("items[2].left"))
      assert.equal("1\n2", get("items[*].id"))
      assert.equal("nil\n-3", get("items[1..2].left"))
      assert.equal("nil", get("best.id"))
      for _, path in ipairs { "items[3]", "items[3].id", "few[3]" } do
        for _, command in ipairs { "get", "show" } do
          local status, out, err = cli.run { command, file, path }
          assert.same({ 2, "" }, { status, out })
          assert.truthy(err:find("Sound." .. path .. ": the list has fewer elements", 1, true), err)
        end
      end
    end)

    it("in JSON names as strings, flags as numbers, and null", function()
      local shown = json.decode(cli.output { "show", "--json", file })
      assert.same({ "warn", 3, { 1, 2 }, "Grüße 𝄞" },
        { shown.level, shown.rights, shown.few, shown.title })
      assert.same({ 7, "info" }, shown.levels)
      assert.is_nil(shown.best)
      assert.equal("null\n", cli.output { "get", "--json", file, "best" })
      assert.equal(2, #shown.items)
    end)
  end)

  describe("sets", function()
    it("names of enumerations, and numbers", function()
      assert.equal(0, (set("level=debug", "levels[1]=9", 'levels[2]=warn')))
      assert.same({ "debug", 9, "warn" }, { manager:read("level"), manager:read("levels[1]"),
        manager:read("levels[2]") })
      assert.equal(0, (set("level=1", "--json", 'levels=["info",2]')))
      assert.same({ "info", "info", "warn" }, { manager:read("level"),
        manager:read("levels[1]"), manager:read("levels[2]") })
      refuses("Sound.level is Level: 'loud' is neither one of the names debug, info, warn nor a number",
        "level=loud")
      refuses("256", "level=256")
      refuses("debug, info, warn", "--json", 'level="loud"')
    end)

    it("flags by their names", function()
      assert.equal(0, (set("rights=read|top")))
      assert.equal(math.mininteger | 1, manager:read("rights"))
      assert.equal(0, (set("rights=write|0x10")))
      assert.equal(18, manager:read("rights"))
      assert.equal(0, (set("--json", "rights=18446744073709551615")))
      assert.equal(-1, manager:read("rights"))
      refuses("'-1' is neither of the names read, write, top, joined by '|', nor an integer from 0 to "
        .. "18446744073709551615", "rights=-1")
      refuses("'read|run' is neither of the names read, write, top, joined by '|', nor an integer",
        "rights=read|run")
    end)

    it("nothing outside the limits", function()
      refuses("Sound.volume", "level=debug", "volume=17")
      refuses("Sound.volume", "volume=nan")
      refuses("Sound.gains[2]", "gains=[0, -11]")
      refuses("Sound.left", "left=-6")
      refuses("Sound.few[1]", "few[1]=10")
      assert.equal(0, (set("volume=1", "left=-5", "gains[1]=-10")))
    end)

    it("lists: an element, the next one, and all", function()
      assert.equal(0, (set("few[1]=9", "few[3]=5")))
      assert.same({ 9, 2, 5 }, ipmmap.totable(manager:read("few")))
      assert.equal(0, (set("few=[4]", 'items=[{"id": 9, "left": 1}, {}]')))
      assert.same({ 4 }, ipmmap.totable(manager:read("few")))
      local items = ipmmap.totable(manager:read("items"))
      assert.same({ { id = 9, left = 1, level = "warn", name = "" },
        { id = 0, level = "warn", name = "" } }, items)
      refuses("Sound.few", "few[3]=1")
      assert.equal(0, (set("items[*].level=info", "few[1]+=2")))
      assert.same({ "info", "info", 6 }, { manager:read("items[1].level"),
        manager:read("items[2].level"), manager:read("few[1]") })
      refuses("Sound.few[1]", "few[1]+=4")
      refuses("Sound.few", "few=[1, 2, 3, 4]")
      assert.equal(0, (set("few=[]")))
      assert.equal(0, #manager:read("few"))
    end)

    it("optional fields, and clears them", function()
      assert.equal(0, (set("left=null", "note=nil", 'best={"id": 3}')))
      assert.is_nil(manager:read("left"))
      assert.is_nil(manager:read("note"))
      assert.equal(3, manager:read("best.id"))
      assert.equal(0, (set("--json", "best=null", 'note="null"', "left=0")))
      assert.is_nil(manager:read("best"))
      assert.equal("null", manager:read("note"))
      assert.equal(0, manager:read("left"))
      assert.equal(0, (set('items[2]={"left": null}')))
      assert.is_nil(manager:read("items[2].left"))
    end)

    it("arrays: a list replaces all, the rest gets the default", function()
      assert.equal(0, (set("gains=[5]", "grid=[1, 2, 3, 4]", "at=[1, 2, 3]")))
      assert.same({ 5, 1, 1 }, ipmmap.totable(manager:read("gains")))
      assert.same({ { 1, 2 }, { 3, 4 } }, ipmmap.totable(manager:read("grid")))
      assert.same({ x = 1, y = 2, z = 3 }, ipmmap.totable(manager:read("at")))
      refuses("Sound.at", "at=[1, 2]")
      refuses("Sound.items[1]", "items[1]=[1, 2, 3, 4]")
    end)

    it("texts of UTF-16 and UTF-32", function()
      assert.equal(0, (set("title=𝄞𝄞", "glyphs=abcd")))
      assert.equal("𝄞𝄞", manager:read("title"))
      refuses("Sound.glyphs", "glyphs=abcde")
    end)

    it("every bit that show --json shows", function()
      local other = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "b" })
      other:set { few = { 1, 2, 3 }, left = 1, best = { id = 1 }, items = { {}, {}, {}, {} } }
      manager:set { best = { id = 2, left = 1 }, odd = { {}, { c = 1, d = 0.1, levels = { 9 } } } }
      for _, changes in ipairs { {}, { best = false } } do
        if changes.best == false then manager:write("best", nil) end
        local pipe = assert(io.popen(("%s show --json %s | %s set --json %s 2>&1"):format(COMMAND, file,
          COMMAND, dir .. "/Sound_b.mmap")))
        assert.equal("", pipe:read("a"))
        assert.is_true(pipe:close())
        assert.equal(cli.output { "show", "--json", file }:gsub('"time_stamp":[^\n]*', ""),
          (cli.output { "show", "--json", dir .. "/Sound_b.mmap" }:gsub('"time_stamp":[^\n]*', "")))
      end
    end)
  end)

  describe("watches", function()
    local function watch(...)
      local argv = { "watch", ... }
      return process.start { "sh", "-c", COMMAND .. ' "$@" 2>&1', "sh", table.unpack(argv) }
    end

    it("units, names, and elements that come and go", function()
      local child = watch(file, "volume", "level", "few", "best")
      assert.matches("volume = 0.8 dB, level = warn, #few = 2, few%[1%] = 1 ms, few%[2%] = 2 ms, " ..
        "best = nil$", child:line())
      manager:set { few = { 1, 2, 3 }, level = "debug" }
      assert.matches(": level = debug, #few = 3, few%[3%] = 3 ms$", child:line())
      manager:set { few = { 5 }, best = { id = 6 } }
      assert.matches(": #few = 1, few%[1%] = 5 ms, best.id = 6, best.level = ", child:line())
      manager:write("best", nil)
      assert.matches(": best = nil$", child:line())
      child:kill()
    end)

    it("in JSON all that a commit changed", function()
      local child = watch("--json", file)
      child:line()
      manager:set { left = 1, items = { { id = 9 } } }
      local changed = json.decode(child:line()).changed
      assert.same({ left = 1, ["#items"] = 1, ["items[1].id"] = 9 }, { left = changed.left,
        ["#items"] = changed["#items"], ["items[1].id"] = changed["items[1].id"] })
      child:kill()
    end)

    it("on a screen", function()
      local terminal = cli.terminal(80, 24, { "watch", file, "volume", "few", "left",
        env = { "NO_COLOR=1" } })
      terminal:wait_for(function(lines) return (lines[2] or ""):find("volume +0.8 dB") ~= nil end)
      manager:set { few = { 1, 2, 3 } }
      terminal:wait_for(function(lines) return table.concat(lines, "\n"):find("few%[3%] +%*?3 ms") end)
      manager:write("left", nil)
      terminal:wait_for(function(lines) return table.concat(lines, "\n"):find("left +%*?nil") end)
      terminal:send("q")
      assert.same({ "exit", 0 }, { terminal:finish() })
    end)

    it("on a screen, where an edit takes names and refuses what passes a limit", function()
      local terminal = cli.terminal(80, 24, { "watch", file, "volume", "level",
        env = { "NO_COLOR=1" } })
      local function shows(pattern)
        terminal:wait_for(function(lines) return table.concat(lines, "\n"):find(pattern) end)
      end
      shows("> volume +0.8 dB")
      terminal:send("\r")
      shows("Enter sets the value")
      terminal:send("\0217\r") -- Ctrl-U clears the line
      shows("Sound.volume: 7 is above the limit of 1")
      terminal:send("\0210.5\r")
      shows("volume +%*?0.5 dB")
      terminal:send("j\r")
      shows("Enter sets the value")
      terminal:send("\021debug\r")
      shows("level +%*?debug.*\nq quits")
      assert.equal("debug", manager:read("level"))
      terminal:send("q")
      assert.same({ "exit", 0 }, { terminal:finish() })
    end)

    it("edits no other value if that which is edited is gone", function()
      local terminal = cli.terminal(80, 24, { "watch", file, "few", "gains",
        env = { "TERM=xterm", "LC_ALL=C.UTF-8" } })
      local function shows(pattern)
        terminal:wait_for(function(lines) return table.concat(lines, "\n"):find(pattern) end)
      end
      shows("gains%[3%]")
      terminal:send("jj\r")
      shows("few%[2%] +2 .*\nEnter sets the value")
      manager:write("few", {})
      shows("\nfew%[2%] is gone")
      terminal:send("\0213\r\27") -- Enter begins to edit the row that is selected now
      shows("gains%[1%] +1.0 dB.*\nq quits")
      terminal:send("g\r")
      shows("\n#few cannot be edited: set the elements, or few as a whole")
      terminal:send("q")
      assert.same({ "exit", 0 }, { terminal:finish() })
      assert.same({ 1, 1, 1 }, ipmmap.totable(manager:read("gains")))
    end)
  end)

  it("diff names attributes that differ, and values", function()
    local text = (TYPES:gsub("warn = 2", "warn = 3") .. FIELDS:gsub("max 1, unit \"dB\"", "max 2")
      :gsub("level: Level %(default info%)", "level: uint8"):gsub("struct Sound", "struct Sound"))
    local T = assert(ipmmap.parse(text))
    local other = segment.open("manager", T, { create = true, mmap_dir = dir, tag = "b" })
    other:set { level = 2, few = { 1, 2, 3 }, left = 4 }
    local status, out = cli.run { "diff", file, dir .. "/Sound_b.mmap" }
    assert.equal(1, status)
    for _, line in ipairs {
      "volume: max 1.0 -> 2.0", '- volume: unit "dB"', "level: type Level -> uint8",
      "- level: default info", "- level: warn 2", "levels: warn 2 -> 3",
      "few: 2 elements -> 3 elements", 'note: "null" -> nil',
    } do
      assert.truthy(("\n" .. out):find("\n" .. line .. "\n", 1, true), line .. "\n" .. out)
    end
    assert.is_nil(out:find("\nlevel: warn -> ", 1, true)) -- the same number
    local differences = json.decode((select(2, cli.run { "diff", "--json", file,
      dir .. "/Sound_b.mmap" })))
    assert.same({ path = "volume", attribute = "max", first = "1.0", second = "2.0" },
      differences.attributes[1])
    assert.same({}, differences.layout)
  end)

  describe("records", function()
    local log

    before_each(function() log = dir .. "/sound.log" end)

    local function record(paths, commits, recorded)
      local argv = { "record", recorded or file, "-o", log, "--commits", tostring(#commits), errors = dir .. "/err" }
      local child = cli.start(table.move(paths, 1, #paths, #argv + 1, argv))
      while not posix.poll(child.from, 0) and cli.size(log) < 100 do ipmmap.sleep(0.005) end
      for i, commit in ipairs(commits) do
        local size = cli.size(log)
        commit()
        while cli.size(log) == size and i < #commits do ipmmap.sleep(0.005) end
      end
      local status, _, err = cli.finish(child, dir .. "/err")
      assert.equal(0, status, err)
    end

    it("lists, optional fields and enumerations, and replays them", function()
      record({}, {
        function() manager:set { items = { { id = 5, left = 1 } }, level = "debug" } end,
        function() manager:write("left", nil) end,
        function() manager:set { few = { 9, 8, 7 }, title = "𝄞", best = { id = 1 } } end,
      })
      cli.run { "replay", log, dir, "--tag", "again", "--speed", "max" }
      local again = segment.open("reader", S, { mmap_dir = dir, tag = "again" })
      assert.same(ipmmap.totable(manager:snapshot()).items, ipmmap.totable(again:snapshot()).items)
      assert.same({ "debug", "𝄞", 1 }, { again:read("level"), again:read("title"),
        again:read("best.id") })
      assert.is_nil(again:read("left"))
      assert.same({ 9, 8, 7 }, ipmmap.totable(again:read("few")))
    end)

    it("enumerations, flags and packed structs, and replays them", function()
      local Plain = assert(ipmmap.parse(BASE .. [[
enum Level : int16 { low = -2
  high = 7 }
flags Bits : uint64 { top = 9223372036854775808 }
struct Packed (pack 1) { c: uint8
  level: Level
  d: double (max 9) }
struct Plain : BaseMmapStructure { start: int8 (min 1)
  level: Level
  bits: Bits
  packed: Packed[2] }]]))
      local plain = segment.open("manager", Plain, { create = true, mmap_dir = dir, feed = 65536 })
      for _, paths in ipairs { {}, { "level", "bits", "packed[2]" } } do
        plain:set { level = 0, bits = 0, packed = { {}, {} } }
        record(paths, {
          function() plain:set { level = "low", packed = { {}, { level = "high", d = 1.5 } } } end,
          function() plain:set { level = 99, bits = math.mininteger } end,
        }, dir .. "/Plain_.mmap")
        local status, _, err = cli.run { "replay", log, dir, "--tag", "r" .. #paths, "--speed", "max" }
        assert.equal(0, status, err)
        local again = segment.open("reader", Plain, { mmap_dir = dir, tag = "r" .. #paths })
        assert.equal(data(plain), data(again))
        os.remove(log)
      end
    end)

    it("some parts, and replays these", function()
      record({ "few", "left" }, {
        function() manager:set { few = { 9, 8, 7 }, level = "debug" } end,
        function() manager:write("left", nil) end,
      })
      local again = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "again" })
      again:set { left = 3, volume = 0.5 }
      local status, _, err = cli.run { "replay", log, dir, "--tag", "again", "--speed", "max" }
      assert.equal(0, status, err)
      assert.same({ 9, 8, 7 }, ipmmap.totable(again:read("few")))
      assert.is_nil(again:read("left"))
      assert.same({ "info", 0.5 }, { again:read("level"), again:read("volume") })
    end)

    it("what export prints with empty cells, and plot draws", function()
      record({ "few", "left", "level" }, {
        function() manager:set { few = { 9, 8, 7 }, level = "debug" } end,
        function() manager:write("left", nil) end,
      })
      local rows = cli.output { "export", log }:gsub("\n(%d+),[%d.]+,", "\n%1,TIME,")
      assert.equal("version,time,#few,few[1],few[2],few[3],left,level\n" ..
        "2,TIME,3,9,8,7,4,debug\n3,TIME,3,9,8,7,,debug\n", rows)
      local last = cli.output { "export", "--jsonl", log, "few", "left" }:match("([^\n]*)\n$")
      assert.truthy(last:find('"#few":3,"few[1]":9,"few[2]":8,"few[3]":7,"left":null}', 1, true), last)
      if os.execute("command -v gnuplot >/dev/null") then
        cli.output { "plot", log, "left", "level", "few[1]", "-o", dir .. "/sound.svg" }
        assert.is_true(cli.size(dir .. "/sound.svg") > 1000)
      end
    end)

    it("parts of elements and of optional fields, and makes room for them", function()
      manager:set { items = {}, few = {} }
      record({ "items[*].id", "best.id", "items[4].left", "few[2]" }, {
        function() manager:set { items = { { id = 5 }, { id = 6 } }, best = { id = 3 }, few = { 1, 5 } } end,
        function() manager:write("items", { { id = 7 } }) end,
      })
      local rows = cli.output { "export", log, "items[1..2].id", "best.id" }
      assert.same({ "5,6,3", "7,,3" }, { rows:match("\n%d+,[%d.]+,(.*)\n%d+,[%d.]+,(.*)\n") })
      local again = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "again" })
      local status, _, err = cli.run { "replay", log, dir, "--tag", "again", "--speed", "max" }
      assert.equal(0, status, err)
      assert.same({ 2, 7, 6, "warn", 3 }, { #again:read("items"), again:read("items[1].id"),
        again:read("items[2].id"), again:read("items[2].level"), again:read("best.id") })
      assert.is_nil(again:read("items[2].left"))
      assert.same({ 5, 5 }, ipmmap.totable(again:read("few")))
    end)

    it("nothing into a segment whose limits it passes", function()
      manager:write("volume", 0.75)
      record({}, { function() manager:write("volume", 1) end })
      local T = assert(ipmmap.parse(TYPES .. FIELDS:gsub("max 1,", "max 0.9,")))
      local other = segment.open("manager", T, { create = true, mmap_dir = dir, tag = "low" })
      local before = ipmmap.bytes(other:snapshot())
      local status, _, err = cli.run { "replay", log, dir, "--tag", "low", "--speed", "max" }
      assert.equal(2, status, err)
      assert.matches("Sound.volume: 1[.0]* is above the limit of 0.9", err)
      assert.matches("nothing was replayed", err)
      assert.equal(before, ipmmap.bytes(other:snapshot()))
    end)
  end)

  describe("migrates", function()
    -- A Lua file that defines the segment's struct with other attributes.
    local function define(from, to)
      local path = dir .. "/sound.lua"
      local out <close> = assert(io.open(path, "w"))
      out:write((cli.output { "schema", "--lua", file }:gsub(from, to)))
      return path .. ":Sound"
    end

    it("a segment to other attributes, with its values", function()
      local new = define("max = 1.0", "max = 2.0")
      local before = data(manager)
      local preview = cli.output { "migrate", file, "--struct", new, "--dry-run" }
      assert.equal("kept     volume\n", preview:sub(1, 16))
      assert.is_nil(preview:find("added", 1, true) or preview:find("dropped", 1, true))
      assert.equal(preview, cli.output { "migrate", file, "--struct", new })
      assert.matches("has this layout already", cli.output { "migrate", file, "--struct", new })
      local T = ipmmap.describe(file)
      local again = segment.open("manager", T, { mmap_dir = dir })
      assert.equal(before, data(again))
      again:write("volume", 2)
    end)

    it("values that pass a new limit only with --lossy", function()
      manager:write("volume", 0.95)
      local new = define("max = 1.0", "max = 0.9")
      local status, _, err = cli.run { "migrate", file, "--struct", new }
      assert.equal(4, status)
      assert.matches("volume", err)
      assert.equal("0.95", get("volume"))
      assert.matches("\ndropped  volume\n", cli.output { "migrate", file, "--struct", new, "--lossy" })
    end)
  end)

  it("adopts a plain file, and doctor finds what is wrong with its values", function()
    local plain = dir .. "/Sound_plain.mmap"
    local bytes = ipmmap.bytes(manager:snapshot())
    local at = S:offsetof("few")
    local out = assert(io.open(plain, "wb"))
    out:write(bytes:sub(1, at), "\xff\xff\xff\x7f", bytes:sub(at + 5))
    out:close()
    local definition = assert(io.open(dir .. "/sound.lua", "w"))
    definition:write(cli.output { "schema", "--lua", file })
    definition:close()
    cli.output { "adopt", plain, "--struct", dir .. "/sound.lua:Sound" }
    assert.equal("warn\n", cli.output { "get", plain, "level" })
    local status, found = cli.run { "doctor", plain }
    assert.equal(1, status)
    assert.matches("Sound.few: 2147483647 elements are more than its 3", found)
  end)

  describe("finds", function()
    -- Writes bytes at a field's offset in the file, as a program in C may.
    local function poke(path, bytes, more)
      local handle <close> = assert(io.open(file, "r+b"))
      handle:seek("set", S:offsetof(path) + (more or 0))
      handle:write(bytes)
    end

    local function doctor(...)
      local status, out, err = cli.run { "doctor", file, ... }
      assert.equal("", err)
      return status, out
    end

    it("nothing in a sound segment", function()
      assert.same({ 0, file .. ": ok\n" }, { doctor() })
    end)

    it("a value outside its limits", function()
      poke("volume", string.pack("f", 1.5))
      local status, out = doctor()
      assert.equal(1, status)
      assert.matches("Sound.volume: 1.5 is above the limit of 1", out)
      status, out = doctor("--json")
      assert.equal(1, status)
      assert.is_false(json.decode(out)[1].problems[1].repairable)
    end)

    it("a count above a list's capacity, which every command reports as damage", function()
      poke("few", string.pack("I4", 0xffffffff))
      local status, out = doctor()
      assert.equal(1, status)
      assert.matches("Sound.few: 4294967295 elements are more than its 3", out)
      for _, argv in ipairs { { "show", file }, { "show", "--json", file }, { "get", file, "few" },
        { "get", file, "few", "volume" }, { "watch", file }, { "diff", file, file },
        { "record", file, "-o", dir .. "/x.log", "--commits", "1" },
        { "export", file, "--jsonl", "--commits", "1" } } do
        local code, _, err = cli.run(argv)
        assert.equal(5, code, argv[1] .. ": " .. err)
        assert.matches("few", err)
      end
      local shown = select(2, cli.run { "show", file })
      assert.truthy(shown:find("\nfew = (damaged)\ngrid = [[0, 0], [0, 0]]\n", 1, true), shown)
      assert.equal("0.8", get("volume"))
      assert.equal(0, (set("few=[1]")))
      assert.same({ 1 }, ipmmap.totable(manager:read("few")))
    end)
  end)
end)

describe("a segment whose attributes have control characters", function()
  it("does not control the terminal", function()
    local hostile = assert(ipmmap.parse(BASE .. [[
struct Hostile : BaseMmapStructure { a: int32 (unit "\x1B[2J", doc "\x1B]0;owned\x07 */ end")
  b: char[8] (default "\x1B[31m")
  c: int32[40] (unit "\x9B31m")
}]]))
    local dir = segment.make(hostile)
    local file = dir .. "/Hostile_.mmap"
    segment.make(hostile, {}, {})
    for _, argv in ipairs { { "show", file }, { "show", file, "a" }, { "get", file, "a" },
      { "schema", file }, { "schema", "--c", file }, { "schema", "--ffi", file },
      { "schema", "--python", file }, { "schema", "--lua", file }, { "schema", "--luals", file },
      { "schema", "--json", file }, { "diff", file, file }, { "doctor", file } } do
      local out = cli.output(argv)
      assert.is_nil(out:find("[\0-\9\11-\31\127]"), table.concat(argv, " ") .. "\n" .. out)
      assert.is_nil(out:find("\x9b", 1, true), table.concat(argv, " "))
    end
    segment.close()
  end)
end)

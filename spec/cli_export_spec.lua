local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local log = require "ipmmap_cli.log"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local HAS_GNUPLOT <const> = os.execute("command -v gnuplot >/dev/null")

describe("ipmmap", function()
  local dir, file, path, prelude, open, manager

  before_each(function()
    dir = tmpdir()
    file, path = dir .. "/Demo_.mmap", dir .. "/demo.log"
    prelude, open = demo(dir)
    manager = assert(open("manager", { create = true, feed = 1 << 20 }))
    manager:set { count = 1, text = "first" }
  end)

  after_each(function() manager:close() end)

  -- Records what `change` commits.
  local function record(commits, change, ...)
    local recorder = cli.start { "record", file, "-o", path, "--commits", tostring(commits), ... }
    while cli.size(path) < 100 do ipmmap.sleep(0.005) end
    change()
    assert.equal(0, (cli.finish(recorder)))
  end

  local function without_times(csv)
    return (csv:gsub("(\n%d+),[%d.]+,", "%1,TIME,"))
  end

  local function fails(status, pattern, ...)
    local got, out, err = cli.run { ... }
    assert.same({ status, "" }, { got, out })
    assert.matches(pattern, err)
    return err
  end

  describe("export", function()
    it("prints a row for each commit of a log, as CSV by RFC 4180", function()
      record(4, function()
        manager:set { count = 2, text = 'say "a, b"' }
        manager:write("text", "two\r\nlines")
        manager:write("text", "")
        manager:write("points[2].x", 0.1)
      end)
      local out = cli.output { "export", "--csv", path, "count", "text", "points[1..2].x" }
      assert.equal("version,time,count,text,points[1].x,points[2].x\n" ..
        '2,TIME,2,"say ""a, b""",0.0,0.0\n3,TIME,2,"two\r\nlines",0.0,0.0\n' ..
        '4,TIME,2,"",0.0,0.0\n5,TIME,2,"",0.0,0.1\n', without_times(out))
      assert.equal(out, cli.output { "export", path, "count", "text", "points[1..2].x" })
      local handle <close> = assert(io.open(dir .. "/out.csv", "wb"))
      handle:write(out)
      handle:flush()
      local python = process.start { "python3", "-c", [[
import csv, sys
rows = list(csv.reader(open(sys.argv[1], newline="")))
print(len(rows), sorted(set(len(row) for row in rows)), repr(rows[2][3]))]], dir .. "/out.csv" }
      python:expect [[5 [6] 'two\r\nlines']]
      python:join()
    end)

    it("prints JSON Lines", function()
      record(2, function()
        manager:write("count", 2)
        manager:write("points[1].y", 0 / 0)
      end)
      local lines = {}
      for line in cli.output { "export", "--jsonl", path, "count", "points[1]" }:gmatch("[^\n]+") do
        lines[#lines + 1] = json.decode(line)
      end
      assert.equal(2, #lines)
      assert.is_true(math.abs(lines[2].time - ipmmap.now()) < 60)
      lines[1].time, lines[2].time = nil, nil
      assert.same({ { version = 2, count = 2, ["points[1].x"] = 0, ["points[1].y"] = 0 },
        { version = 3, count = 2, ["points[1].x"] = 0, ["points[1].y"] = "nan" } }, lines)
    end)

    it("prints the recorded parts, and refuses others", function()
      record(1, function() manager:set { count = 2, twin = 3 } end, "count", "twin")
      assert.equal("version,time,count,twin\n2,TIME,2,3\n", without_times(cli.output { "export", path }))
      fails(2, "demo.log: text was not recorded, only count, twin\n", "export", path, "twin", "text")
      fails(2, "no field 'nope' in 'nope'", "export", path, "nope")
    end)

    it("names its own columns so that they differ from fields", function()
      local Taken <const> = ipmmap.base:extend("TakenNames", { { "time", "int8" } })
      local taken <close> = assert(ipmmap.manager(Taken, { create = true, mmap_dir = dir, feed = 65536 }))
      local exporter = cli.start { "export", taken:info().path, "--commits", "1", "time" }
      exporter:expect "#version,#time,time"
      taken:write("time", 5)
      exporter:match "^1,[%d.]+,5$"
    end)

    it("follows a segment until Ctrl-C, or for so many commits or seconds", function()
      local child = cli.start { "export", file, "count" }
      child:expect "version,time,count"
      for i = 2, 200 do manager:write("count", i) end
      for i = 2, 200 do child:match(("^%d,[%%d.]+,%d$"):format(i, i)) end
      child:kill(posix.SIGINT)
      assert.equal(0, (cli.finish(child)))
      child = cli.start { "export", "--jsonl", file, "count", "--commits", "1" }
      repeat manager:write("count", 7) until posix.poll(child.from, 10)
      assert.same({ "version", "time", "count" }, { child:line():match('^{"(%a+)":%d+,"(%a+)":[%d.]+,"(%a+)":7}$') })
      assert.equal(0, (cli.finish(child)))
      assert.equal("version,time,twin\n", cli.output { "export", file, "twin", "--seconds", "0.05" })
    end)

    it("says how many commits it missed, and that a log is cut off or damaged", function()
      local plain <close> = assert(open("manager", { create = true, tag = "plain" }))
      local errors = dir .. "/errors"
      local child = cli.start { "export", plain:info().path, "count", "--commits", "2", errors = errors }
      child:expect "version,time,count"
      child:stop()
      for i = 1, 5 do plain:write("count", i) end
      child:continue()
      child:match "^5,[%d.]+,5$"
      plain:write("count", 6)
      child:match "^6,[%d.]+,6$"
      local status, _, err = cli.finish(child, errors)
      assert.same({ 0, "ipmmap: 4 commits missed\n" }, { status, err })
      record(2, function()
        manager:write("count", 2)
        manager:write("count", 3)
      end)
      local bytes = cli.read_file(path)
      local function export(text)
        local handle <close> = assert(io.open(path, "wb"))
        handle:write(text)
        handle:flush()
        return cli.run { "export", path, "count" }
      end
      status, _, err = export(bytes:sub(1, -2))
      assert.equal(0, status)
      assert.matches("demo.log is cut off", err)
      status, _, err = export(bytes:sub(1, -2) .. "x")
      assert.equal(5, status)
      assert.matches("demo.log is damaged: the frame at byte %d+\n", err)
    end)

    it("escapes bytes that control a terminal, and gives them to a pipe unchanged", function()
      local hostile <const> = "\27[2J\7\255"
      record(1, function() manager:write("text", hostile) end)
      assert.matches("^[^\n]*\n2,[%d.]+,\27%[2J\7\255\n$", cli.output { "export", path, "text" })
      for _, format in ipairs { "--csv", "--jsonl" } do
        local terminal = cli.terminal(80, 24, { "export", format, path, "text" })
        assert.same({ "exit", 0 }, { terminal:finish() })
        assert.is_nil(terminal.output:gsub("\r\n", ""):find("[%c\128-\255]"))
        assert.matches("[2J", terminal.output, 1, true)
      end
    end)

    it("refuses what is neither a log nor a segment", function()
      fails(3, "cannot read .*nothing", "export", dir .. "/nothing")
      local handle <close> = assert(io.open(path, "wb"))
      handle:write("rubbish")
      handle:flush()
      fails(5, "demo.log", "export", path)
      fails(2, "is for a segment, not for a log", "export", (function()
        handle:seek("set")
        handle:write((log.header("struct X { a: int8 }", "")))
        handle:flush()
        return path
      end)(), "--seconds", "1")
    end)
  end)

  describe("plot", function()
    local picture

    before_each(function()
      picture = dir .. "/picture.svg"
      record(3, function()
        for i = 2, 4 do manager:set { count = i, points = { { x = i * i, y = 0 / 0 } } } end
      end)
    end)

    if HAS_GNUPLOT then
      it("draws values of a log, and leaves no other file", function()
        assert.equal("", cli.output { "plot", path, "count", "points[1..2].x", "points[1].y", "-o", picture })
        local svg = cli.read_file(picture)
        assert.matches("<svg", svg)
        for _, title in ipairs { "count", "points%[1%]%.x", "points%[2%]%.x", "Demo" } do
          assert.matches(">[^<]*" .. title .. "[^<]*<", svg)
        end
        for _, suffix in ipairs { "png", "PDF" } do
          cli.output { "plot", path, "count", "-o", dir .. "/picture." .. suffix }
        end
        assert.matches("^\137PNG", cli.read_file(dir .. "/picture.png"))
        assert.matches("^%%PDF", cli.read_file(dir .. "/picture.PDF"))
        local names = {}
        for name in assert(io.popen("ls '" .. dir .. "'")):lines() do names[#names + 1] = name end
        assert.same({ "Demo_.lock", "Demo_.mmap", "demo.log", "picture.PDF", "picture.png", "picture.svg" }, names)
      end)
    end

    it("says that gnuplot is missing, and draws nothing", function()
      local bin = tmpdir()
      for _, name in ipairs { "sh", process.LUA } do
        assert(os.execute(("ln -s \"$(command -v '%s')\" '%s'"):format(name, bin)))
      end
      local status, _, err = cli.run { "plot", path, "count", "-o", picture, env = { "PATH=" .. bin } }
      assert.equal(3, status)
      assert.equal("ipmmap: the program gnuplot was not found: it is in Debian's package gnuplot-nox\n", err)
      assert.equal(0, cli.size(picture))
    end)

    it("refuses texts, other suffixes and paths that lead nowhere", function()
      fails(2, "text is char%[256%], which has no curve", "plot", path, "count", "text", "-o", picture)
      fails(2, "ends in .svg, .png or .pdf: '.*picture.jpg'", "plot", path, "count", "-o", dir .. "/picture.jpg")
      fails(2, "no field 'nope'", "plot", path, "nope[*]", "-o", picture)
      fails(5, "not a log", "plot", file, "count", "-o", picture)
      fails(3, "cannot write .*/none/a.svg: No such file", "plot", path, "count", "-o", dir .. "/none/a.svg")
    end)
  end)

  describe("stats", function()
    local HOLDER <const> = [[
      local editor = assert(open("editor"))
      print("ready")
      for i = 1, math.huge do
        editor:with(function(view)
          view.count = i
          ipmmap.sleep(i % 10 == 0 and 0.02 or 0.003)
        end)
        ipmmap.sleep(0.005)
      end
    ]]

    it("measures commits, and how long the write lock is held", function()
      local holder = process.spawn(prelude .. HOLDER)
      holder:expect("ready")
      local found = json.decode(cli.output { "stats", "--json", file, "--seconds", "1", "--probe", "20" })
      assert.is_true(found.commits > 10 and found.commits < 130)
      assert.is_true(found.held.share > 0.2 and found.held.share < 0.95)
      assert.is_true(found.held.p50 > 0.0025 and found.held.p50 < 0.05)
      assert.is_true(found.held.p99 > 0.015 and found.held.max >= found.held.p99)
      assert.is_true(found.held.mean > 0.003 and found.held.mean < 0.1)
      assert.equal(0, found.waiting.average)
      assert.is_true(found.looks.count > 100 and found.looks.p50 < 0.01)
      assert.equal(20, found.probe.times)
      assert.is_true(found.probe.max > 0.001)
      local out = cli.output { "stats", file, "--seconds", "0.2" }
      for _, pattern in ipairs { "^Demo: 0%.2 s\ncommits +%d+%.%d a second %(%d+%)\n", "how long +50 %% %d+%.%d+ ms",
        "\nwaiting for it +0%.00 processes", "\nlooked +every %d+%.%d%d ms" } do
        assert.matches(pattern, out)
      end
      holder:kill()
    end)

    it("sees a lock that is held all the time, and commits nothing itself", function()
      local version = manager:version()
      local view = manager:lock()
      local waiting = process.spawn(prelude .. [[
        local editor = assert(open("editor"))
        print("ready")
        editor:write("count", 77)
      ]])
      waiting:expect("ready")
      while #manager:users() < 2 do ipmmap.sleep(0.001) end
      local found = json.decode(cli.output { "stats", "--json", file, "--seconds", "0.2" })
      assert.same({ 0, 1, 1 }, { found.commits, found.held.share, found.waiting.average })
      assert.is_true(found.held.max > 0.15)
      manager:unlock()
      assert.has_error(function() return view.count end)
      waiting:join()
      local after = manager:version()
      assert.equal(version + 1, after)
      found = json.decode(cli.output { "stats", "--json", file, "--seconds", "0.05", "--probe", "5" })
      assert.same({ 0, 0, 5 }, { found.commits, found.held.share, found.probe.times })
      assert.equal(after, manager:version())
    end)
  end)
end)

local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local ENV <const> = { "TERM=xterm", "LC_ALL=C.UTF-8" }

describe("ipmmap watch", function()
  local dir, file, prelude, open, manager

  before_each(function()
    dir = tmpdir()
    file = dir .. "/Demo_.mmap"
    prelude, open = demo(dir)
    manager = assert(open("manager", { create = true }))
  end)

  after_each(function() manager:close() end)

  local function busy()
    local child = process.spawn(prelude .. [[
      local editor = assert(open("editor"))
      print("busy")
      for i = 1, math.huge do
        editor:set { count = i, twin = i }
        ipmmap.sleep(0.001)
      end
    ]])
    child:expect("busy")
    return child
  end

  local function watch(columns, lines, paths, env)
    return cli.terminal(columns, lines, { "watch", file, env = env or ENV,
      table.unpack(paths or {}) })
  end

  local function shows(pattern)
    return function(lines) return table.concat(lines, "\n"):find(pattern) end
  end

  -- Sends keys, and asserts a clean end.
  local function quit(terminal, keys)
    terminal:send(keys)
    assert.same({ "exit", 0 }, { terminal:finish() })
    assert.matches("\27%[%?7h\27%[%?25h\27%[%?1049l$", terminal.output)
  end

  it("redraws at each commit, highlights what changed, and draws sparklines", function()
    local terminal = watch(80, 24, { "count", "text" })
    terminal:wait_for(shows("^Demo  version 0  0.0 commits/s *\ncount +0 +▁\ntext +\"\" *\nq quits"))
    manager:write("count", 41)
    terminal:wait_for(shows("version 1 .*\ncount +41 +▁█\n"))
    assert.truthy(terminal.output:match(".*\27%[H(.*)"):find("\27[1;33m41", 1, true))
    manager:set { count = 20, text = "new" }
    terminal:wait_for(shows("version 2 .*\ncount +20 +▁█▄\ntext +\"new\""))
    terminal:wait_for(function(_, output) -- the highlight ends
      return not output:match(".*\27%[H(.*)"):find("\27[1;33m", 1, true)
    end)
    quit(terminal, "q")
  end)

  it("follows a busy process and counts its commits", function()
    local writer = busy()
    local terminal = watch(80, 24, { "count", "twin" })
    terminal:wait_for(function(lines)
      local rate = tonumber((lines[1] or ""):match("([%d.]+) commits/s"))
      if rate and lines[3] then
        assert.equal(lines[2]:match("^count +(%d+)"), lines[3]:match("^twin +(%d+)"))
      end
      return rate and rate > 50
    end)
    writer:kill()
    quit(terminal, "q")
  end)

  it("also quits at Ctrl-C and at SIGTERM", function()
    for _, how in ipairs { "\3", posix.SIGTERM, posix.SIGINT } do
      local terminal = watch(80, 24)
      terminal:wait_for(shows("version 0"))
      if type(how) == "string" then terminal:send(how) else posix.kill(terminal.pid, how) end
      terminal:wait_for(function(_, output) return output:find("\27[?1049l", 1, true) end)
      assert.same({ "exit", 0 }, { terminal:finish() })
    end
  end)

  it("leaves the terminal's settings as it found them", function()
    local terminal = cli.shell(80, 24, ("stty -g; ${LUA:-lua5.4} '%s/bin/ipmmap' watch '%s'; stty -g; echo end")
      :format(posix.getcwd(), file), ENV)
    terminal:wait_for(shows("version 0"))
    terminal:send("q")
    terminal:finish()
    local before = terminal.output:match("^([%x:]+)\r\n")
    assert.matches("\27%[%?1049l" .. before .. "\r\nend\r\n$", terminal.output)
  end)

  it("fits into 20 columns, and goes on after a resize", function()
    local terminal = watch(20, 10)
    local function fits(columns, rows)
      return function(lines)
        if #lines ~= rows or not lines[1]:find("^Demo") then return false end
        for _, line in ipairs(lines) do
          if utf8.len(line) > columns then return false end
        end
        return true
      end
    end
    terminal:wait_for(fits(20, 10))
    assert.matches("^Demo  version 0  0.~$", cli.last_screen(terminal.output)[1])
    terminal:resize(100, 30)
    terminal:wait_for(fits(100, 30))
    terminal:resize(12, 4)
    local lines = terminal:wait_for(fits(12, 4))
    assert.matches("^count ", lines[2])
    terminal:resize(1, 1)
    manager:write("count", 1)
    terminal:resize(20, 10)
    terminal:wait_for(fits(20, 10))
    quit(terminal, "q")
  end)

  it("scrolls if the rows do not fit", function()
    local terminal = watch(60, 10)
    terminal:wait_for(shows("arrows scroll: 1%-8 of 53"))
    terminal:send("\27[B")
    terminal:wait_for(shows("arrows scroll: 2%-9 of 53"))
    terminal:send("G")
    terminal:wait_for(shows("\nheader.time_stamp.*arrows scroll: 46%-53 of 53"))
    terminal:send("g")
    terminal:wait_for(shows("arrows scroll: 1%-8 of 53"))
    quit(terminal, "q")
  end)

  it("goes to the first and last row at Home and End, in all encodings of these keys", function()
    local terminal = watch(60, 10)
    terminal:wait_for(shows("arrows scroll: 1%-8 of 53"))
    for _, keys in ipairs { { "\27[F", "\27[H" }, { "\27OF", "\27OH" }, { "\27[4~", "\27[1~" },
      { "\27[8~", "\27[7~" } } do
      terminal:send(keys[1])
      terminal:wait_for(shows("arrows scroll: 46%-53 of 53"))
      terminal:send(keys[2])
      terminal:wait_for(shows("arrows scroll: 1%-8 of 53"))
    end
    terminal:send("\27[B\27OBj\27[A") -- several keys in one read, as when keys repeat
    terminal:wait_for(shows("arrows scroll: 3%-10 of 53"))
    quit(terminal, "\27[Fq")
  end)

  it("shows the header after all other fields", function()
    local terminal = watch(60, 60)
    local lines = terminal:wait_for(shows("q quits"))
    assert.matches("^count ", lines[2])
    assert.matches("^twin ", lines[52])
    assert.matches("^header.header_code ", lines[53])
    assert.matches("^header.time_stamp ", lines[54])
    quit(terminal, "q")
  end)

  it("marks changes without colours if NO_COLOR is set", function()
    local terminal = watch(60, 10, { "count" }, { "TERM=xterm", "NO_COLOR=1", "LC_ALL=C" })
    terminal:wait_for(shows("count +0 +_"))
    manager:write("count", 5)
    terminal:wait_for(shows("count +%*5 +_@"))
    assert.is_nil(terminal.output:find("\27%[[%d;]+m"))
    quit(terminal, "q")
  end)

  it("shows a text field with control bytes safely", function()
    manager:write("text", "a\27[2J\255\nb")
    local terminal = watch(60, 10, { "text" })
    terminal:wait_for(shows('text +"a\\x1b%[2J\\xff\\nb"'))
    quit(terminal, "q")
  end)

  it("ends with an error when the segment is destroyed", function()
    local terminal = watch(60, 10)
    terminal:wait_for(shows("version 0"))
    manager:destroy()
    assert.same({ "exit", 9 }, { terminal:finish() })
    assert.matches("\27%[%?1049l.*ipmmap: .*was replaced or destroyed", terminal.output)
  end)

  it("draws a value for each commit, and none while there is no commit", function()
    local terminal = watch(60, 10, { "count" })
    terminal:wait_for(shows("count +0 +▁\n"))
    ipmmap.sleep(1.2) -- the descriptor reports something at least every second
    manager:write("count", 1)
    terminal:wait_for(shows("count +1 +▁█\n"))
    quit(terminal, "q")
  end)

  local function selects(path)
    path = path:gsub("%p", "%%%0")
    return function(_, output)
      local last = output:match(".*\27%[H(.-)\27%[J")
      return last and last:find("\27%[7m" .. path .. " *\27%[0m")
    end
  end

  it("searches paths while the text is typed, and goes to the next and the previous match", function()
    local terminal = watch(60, 10)
    terminal:wait_for(selects "count")
    terminal:send("/pOints[2")
    terminal:wait_for(shows("\n/pOints%[2"))
    terminal:wait_for(selects "points[2].x")
    terminal:send("4")
    terminal:wait_for(selects "points[24].x")
    terminal:send("\127")
    terminal:wait_for(selects "points[2].x")
    terminal:send("\r")
    terminal:wait_for(shows("q quits, arrows scroll: 5%-12 of 53, / searches, Enter edits"))
    terminal:send("nn")
    terminal:wait_for(selects "points[20].x")
    terminal:send("NNN")
    terminal:wait_for(selects "points[24].y") -- around the end
    terminal:send("/nope")
    terminal:wait_for(shows("/nope  no path has 'nope'"))
    terminal:send("\27")
    terminal:wait_for(shows("q quits"))
    terminal:wait_for(selects "points[24].y")
    quit(terminal, "q")
  end)

  it("edits the selected value in place, with one transaction", function()
    manager:set { count = 12, text = "old" }
    local version = manager:version()
    local terminal = watch(60, 10)
    terminal:wait_for(selects "count")
    terminal:send("\r")
    terminal:wait_for(shows("\ncount +12 .*\nEnter sets the value, Esc cancels"))
    terminal:send("\1\27[C\27[3~3\27[D4q") -- the cursor goes before the 3
    terminal:wait_for(shows("\ncount +14q3 "))
    terminal:send("\r")
    terminal:wait_for(shows("\nDemo.count is int64: '14q3' is not an integer of 64 bits"))
    terminal:send("\127")
    terminal:wait_for(shows("\ncount +143 .*\nEnter sets"))
    manager:write("twin", 1) -- the screen goes on
    terminal:wait_for(shows("version " .. version + 1 .. " .*\ncount +143 .*\nEnter sets"))
    terminal:send("\r")
    terminal:wait_for(shows("version " .. version + 2 .. " .*\ncount +143 .*\nq quits"))
    assert.equal(143, manager:read("count"))
    terminal:send("j\r\21a \u{e4}\r")
    terminal:wait_for(shows("version " .. version + 3 .. " .*\ntext +\"a \u{e4}\" .*\nq quits"))
    assert.equal("a \u{e4}", manager:read("text"))
    terminal:send("\rlost")
    terminal:wait_for(shows("\ntext +a \u{e4}lost"))
    terminal:send("\27")
    terminal:wait_for(shows("\ntext +\"a \u{e4}\" .*\nq quits"))
    assert.equal(version + 3, manager:version())
    quit(terminal, "q")
  end)

  it("goes on with the editing if the lock is not free in time, and quits at Ctrl-C meanwhile", function()
    local terminal = watch(60, 10, { "count" })
    terminal:wait_for(selects "count")
    local view = manager:lock()
    terminal:send("\r5\r")
    terminal:wait_for(shows("\nsetting it%.%.%."))
    terminal:wait_for(shows("\nDemo: the lock was not free in time"))
    terminal:send("\r")
    terminal:wait_for(shows("\nsetting it%.%.%."))
    manager:unlock()
    assert.has_error(function() return view.count end)
    terminal:wait_for(shows("\ncount +5 .*\nq quits"))
    assert.equal(5, manager:read("count"))
    local _ <close> = manager:lock()
    terminal:send("\r6\r")
    terminal:wait_for(shows("\nsetting it%.%.%."))
    quit(terminal, "\3")
    assert.equal(5, manager:read("count"))
  end)

  it("prints a line for each commit if its output is a pipe", function()
    local child = cli.start { "watch", file, "count", "text" }
    child:expect('version 0: count = 0, text = ""')
    manager:write("count", 5)
    child:expect("version 1: count = 5")
    manager:write("text", "a")
    child:expect('version 2: text = "a"')
    child:kill(posix.SIGINT)
    assert.equal(0, (cli.finish(child)))
    child = cli.start { "watch", "--json", file, "points[2]" }
    assert.same({ ["points[2].x"] = 0, ["points[2].y"] = 0 }, json.decode(child:line()).changed)
    manager:write("count", 6)
    manager:write("points[2].y", 0.5)
    local line = json.decode(child:line())
    assert.same({ 4, { ["points[2].y"] = 0.5 } }, { line.version, line.changed })
    child:kill(posix.SIGTERM)
    assert.equal(0, (cli.finish(child)))
  end)

  -- Starts to watch a segment with a ring into a pipe, and reads the first line.
  local function watch_ring(ring, ...)
    local handle = assert(open("manager", { create = true, tag = "f", feed = ring }))
    finally(function() handle:close() end)
    local child = cli.start { "watch", "--json", handle:info().path, ... }
    assert.equal(0, json.decode(child:line()).version)
    return handle, child
  end

  it("prints a line for each commit of an editor at full speed if there is a ring", function()
    local handle, child = watch_ring(4 << 20)
    local writer = process.spawn(prelude .. [[
      local editor = assert(open("editor", { tag = "f" }))
      for i = 1, 2000 do editor:set { count = i, points = { { x = i } } } end
    ]])
    for i = 1, 2000 do
      local line = json.decode(child:line())
      assert.same({ i, 0, { count = i, ["points[1].x"] = i } }, { line.version, line.missed, line.changed })
    end
    writer:join()
    handle:write("count", 2000)
    local line = json.decode(child:line())
    assert.same({ 2001, {} }, { line.version, line.changed })
    assert.is_true(math.abs(line.time - handle:last_update()) < 3600)
    child:kill(posix.SIGTERM)
    assert.equal(0, (cli.finish(child)))
  end)

  it("counts the commits that it missed since the line before", function()
    local handle, child = watch_ring(4096, "twin")
    child:stop()
    for i = 1, 1000 do handle:write("count", i) end
    child:continue()
    handle:write("twin", 1)
    local line = json.decode(child:line())
    assert.same({ 1001, { twin = 1 } }, { line.version, line.changed })
    assert.is_true(line.missed > 0 and line.missed < 1000)
    handle:write("twin", 2)
    line = json.decode(child:line())
    assert.same({ 1002, 0, { twin = 2 } }, { line.version, line.missed, line.changed })
    child:kill(posix.SIGTERM)
    assert.equal(0, (cli.finish(child)))
    child = cli.start { "watch", handle:info().path, "count" }
    child:expect "version 1002: count = 1000"
    child:stop()
    for i = 1, 1000 do handle:write("count", i) end
    child:continue()
    assert.is_true(tonumber((child:match "^version %d+ %((%d+) missed%): count = %d+$")) > 0)
    child:kill(posix.SIGTERM)
  end)

  it("takes wildcards, and keeps the order of the paths", function()
    local child = cli.start { "watch", file, "points[2..3].x", "count", "points[2].x" }
    child:expect "version 0: points[2].x = 0.0, points[3].x = 0.0, count = 0"
    manager:set { count = 1, points = { { x = 1 }, { x = 2, y = 5 }, { x = 3 } } }
    child:expect "version 1: points[2].x = 2.0, points[3].x = 3.0, count = 1"
    child:kill(posix.SIGTERM)
    assert.equal(0, (cli.finish(child)))
    local terminal = watch(80, 24, { "points[*].y", "text" })
    local lines = terminal:wait_for(shows("q quits"))
    assert.matches("^points%[1%]%.y +0%.0", lines[2])
    quit(terminal, "q")
  end)

  it("prints the header after all other fields into a pipe", function()
    local child = cli.start { "watch", file }
    assert.matches("^version 0: count = 0, .*, twin = 0, header%.header_code = %d+, header%.time_stamp = [%d.]+$",
      child:line())
    manager:with(function(view)
      view.count = 5
      manager:touch()
    end)
    assert.matches("^version 1: count = 5, header%.time_stamp = [%d.]+$", child:line())
    child:kill(posix.SIGTERM)
    assert.equal(0, (cli.finish(child)))
  end)

  it("costs what it shows, not the struct, and misses no commit of a ring", function()
    ipmmap.struct("WatchBigItem", { { "id", "int32" }, { "x", "double" }, { "n", "int64" } })
    local Big <const> = ipmmap.base:extend("WatchBig", { { "count", "int64" }, { "items", "WatchBigItem[5000]" } })
    local big <close> = assert(ipmmap.manager(Big, { create = true, mmap_dir = dir, feed = 1 << 24 }))
    local child = cli.start { "watch", big:info().path, "count" }
    child:expect "version 0: count = 0"
    for i = 1, 300 do
      big:with(function(view)
        view.count = i
        for k = 1, 5000 do view.items[k].id = i end
      end)
      child:expect(("version %d: count = %d"):format(i, i))
    end
    local user, system = cli.read_file(("/proc/%d/stat"):format(child.pid)):match(
      "%) %S+" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
    assert.is_true((user + system) / 100 < 0.4) -- seconds; a walk through the struct takes 3 ms
    child:kill(posix.SIGTERM)
    assert.equal(0, (cli.finish(child)))
  end)
end)

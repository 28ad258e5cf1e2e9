local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local format = require "ipmmap_cli.log"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

describe("ipmmap record and replay", function()
  local dir, file, log, prelude, manager, open

  before_each(function()
    dir = tmpdir()
    file, log = dir .. "/Demo_.mmap", dir .. "/demo.log"
    prelude, open = demo(dir)
    manager = assert(open("manager", { create = true }))
    manager:set { text = "before" }
  end)

  after_each(function() manager:close() end)

  -- Records the commits of another process, which commits again after each has been recorded.
  local function record_commits(count)
    local errors = dir .. "/record.err"
    local recorder = cli.start { "record", file, "-o", log, "--commits", tostring(count), "--json",
      errors = errors }
    while not posix.poll(recorder.from, 0) and cli.size(log) < 100 do ipmmap.sleep(0.005) end
    for i = 1, count do
      local size = cli.size(log)
      manager:set { count = i, twin = i, text = "commit " .. i }
      while cli.size(log) == size and i < count do ipmmap.sleep(0.005) end
    end
    local status, out, err = cli.finish(recorder, errors)
    assert.same({ 0, "" }, { status, err })
    return json.decode(out)
  end

  -- Sets the frames' times so that there is an hour between each two.
  local function spread_out()
    local text = cli.read_file(log)
    local schema, tag, at = string.unpack("<s4s4", text, #"IPMLOG2\n" + 1)
    local head, sum = format.header(schema, tag)
    local parts = { head }
    at = at + 8 -- skip the header's checksum
    while at <= #text do
      local length = string.unpack("<i8", text, at)
      local content = text:sub(at + 24, at + 23 + length)
      content = string.pack("<d", #parts * 3600) .. content:sub(9)
      parts[#parts + 1], sum = format.seal(content, sum)
      at = at + 24 + length
    end
    local handle <close> = assert(io.open(log, "wb"))
    assert(handle:write(table.concat(parts)))
  end

  it("replay every commit in its order and at its time", function()
    local done = record_commits(5)
    assert.same({ log = log, commits = 5, missed = 0, bytes = cli.size(log) }, done)
    local child = process.spawn(prelude .. [[
      local ahead = assert(open("manager", { create = true, tag = "r" }))
      local last = ahead:version()
      print("ready")
      repeat
        last = ahead:wait(last)
        print(ahead:read("count"), ahead:read("text"))
      until ahead:read("count") == 5
    ]])
    child:expect("ready")
    local status, _, err = cli.run { "replay", log, dir, "--tag", "r" }
    assert.equal(0, status)
    assert.matches("5 commits replayed into .*/Demo_r.mmap\n", err)
    local lines = {}
    for line in function() return child:line() end do lines[#lines + 1] = line end
    assert.equal("5\tcommit 5", lines[#lines])
    assert.equal("", (cli.output { "diff", file, dir .. "/Demo_r.mmap" }))
  end)

  it("replay what a C host wrote, even if it leaves bytes after the NUL of a text", function()
    ipmmap.struct("HostPart", { { "is_on", "bool" }, { "name", "char[8]" } })
    local Host = ipmmap.base:extend("Host", {
      { "count", "int64" }, { "flags", "bool[2]" }, { "text", "char[16]" }, { "parts", "HostPart[3]" },
    })
    local host <close> = assert(ipmmap.manager(Host, { create = true, mmap_dir = dir }))
    local path = host:info().path
    -- Stores that a C program can make: strcpy leaves bytes after the NUL, and a bool can be 2.
    local function write(field, bytes)
      local out <close> = assert(io.open(path, "r+b"))
      out:seek("set", Host:offsetof(field))
      out:write(bytes)
    end
    write("text", "a longer text\0x")
    write("text", "short\0")
    write("flags", "\xff\0")
    write("parts[3].name", "abcdefg\0")
    local recorder = cli.start { "record", path, "-o", log, "--commits", "2" }
    while cli.size(log) < 100 do ipmmap.sleep(0.005) end
    host:write("count", 1)
    local size = cli.size(log)
    while cli.size(log) == size do ipmmap.sleep(0.005) end
    host:with(function(view)
      write("parts[3]", "\2ab\0")
      view.count = 2
    end)
    assert.equal(0, (cli.finish(recorder)))
    local status, _, err = cli.run { "replay", log, dir, "--tag", "r", "--speed", "max" }
    assert.equal(0, status, err)
    assert.equal("", (cli.output { "diff", path, dir .. "/Host_r.mmap" }))
    local replayed <close> = assert(ipmmap.reader(Host, { mmap_dir = dir, tag = "r" }))
    local value = replayed:snapshot()
    assert.same({ 2, "short", true, false }, { value.count, value.text, value.flags[1], value.flags[2] })
    assert.same({ is_on = true, name = "ab" }, ipmmap.totable(value.parts[3]))
    ipmmap.setbytes(Host:new(), ipmmap.bytes(value)) -- raises if the bytes are invalid
    local left = "short\0er text\0x" -- bytes that the replayed segment must not have
    assert.is_truthy(ipmmap.bytes(host:snapshot()):find(left, 1, true))
  end)

  it("replay at the recorded speed, or faster", function()
    local recorder = cli.start { "record", file, "-o", log, "--commits", "2" }
    while cli.size(log) < 100 do ipmmap.sleep(0.005) end
    manager:write("count", 1)
    ipmmap.sleep(0.6)
    manager:write("count", 2)
    assert.equal(0, (cli.finish(recorder)))
    local start = ipmmap.now()
    assert.equal(0, (cli.run { "replay", log, dir, "--tag", "pace" }))
    assert.is_true(ipmmap.now() - start >= 0.6)
    spread_out()
    assert.equal(0, (cli.run { "replay", log, dir, "--tag", "pace", "--speed", "max" }))
  end)

  it("record every commit of an editor at full speed if the segment has a ring", function()
    local count <const>, ring <const> = 10000, tostring(8 << 20)
    local ringed <close> = assert(open("manager", { create = true, tag = "f", feed = 8 << 20 }))
    local errors = dir .. "/record.err"
    local recorder = cli.start { "record", "--json", ringed:info().path, "-o", log, "--commits", tostring(count),
      errors = errors }
    while cli.size(log) < 100 do ipmmap.sleep(0.005) end
    local before = ipmmap.now()
    local writer = process.spawn(prelude .. ([[
      local editor = assert(open("editor", { tag = "f" }))
      for i = 1, %d do editor:set { count = i, twin = i, text = "commit " .. i } end
    ]]):format(count))
    writer:join()
    local status, out, err = cli.finish(recorder, errors)
    assert.same({ 0, "" }, { status, err })
    local done = json.decode(out)
    assert.same({ count, 0 }, { done.commits, done.missed })

    assert.equal(0, (cli.run { "replay", log, dir, "--tag", "r", "--speed", "max", "--feed", ring }))
    local reader <close> = assert(open("reader", { tag = "r" }))
    local feed <close> = reader:feed(1) -- the state at the start
    local last = 0
    for value, version, missed in feed:commits(0) do
      last = last + 1
      assert.same({ last + 1, 0, last, last, "commit " .. last },
        { version, missed, value.count, value.twin, value.text })
    end
    assert.equal(count, last)

    local frames = format.reader(assert(io.open(log, "rb")))
    frames:header()
    frames:frame(ringed:info().size)
    local time = before - 0.011 -- a tick of the kernel's clock
    for version = 1, count do
      local frame = assert(frames:frame(ringed:info().size))
      assert.is_true(frame.version == version and frame.time >= time)
      time = frame.time
    end
    frames.file:close()
  end)

  it("refuse a ring that is too small to replay into", function()
    local Large = ipmmap.base:extend("LargeLog", { { "list", "double[1000]" } })
    local large <close> = assert(ipmmap.manager(Large, { create = true, mmap_dir = dir }))
    assert.equal(0, (cli.run { "record", large:info().path, "-o", log, "--seconds", "0.01" }))
    for ring, message in pairs {
      ["10"] = "ipmmap: %-%-feed: LargeLog: feed 10 is too small: .* %d+ bytes\n",
      ["1k"] = "ipmmap: %-%-feed: '1k' is not a number of bytes\n",
      ["-1"] = "ipmmap: ",
    } do
      local status, _, err = cli.run { "replay", log, dir, "--tag", "r", "--feed", ring }
      assert.equal(2, status)
      assert.matches(message, err)
    end
  end)

  it("report how many commits were missed", function()
    local recorder = cli.start { "record", "--json", file, "-o", log }
    while cli.size(log) < 100 do ipmmap.sleep(0.005) end
    local writer = process.spawn(prelude .. [[
      local editor = assert(open("editor"))
      for i = 1, 20000 do editor:set { count = i, twin = i } end
      print("done")
    ]])
    writer:expect("done")
    writer:join()
    repeat -- until the log has all commits
      cli.run { "replay", log, dir, "--tag", "r", "--speed", "max" }
    until cli.output { "get", dir .. "/Demo_r.mmap", "twin" } == "20000\n"
    recorder:kill(posix.SIGINT)
    local status, out = cli.finish(recorder)
    assert.equal(0, status)
    local done = json.decode(out)
    assert.equal(20000, done.commits + done.missed)
  end)

  -- Records 1000 commits that are made while the recorder is stopped. Returns what it says.
  local function record_stopped(options)
    local handle <close> = assert(open("manager", options))
    local errors = dir .. "/record.err"
    local recorder = cli.start { "record", handle:info().path, "-o", log, errors = errors }
    while cli.size(log) < 100 do ipmmap.sleep(0.005) end
    recorder:stop()
    for i = 1, 1000 do handle:set { count = i, twin = i } end
    local size = cli.size(log)
    recorder:continue()
    while cli.size(log) == size do ipmmap.sleep(0.005) end
    recorder:kill(posix.SIGTERM)
    local status, _, err = cli.finish(recorder, errors)
    assert.equal(0, status)
    os.remove(log)
    return err
  end

  it("say why commits were missed", function()
    assert.matches("\nipmmap: 999 more were missed: the segment has no ring, .* option feed\n",
      record_stopped { create = true, tag = "none" })
    assert.matches("\nipmmap: %d+ more were missed: the segment's ring of 4.1 kB was too small\n",
      record_stopped { create = true, tag = "small", feed = 4096 })
  end)

  it("handle a log that is cut off at any byte", function()
    record_commits(4)
    local whole = cli.read_file(log)
    local cut = dir .. "/cut.log"
    for length = #whole - 1, 0, -7 do
      local out = assert(io.open(cut, "wb"))
      out:write(whole:sub(1, length))
      out:close()
      local status, _, err = cli.run { "replay", cut, dir, "--tag", "cut", "--speed", "max" }
      if status == 0 then
        assert.matches("commits? replayed into", err)
        local reader <close> = assert(open("reader", { tag = "cut" }))
        assert.equal(reader:read("count"), reader:read("twin"))
        assert.is_true(reader:read("count") < 4)
      else
        assert.equal(5, status)
        assert.matches("^ipmmap: .*cut.log", err)
      end
    end
  end)

  it("refuse a file that is not a log, and change nothing", function()
    local version = manager:version()
    local other = dir .. "/other.log"
    local out = assert(io.open(other, "w"))
    out:write(("IPMLOG1\nrubbish"):rep(100))
    out:close()
    for _, case in ipairs { { 5, other }, { 5, file }, { 3, dir .. "/nothing.log" } } do
      local status, printed, err = cli.run { "replay", case[2], dir }
      assert.same({ case[1], "" }, { status, printed })
      assert.matches("^ipmmap: [^\n]+\n$", err)
    end
    assert.equal(version, manager:version())
  end)

  it("refuse to replay into a segment of another layout", function()
    record_commits(1)
    local S = assert(ipmmap.parse((tostring(ipmmap.lookup("Demo")):gsub("twin: int64",
      "twin: double"))))
    local other <close> = assert(ipmmap.manager(S, { create = true, mmap_dir = dir, tag = "o" }))
    local status, _, err = cli.run { "replay", log, dir, "--tag", "o" }
    assert.equal(4, status)
    assert.matches("twin: double at 664", err)
    assert.equal(0, other:version())
  end)

  it("report that the log cannot be written", function()
    local status, out, err = cli.run { "record", file, "-o", dir .. "/nowhere/demo.log" }
    assert.same({ 3, "" }, { status, out })
    assert.matches("^ipmmap: cannot write .*No such file", err)
  end)

  it("refuse a number of commits that is not whole", function()
    for _, count in ipairs { "1.5", "0", "1e3", "many", "" } do
      local status, out, err = cli.run { "record", file, "-o", log, "--commits", count }
      assert.same({ 2, "" }, { status, out }, count)
      assert.matches("%-%-commits: '" .. count:gsub("%p", "%%%0") .. "' is not a whole number above 0\n", err)
      assert.equal(0, cli.size(log))
    end
  end)

  it("do not overwrite a file, and do not record a segment that does not exist", function()
    local status, _, err = cli.run { "record", file, "-o", file }
    assert.equal(2, status)
    assert.matches("is there already", err)
    assert.equal("before\n", cli.output { "get", file, "text" })
    status = cli.run { "record", dir .. "/Nothing_.mmap", "-o", log }
    assert.equal(3, status)
    assert.equal(0, cli.size(log))
  end)

  it("end when the segment is destroyed, and keep what was recorded until then", function()
    local recorder = cli.start { "record", file, "-o", log }
    while cli.size(log) < 100 do ipmmap.sleep(0.005) end
    manager:destroy()
    local status, _, err = cli.finish(recorder)
    assert.equal(9, status)
    assert.matches("0 commits recorded in .*\nipmmap: .*replaced or destroyed", err)
    status = cli.run { "replay", log, dir, "--tag", "r" }
    assert.equal(0, status)
    assert.equal("before\n", cli.output { "get", dir .. "/Demo_r.mmap", "text" })
  end)

  it("show a progress bar on a terminal if the replay takes long", function()
    local recorder = cli.start { "record", file, "-o", log, "--commits", "1" }
    while cli.size(log) < 100 do ipmmap.sleep(0.005) end
    ipmmap.sleep(0.5)
    manager:write("count", 1)
    cli.finish(recorder)
    local terminal = cli.terminal(80, 24, { "replay", log, dir, "--tag", "r", "--speed",
      "0.2" })
    assert.same({ "exit", 0 }, { terminal:finish() })
    assert.matches("%[###############%.+%]  50%%", terminal.output)
    assert.matches("%[##############################%] 100%%", terminal.output)
  end)

  it("record and replay only the parts that are named", function()
    local partial <close> = assert(open("manager", { create = true, tag = "p", feed = 1 << 20 }))
    partial:set { count = 1, text = "secret", points = { { x = 1, y = 1 }, { x = 2, y = 2 } } }
    local errors = dir .. "/record.err"
    local recorder = cli.start { "record", "--json", partial:info().path, "points[*].x", "count", "-o", log,
      "--commits", "2", errors = errors }
    while cli.size(log) < 100 do ipmmap.sleep(0.005) end
    partial:set { text = "no commit of the log", twin = 4 }
    partial:write("points[2].x", 5)
    partial:set { count = 9, twin = 9, points = { { x = 6, y = 6 } } }
    local status, out, err = cli.finish(recorder, errors)
    assert.same({ 0, "" }, { status, err })
    assert.equal(2, json.decode(out).commits)
    assert.is_nil(cli.read_file(log):find("secret", 1, true))
    assert.is_true(cli.size(log) < 1200)

    local target <close> = assert(open("manager", { create = true, tag = "r", feed = 1 << 20 }))
    target:set { count = 100, text = "kept", twin = 7, points = { { y = 8 }, { y = 9 }, { x = 3, y = 10 } } }
    local feed <close> = target:feed()
    status, out, err = cli.run { "replay", log, dir, "--tag", "r", "--speed", "max" }
    assert.same({ 0, "" }, { status, out })
    assert.matches("^ipmmap: 2 commits of points%[%*%]%.x, count replayed into .*/Demo_r%.mmap\n$", err)
    local seen = {}
    for value in feed:commits(0) do
      seen[#seen + 1] = { value.count, value.points[1].x, value.points[2].x }
    end
    assert.same({ { 1, 1, 2 }, { 1, 1, 5 }, { 9, 6, 0 } }, seen)
    local value = target:snapshot()
    assert.same({ "kept", 7, 8, 9, 10, 0 }, { value.text, value.twin, value.points[1].y, value.points[2].y,
      value.points[3].y, value.points[3].x })
    assert.same({ "points[*].x", "count" }, json.decode(cli.output { "replay", "--json", log, dir, "--tag", "r",
      "--speed", "max" }).parts)
  end)

  it("refuse a path that leads nowhere, and make no log", function()
    local status, _, err = cli.run { "record", file, "points[*].z", "-o", log }
    assert.equal(2, status)
    assert.matches("no field 'z' in 'points%[%*%]%.z'", err)
    assert.equal(0, cli.size(log))
    local head = format.header(tostring(ipmmap.describe(file)), "", { "nope" })
    local forged <close> = assert(io.open(log, "wb"))
    forged:write(head)
    forged:flush()
    status, _, err = cli.run { "replay", log, dir }
    assert.equal(5, status)
    assert.matches("is damaged: Demo: no field 'nope' in 'nope'; nothing was replayed", err)
  end)

  it("say which format a log of another version has", function()
    local later <close> = assert(io.open(log, "wb"))
    later:write(("IPMLOG9\nrubbish"):rep(100))
    later:flush()
    local status, _, err = cli.run { "replay", log, dir }
    assert.equal(5, status)
    assert.matches("demo.log is a log of another version of ipmmap: IPMLOG9\n", err)
  end)
end)

describe("ipmmap doctor", function()
  local dir, file, prelude, open, manager

  before_each(function()
    dir = tmpdir()
    file = dir .. "/Demo_.mmap"
    prelude, open = demo(dir)
    manager = assert(open("manager", { create = true }))
    manager:set { count = 1, twin = 1 }
  end)

  after_each(function() manager:close() end)

  local function doctor(...)
    local status, out, err = cli.run { "doctor", ... }
    assert.equal("", err)
    return status, out
  end

  it("finds no problem in a segment that other processes use", function()
    local writer = process.spawn(prelude .. [[
      local editor = assert(open("editor"))
      print("busy")
      for i = 1, math.huge do editor:set { count = i, twin = i } end
    ]])
    writer:expect("busy")
    for _ = 1, 5 do assert.same({ 0, file .. ": ok\n" }, { doctor(file) }) end
    assert.same({ 0, ("%s: ok\n%s: ok\n"):format(dir, file) }, { doctor(dir) })
    writer:kill()
  end)

  it("finds the transaction of a writer that died, and rolls it back", function()
    local child = process.spawn(prelude .. [[
      local view = assert(open("editor")):lock()
      view.count = 99
      print("changed")
      io.read()
    ]])
    child:expect("changed")
    assert.equal(0, (doctor(file)))
    child:kill()
    child:wait()
    local status, out = doctor(file)
    assert.equal(1, status)
    assert.matches("died in a transaction, which is yet to be undone %(%-%-repair mends it%)\n", out)
    status, out = doctor("--repair", file)
    assert.equal(0, status)
    assert.matches("%(repaired%)\n", out)
    assert.same({ 0, file .. ": ok\n" }, { doctor(file) })
    assert.same({ 1, 1 }, { manager:read("count"), manager:info().recoveries })
  end)

  it("removes the temporary file of a creator that died, but not of one that lives", function()
    local child = process.start { "true" }
    child:wait()
    local dead = ("%s/Demo_x.mmap.%d-1a2b.new"):format(dir, child.pid)
    local living = ("%s/Demo_y.mmap.%d-1a2b.new"):format(dir, posix.getpid())
    for _, path in ipairs { dead, living } do assert(io.open(path, "w")):close() end
    local status, out = doctor(dir)
    assert.equal(1, status)
    assert.matches(("left behind by process %d"):format(child.pid), out)
    assert.is_nil(out:find("Demo_y", 1, true))
    assert.equal(0, (doctor("--repair", dir)))
    assert.is_nil(io.open(dead))
    assert(io.open(living)):close()
  end)

  it("finds a damaged segment and unsafe permissions, and does not change them", function()
    local broken <close> = assert(io.open(dir .. "/Broken_.mmap", "w"))
    broken:write("no segment")
    broken:flush()
    os.execute("chmod 666 " .. file)
    os.execute("chmod 777 " .. dir)
    local status, out = doctor("--repair", dir)
    assert.equal(1, status)
    assert.matches("Broken_.mmap: .*%(corrupt%)\n", out)
    assert.matches("Demo_.mmap: every user of this machine may write to it", out)
    assert.matches(dir:gsub("%p", "%%%0") .. ": every user of this machine may replace", out)
    assert.equal("no segment", cli.read_file(dir .. "/Broken_.mmap"))
    local findings = json.decode((select(2, doctor("--json", dir))))
    assert.equal(3, #findings)
    assert.is_false(findings[1].problems[1].repairable)
  end)

  local function overwrite(offset, bytes)
    local out <close> = assert(io.open(file, "r+b"))
    out:seek("set", offset)
    out:write(bytes)
  end

  it("finds an overwritten header code, and restores it while other processes use the segment",
    function()
      overwrite(0, "\0\0")
      local status, out = doctor(file)
      assert.equal(1, status)
      assert.matches("header code 0x1128 %(corrupt%) %(%-%-repair mends it%)\n", out)
      assert.is_true(json.decode((select(2, doctor("--json", file))))[1].problems[1].repairable)
      status, out = doctor("--repair", file)
      assert.equal(0, status)
      assert.matches("; the header code was written again %(repaired%)\n", out)
      assert.same({ 0, file .. ": ok\n" }, { doctor(file) })
      manager:add("count", 1)
      assert.equal(2, manager:read("count"))
    end)

  it("does not repair damage that would need a guess, and says so", function()
    overwrite(#cli.read_file(file) - 64, "rubbish")
    local before = cli.read_file(file)
    local status, out = doctor("--repair", file)
    assert.equal(1, status)
    assert.matches("its footer is wrong, which cannot be repaired without guessing %(corrupt%)\n", out)
    assert.equal(before, cli.read_file(file))
  end)

  it("says why a repair failed", function()
    overwrite(0, "\0\0")
    os.execute(("mv '%s' '%s/other.mmap'"):format(file, dir))
    local status, out = doctor("--repair", dir .. "/other.mmap")
    assert.equal(1, status)
    assert.matches("; cannot repair it: .*if it were called Demo_<tag>.mmap\n", out)
  end)

  it("finds a segment whose manager died while destroying it", function()
    -- The retired flag is a word at 160 in the trailer's head. The footer has the head's offset.
    local bytes = cli.read_file(file)
    local head = string.unpack("<I8", bytes, #bytes - 64 + 17)
    manager:close()
    local out = assert(io.open(file, "r+b"))
    out:seek("set", head + 160)
    out:write(string.pack("<I4", 1))
    out:close()
    local status, printed = doctor(file)
    assert.equal(1, status)
    assert.matches("its manager died while removing or replacing it %(%-%-repair", printed)
    assert.equal(0, (doctor("--repair", dir)))
    assert.is_nil(io.open(file))
    manager = assert(open("manager", { create = true }))
  end)

  it("reports a file that does not exist", function()
    assert.equal(3, (cli.run { "doctor", dir .. "/nothing" }))
  end)
end)

local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local somebody = require "spec.helper.somebody"
local tmpdir = require "spec.helper.tmpdir"

describe("the command", function()
  local dir, file, prelude, open, manager

  before_each(function()
    dir = tmpdir()
    file = dir .. "/Demo_.mmap"
    prelude, open = demo(dir)
    manager = assert(open("manager", { create = true }))
    manager:set { count = 7, text = "hello", twin = 7, points = { { x = 0.1 } } }
  end)

  after_each(function() manager:close() end)

  -- A process that commits without a pause. count and twin are equal in every commit.
  local function busy()
    local child = process.spawn(prelude .. [[
      local editor = assert(open("editor"))
      for i = 1, math.huge do
        editor:set { count = i, twin = i }
        if i == 100 then print("busy") end
      end
    ]])
    child:expect("busy")
    return child
  end

  local function fails(status, pattern, argv)
    local version = manager:version()
    local got, out, err = cli.run(argv)
    assert.equal(status, got, err)
    assert.equal("", out)
    assert.matches(pattern, err)
    assert.matches("^ipmmap: [^\n]+\n$", err)
    assert.equal(version, manager:version())
  end

  it("lists segments with ls while another process changes one", function()
    local writer = busy()
    local out = cli.output { "ls", dir }
    assert.matches("^NAME +TAG +SIZE +VERSION +TOUCHED +WRITER +READERS +HEALTH\n", out)
    assert.matches("\nDemo +672 B +%d+ +%d%d%d%d%-", out)
    local rows = json.decode(cli.output { "ls", "--json", dir })
    assert.equal(1, #rows)
    assert.equal("Demo", rows[1].name)
    assert.equal(file, rows[1].path)
    assert.is_true(rows[1].version > 100)
    assert.equal(0, rows[1].feed)
    writer:kill()
    assert(open("manager", { create = true, tag = "f", feed = 65536 })):close()
    assert.equal(65536, json.decode(cli.output { "ls", "--json", dir })[2].feed)
  end)

  it("shows with ls when the header was touched, which commits do not change", function()
    local touched = manager:last_update()
    manager:write("count", 8)
    local row = json.decode(cli.output { "ls", "--json", dir })[1]
    assert.is_true(math.abs(touched - row.touched) < 0.001)
    assert.is_nil(row.updated)
  end)

  it("shows damaged segments with ls among the others", function()
    local broken <close> = assert(io.open(dir .. "/Broken_.mmap", "w"))
    broken:write("no segment")
    broken:flush()
    local rows = json.decode(cli.output { "ls", "--json", dir })
    assert.equal("corrupt", rows[1].health)
    assert.equal("ok", rows[2].health)
    assert.matches("Broken_.mmap +.*corrupt\n", cli.output { "ls", dir })
  end)

  it("shows with ls the file name of a segment that cannot be opened", function()
    assert(os.rename(file, dir .. "/Demo_a b.mmap"))
    assert.matches("\nDemo_a b.mmap +.*corrupt\n", (cli.output { "ls", dir }))
  end)

  it("ignores hidden names with ls and doctor, such as the directory .mmap", function()
    local above = tmpdir()
    assert(os.execute("mkdir " .. above .. "/.mmap"))
    assert.equal("ipmmap: no segments in " .. above .. "\n", (select(3, cli.run { "ls", above })))
    assert.equal(above .. ": ok\n", cli.output { "doctor", above })
  end)

  it("reports with ls that a directory is empty or does not exist", function()
    local status, out, err = cli.run { "ls", tmpdir() }
    assert.same({ 0, "" }, { status, out })
    assert.matches("no segments in", err)
    fails(3, "no such file or directory: ", { "ls", dir .. "/nothing" })
  end)

  it("prints the values of nested fields with show", function()
    local out = cli.output { "show", file }
    assert.matches("^Demo, version 1\n", out)
    assert.matches('\ncount = 7\ntext = "hello"\n', out)
    assert.matches("\npoints\n  %[1%] = { x = 0.1, y = 0.0 }\n  %[2%] = ", out)
    assert.equal("points[1] = { x = 0.1, y = 0.0 }\n", cli.output { "show", file, "points[1]" })
  end)

  it("never mixes two commits of a busy process with show", function()
    local writer = busy()
    for _ = 1, 5 do
      local shown = json.decode(cli.output { "show", file, "--json" })
      assert.equal(shown.count, shown.twin)
      assert.is_true(shown.count >= 100)
    end
    writer:kill()
  end)

  it("does not wait with show and get, even if a writer is stopped in its lock", function()
    local child = process.spawn(prelude .. [[
      local editor = assert(open("editor"))
      local view <close> = editor:lock()
      view.count = 8
      print("held")
      io.read()
    ]])
    child:expect("held")
    child:stop()
    assert.equal("7\n", cli.output { "get", file, "count" })
    child:continue()
    child:kill()
  end)

  it("prints a text as it is with get, and a struct or an array as JSON", function()
    assert.equal("hello\n", cli.output { "get", file, "text" })
    assert.equal('"hello"\n', cli.output { "get", "--json", file, "text" })
    assert.same({ x = 0.1, y = 0 }, json.decode(cli.output { "get", file, "points[1]" }))
  end)

  it("sets several values as one transaction with set", function()
    assert.equal("", cli.output { "set", file, "count=0x10", "text=a = b", "points[2].x=-1e3",
      'points[3]={"x": 1, "y": 2}', "twin=-9223372036854775808" })
    assert.equal(2, manager:version())
    local value = manager:snapshot()
    assert.same({ 16, "a = b", -1000.0, 2.0, math.mininteger },
      { value.count, value.text, value.points[2].x, value.points[3].y, value.twin })
  end)

  it("sets values with set while another process commits without a pause", function()
    local writer = busy()
    for i = 1, 5 do
      cli.output { "set", file, "text=" .. i }
      assert.equal(i .. "\n", cli.output { "get", file, "text" })
    end
    writer:kill()
    writer:wait()
    assert.equal(manager:read("count"), manager:read("twin"))
  end)

  it("gives up with set if the lock is not free in time", function()
    local _ <close> = manager:lock()
    fails(7, "not free in time", { "set", file, "count=1", "--timeout", "0.05" })
  end)

  it("refuses a path or a value that does not fit, and changes nothing", function()
    for _, case in ipairs {
      { "nope=1", "Demo: no field 'nope'" }, { "count=1.5", "Demo.count is int64: '1.5'" },
      { "count=99999999999999999999", "is not an integer" }, { "points[25].x=1", "25" },
      { "text=" .. ("x"):rep(257), "257 bytes" }, { "points=[1]", "points%[1%]" },
      { 'points[1]={"z": 1}', "no field 'z'" }, { "count", "'count' is not PATH=VALUE" },
      { "header.header_code=1", "set only by" },
      { "points={", "the value of Demo.points is not JSON: no name in quotes at byte 2, where it ends" },
    } do
      fails(2, case[2], { "set", file, "twin=1", case[1] })
    end
    fails(2, "no field 'nope'", { "get", file, "nope" })
    fails(2, "no field 'nope'", { "show", file, "nope" })
    fails(2, "no field 'nope'", { "watch", file, "nope" })
  end)

  it("refuses a file that is not a segment, does not exist, or may not be read", function()
    local text <close> = assert(io.open(dir .. "/text_.mmap", "w"))
    text:write(("no segment\n"):rep(1000))
    text:flush()
    for _, command in ipairs { "show", "who", "rm", "schema", "watch" } do
      fails(5, "text_.mmap", { command, dir .. "/text_.mmap" })
      fails(3, "nothing_.mmap", { command, dir .. "/nothing_.mmap" })
      fails(5, "not a regular file", { command, dir })
    end
    fails(5, "if it were called Demo_<tag>.mmap", { "show", (function()
      os.execute(("cp '%s' '%s/other.mmap'"):format(file, dir))
      return dir .. "/other.mmap"
    end)() })
  end)

  it("works while a segment is replaced again and again by one of another layout",
    function()
      local other = tmpdir()
      local child = process.spawn([[
        local dir = ...
        local ipmmap = require "ipmmap"
        local texts = {}
        for i, kind in ipairs { "int64", "double" } do
          texts[i] = tostring(ipmmap.base) .. "struct Other : BaseMmapStructure {\n  a: " .. kind ..
            "\n  b: " .. kind .. "\n}\n"
        end
        for i = 1, math.huge do
          local S = assert(ipmmap.parse(texts[i % 2 + 1]))
          local manager <close> = assert(ipmmap.manager(S,
            { create = true, force = true, mmap_dir = dir }))
          manager:set { a = i, b = i }
          if i == 3 then print("busy") end
        end
      ]], other)
      child:expect("busy")
      local path, shown = other .. "/Other_.mmap", 0
      local function assert_gone(status, err) -- 3: the replacement took too long
        assert.is_true(status == 9 or status == 3, err)
        assert.matches("^ipmmap: [^\n]*destroyed[^\n]*\n$", err)
      end
      for _ = 1, 20 do
        local status, out, err = cli.run { "show", "--json", path }
        if status == 0 then
          local value = json.decode(out)
          assert.equal(value.a, value.b)
          shown = shown + 1
        else
          assert_gone(status, err)
        end
        local set, _, why = cli.run { "set", path, "a=1", "b=1" }
        if set ~= 0 then assert_gone(set, why) end
      end
      assert.is_true(shown > 0)
      assert.equal(0, (cli.run { "ls", other }))
      child:kill()
    end)

  it("refuses a segment without permission", function()
    local argv, why = somebody()
    if not argv then return pending(why) end
    os.execute("chmod 755 " .. dir)
    table.move({ process.LUA, "bin/ipmmap", "show", file }, 1, 4, #argv + 1, argv)
    local child = process.start(argv)
    child:match("^ipmmap: .*Permission denied$")
    assert.same({ "exit", 6 }, { child:wait() })
  end)

  it("reports a wrong command line, with the usage", function()
    for _, argv in ipairs { { "nope" }, {}, { "get", file }, { "set", file, "count=1", "--timeout",
                            "x" }, { "schema", "--c", "--lua", file } } do
      local status, out, err = cli.run(argv)
      assert.same({ 2, "" }, { status, out })
      assert.matches("^Usage: ipmmap", err)
    end
  end)

  it("names a missing or wrong argument as in the usage", function()
    for usage, argv in pairs {
      [" FILE PATH [PATH] ...\n\nipmmap: missing argument 'FILE'\n"] = { "get" },
      [" FILE PATH [PATH] ...\n\nipmmap: missing argument 'PATH'\n"] = { "get", file },
      [" FILE FILE2\n\nipmmap: missing argument 'FILE2'\n"] = { "diff", file },
      [" LOG [DIR]\n\nipmmap: missing argument 'LOG'\n"] = { "replay" },
      ["ipmmap: missing argument 'PATH=VALUE'"] = { "set", file },
      ["\n\nipmmap: --timeout: '0' is not a number above 0\n"] = { "set", file, "count=1",
        "--timeout", "0" },
      ["\n\nipmmap: --speed: 'x' is neither a number above 0 nor max\n"] = { "replay", "l", "--speed",
        "x" },
      ["\n\nipmmap: --tag: 'a/b' is not letters, digits, '.', '_' and '-' without '..'\n"] = {
        "replay", "l", "--tag", "a/b" },
    } do
      local status, out, err = cli.run(argv)
      assert.same({ 2, "" }, { status, out })
      assert.truthy(err:find(usage, 1, true), err)
    end
    for _, name in ipairs { "show", "get", "set", "watch", "diff", "replay", "doctor", "ls" } do
      local usage, arguments = cli.output { name, "--help" }:match("^(.-)\n\n.*Arguments:\n(.-)\n\n")
      for argument in arguments:gmatch("\n? +(%u[%u%d|=]+)  ") do
        assert.truthy(usage:find(argument, 1, true), argument)
      end
      assert.is_nil(arguments:find("\n   %l"), arguments)
      assert.is_nil(arguments:find("^   %l"), arguments)
    end
  end)

  it("uses ./.mmap if no directory is given", function()
    local here = tmpdir()
    for _, name in ipairs { "ls", "doctor" } do
      local status, out, err = cli.run { name, cwd = here }
      assert.same({ 3, "" }, { status, out })
      assert.matches("no such file or directory: .*%.mmap", err)
    end
    assert(os.execute(("cp -r '%s' '%s/.mmap'"):format(dir, here)))
    assert.matches("\nDemo ", (select(2, cli.run { "ls", cwd = here })))
    assert.matches("%./%.mmap/Demo_%.mmap: ok\n", (select(2, cli.run { "doctor", cwd = here })))
  end)

  it("reports that its output could not be written, but not if the reader of its pipe has ended", function()
    local function ending(command, before)
      local shell <close> = assert(io.popen((before or "") .. "${LUA:-lua5.4} bin/ipmmap " .. command, "r"))
      return shell:read("a")
    end
    for _, arguments in ipairs { "show " .. file, "get --json " .. file .. " points", "ls " .. dir,
      "doctor " .. dir, "--version" } do
      assert.equal("ipmmap: cannot write to the standard output: No space left on device\n10\n",
        ending(arguments .. " 2>&1 >/dev/full; echo $?"), arguments)
    end
    local limited = "ulimit -f 0; "
    for _, arguments in ipairs { "show " .. file, "ls --json " .. dir } do
      assert.equal("ipmmap: cannot write to the standard output: File too large\n10\n",
        ending(("%s 2>&1 >%s/out; echo $?"):format(arguments, dir), limited), arguments)
    end
    assert.equal("141\n", ending(("show %s 2>&1 >&4 4>&-; echo $?"):format(file),
      ("mkfifo %s/left && exec 3<>%s/left 4>%s/left 3<&- && "):format(dir, dir, dir)))
  end)

  it("names a module that is missing, and where to get it", function()
    local nowhere = {}
    for _, version in ipairs { "", "_5_4", "_5_5" } do
      nowhere[#nowhere + 1] = "LUA_PATH" .. version .. "=/nowhere/?"
      nowhere[#nowhere + 1] = "LUA_CPATH" .. version .. "=/nowhere/?"
    end
    local status, out, err = cli.run { "ls", dir, env = nowhere }
    assert.same({ 11, "" }, { status, out })
    assert.equal("ipmmap: module 'argparse' not found: it is in Debian's package lua-argparse, and "
      .. "in the rock argparse\n", err)
    local tree = tmpdir()
    assert(os.execute(("cp -r bin cli lua '%s'"):format(tree)))
    local shell <close> = assert(io.popen(("LUA_CPATH='%s' ${LUA:-lua5.4} '%s/bin/ipmmap' ls 2>&1; echo $?"):format(
      package.cpath:gsub("[^;]*/build/[^;]*", ""):gsub("%./%?%.so", ""), tree)))
    assert.equal(("ipmmap: module 'ipmmap.core' not found: run make in %s\n11\n"):format(tree),
      shell:read("a"))
  end)

  it("prints its version", function()
    assert.equal(("ipmmap %s\n"):format(ipmmap._VERSION), cli.output { "--version" })
    assert.equal(cli.read_file("src/ipmmap.h"):match('IPM_VERSION "([^"]+)"'), ipmmap._VERSION)
    assert.matches("%-%-version", cli.output { "man" }:gsub("\\", ""))
  end)

  it("has an example in the help of each subcommand", function()
    local help = cli.output { "--help" }
    assert.matches("Exit status", help)
    for name in ("ls show get set watch schema diff who stats doctor record replay export plot rm"):gmatch("%S+") do
      assert.truthy(help:find("\n   " .. name, 1, true), name)
      assert.matches("Example:\n   ipmmap " .. name, cli.output { name, "--help" })
    end
  end)

  it("lists with who the processes that hold the lock, wait for it, or died with it", function()
    assert.equal("nobody holds the lock or waits for it\n", cli.output { "who", file })
    local source = prelude .. [[
      local handle = assert(open(...))
      print("ready")
      io.read()
      local view = handle:lock()
      if ... == "editor" then view.count = 99 end
      print("held")
      io.read()
      handle:unlock()
    ]]
    local holder, waiter = process.spawn(source, "editor"), process.spawn(source, "editor")
    holder:expect("ready")
    waiter:expect("ready")
    holder:send("go")
    holder:expect("held")
    waiter:send("go")
    local lua = process.LUA:match("[^/]*$")
    local out
    repeat out = cli.output { "who", file } until out:find("waits", 1, true)
    assert.matches(("\n *%d  %s   holds the write lock"):format(holder.pid, lua), out)
    assert.matches(("\n *%d  %s   waits for the write lock"):format(waiter.pid, lua), out)
    local users = json.decode(cli.output { "who", "--json", file })
    assert.equal(2, #users)
    assert.same({ holder.pid, "write", false, true },
      { users[1].pid, users[1].lock, users[1].waits, users[1].alive })
    holder:kill()
    holder:wait()
    waiter:expect("held")
    waiter:kill()
    waiter:wait()
    assert.matches(("\n *%d  %%-        died with the write lock"):format(waiter.pid),
      cli.output { "who", file })
    assert.matches("to be recovered\n", cli.output { "ls", dir })
  end)

  it("destroys a segment with rm, so that open handles fail with replaced", function()
    local child = process.spawn(prelude .. [[
      local reader = assert(open("reader"))
      print("open")
      print(select(3, reader:wait(reader:version())))
    ]])
    child:expect("open")
    cli.output { "rm", file }
    child:expect("replaced")
    child:join()
    assert.equal("no\n", io.popen(("test -e '%s' || echo no"):format(file)):read("a"))
  end)

  it("compares layouts and values with diff", function()
    assert.equal("", cli.output { "diff", file, file })
    local other <close> = assert(ipmmap.manager(ipmmap.lookup("Demo"),
      { create = true, mmap_dir = dir, tag = "b" }))
    other:set { count = 8, text = "hello", twin = 7, points = { { x = 0.1 } } }
    local status, out = cli.run { "diff", file, dir .. "/Demo_b.mmap" }
    assert.same({ 1, "count: 7 -> 8\n" }, { status, out })
    local T = assert(ipmmap.parse((tostring(ipmmap.lookup("Demo"))
      :gsub("count: int64", "count: int32"):gsub("  twin: int64\n", "  twins: int64[2]\n"))))
    local changed <close> = assert(ipmmap.manager(T, { create = true, mmap_dir = dir, tag = "c" }))
    changed:set { count = 7, text = "hello", points = { { x = 0.1 } } }
    status, out = cli.run { "diff", file, dir .. "/Demo_c.mmap" }
    assert.equal(1, status)
    assert.matches("count: int64 at 16 %-> int32 at 16\n", out)
    assert.matches("%- twin: int64 at 664\n", out)
    assert.matches("%+ twins: int64%[2%] at 664\n", out)
    local found = json.decode((select(2, cli.run { "diff", "--json", file,
      dir .. "/Demo_b.mmap" })))
    assert.same({ { path = "count", first = "7", second = "8" } }, found.values)
  end)

  it("finds lock files in another directory with --lock-dir", function()
    local locks = tmpdir()
    local apart <close> = assert(ipmmap.manager("Demo",
      { create = true, mmap_dir = dir, lock_dir = locks, tag = "apart" }))
    local _ <close> = apart:lock()
    local status = cli.run { "--lock-dir", locks, "set", dir .. "/Demo_apart.mmap", "count=1",
      "--timeout", "0.05" }
    assert.equal(7, status)
  end)

  it("writes colours only to a terminal, and not with NO_COLOR", function()
    assert.is_nil(cli.output { "show", file }:find("\27", 1, true))
    local terminal = cli.terminal(80, 24, { "show", file, env = { "TERM=xterm" } })
    terminal:finish()
    assert.truthy(terminal.output:find("\27[36mcount", 1, true))
    terminal = cli.terminal(80, 24, { "show", file, env = { "TERM=xterm", "NO_COLOR=1" } })
    terminal:finish()
    assert.truthy(terminal.output:find("count = 7", 1, true))
    assert.is_nil(terminal.output:find("\27", 1, true))
  end)

  it("ends when the reader of its output ends", function()
    local child = process.start { "sh", "-c", ("${LUA:-lua5.4} '%s/bin/ipmmap' watch '%s' | head -n 1"):format(
      posix.getcwd(), file) }
    local writer = busy()
    child:match("^version %d+: ")
    child:join()
    writer:kill()
  end)

  it("prints completions that the shells accept, and a manual page", function()
    local bash = cli.output { "completion", "bash" }
    assert.matches("doctor", bash)
    local path = tmpdir() .. "/completion"
    local script <close> = assert(io.open(path, "w"))
    script:write(bash)
    script:flush()
    assert.is_true(os.execute("bash -n " .. path))
    assert.matches("#compdef ipmmap", cli.output { "completion", "zsh" })
    assert.matches("complete %-c ipmmap", cli.output { "completion", "fish" })
    local page = cli.output { "man" }
    assert.matches("\n%.SS doctor\n", page)
    assert.matches("\n%.SH EXIT STATUS\n", page)
  end)
end)

local either = require "spec.helper.either"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"
local somebody = require "spec.helper.somebody"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("ListenPoint", { { "x", "double" }, { "y", "double" } })
  ipmmap.base:extend("Listen", { { "hp", "int32" }, { "mp", "int32" }, { "at", "ListenPoint" } })
]]
assert(load(DEFINE))()

local SOON, LONG = 0.05, 10 -- seconds

describe("a handle's descriptor", function()
  local dir, manager, reader

  before_each(function() dir, manager, reader = segment.make("Listen", { "reader" }) end)
  after_each(segment.close)

  it("is readable after a commit, and not readable after drain", function()
    local fd = reader:fd()
    assert.equal(fd, reader:fd())
    assert.is_false(posix.poll(fd, 0))
    manager:write("hp", 1)
    assert.is_true(posix.poll(fd, 0))
    assert.is_true(posix.poll(fd, 0))
    assert.equal(1, reader:drain())
    assert.is_false(posix.poll(fd, SOON))
    for hp = 2, 100 do
      manager:write("hp", hp)
      assert.is_true(posix.poll(fd, 0))
      assert.equal(hp, reader:drain())
    end
    manager:write("hp", 0)
    manager:write("hp", 1)
    assert.equal(102, reader:drain())
    assert.is_false(posix.poll(fd, 0))
  end)

  it("stays unreadable if a lock is released without a change, or rolled back", function()
    local fd = reader:fd()
    manager:with(function() end)
    manager:with(function(data)
      data.hp = 1
      manager:rollback()
    end)
    assert.is_false(posix.poll(fd, SOON))
  end)

  it("exists for every role, and also reports the commits of its own handle", function()
    assert.is_false(posix.poll(manager:fd(), 0))
    manager:write("hp", 1)
    assert.is_true(posix.poll(manager:fd(), 0))
    local editor = segment.open("editor", "Listen", { mmap_dir = dir })
    manager:drain()
    assert.is_false(posix.poll(editor:fd(), 0))
    manager:write("hp", 2)
    assert.is_true(posix.poll(editor:fd(), 0))
    assert.is_true(posix.poll(manager:fd(), 0))
  end)

  it("becomes readable for every listener, also for one that drained long before the others", function()
    local other = segment.open("reader", "Listen", { mmap_dir = dir })
    local fds = { reader:fd(), other:fd() }
    for hp = 1, 3 do
      manager:write("hp", hp)
      assert.is_true(posix.poll(fds[1], 0))
      assert.is_true(posix.poll(fds[2], 0))
      reader:drain()
    end
    assert.equal(3, other:drain())
  end)

  it("is closed with the handle", function()
    local fd = reader:fd()
    local link = ("test -e /proc/%d/fd/%d"):format(posix.getpid(), fd)
    assert.is_true(either.succeeds(link))
    reader:close()
    assert.is_false(either.succeeds(link))
  end)

  it("is readable after the segment is destroyed or replaced, and drain then fails with replaced",
    function()
      local fd = reader:fd()
      manager:destroy()
      assert.is_true(posix.poll(fd, LONG))
      local ok, message = pcall(reader.drain, reader)
      assert.is_false(ok)
      assert.equal("replaced", message.code)
      ok, message = pcall(reader.fd, assert(reader))
      assert.is_false(ok)
      assert.equal("replaced", message.code)

      local process_dir = tmpdir()
      local child = process.spawn(DEFINE .. [[
        local dir = ...
        local manager = ipmmap.manager("Listen", { create = true, mmap_dir = dir })
        print("made")
        io.read()
        manager:close()
        os.rename(dir .. "/Listen_.mmap", dir .. "/gone")
        print "gone"
      ]], process_dir)
      child:expect("made")
      local other = segment.open("reader", "Listen", { mmap_dir = process_dir })
      assert.is_false(posix.poll(other:fd(), 0))
      child:send("go on")
      child:expect("gone")
      child:join()
      local replaced = tmpdir() .. "/Listen_.mmap"
      local late = segment.open("manager", "Listen", { create = true, mmap_dir = replaced:match("^(.*)/") })
      local listener = segment.open("reader", "Listen", { mmap_dir = replaced:match("^(.*)/") })
      fd = listener:fd()
      os.execute(("echo another > '%s.new' && mv '%s.new' '%s'"):format(replaced, replaced, replaced))
      assert.is_true(posix.poll(fd, LONG))
      late:close()
    end)

  it("misses no commit of another process, however commits and drains interleave", function()
    local child = process.spawn(DEFINE .. [[
      local editor = assert(ipmmap.editor("Listen", { mmap_dir = ... }))
      for i = 1, 20000 do editor:write("hp", i) end
      print("done")
    ]], dir)
    local fd, last = reader:fd(), 0
    while last < 20000 do
      assert.is_true(posix.poll(fd, LONG), "deaf after version " .. last)
      last = reader:drain()
    end
    child:expect("done")
    child:join()
    reader:drain() -- the notification of the last commit may have come after the commit was seen
    assert.is_false(posix.poll(fd, SOON))
  end)

  it("becomes readable every 10 ms for a reader that may not write to the lock file", function()
    local argv, why = somebody()
    if not argv then return pending(why) end
    local open_dir = tmpdir()
    local open_manager = segment.open("manager", "Listen", { create = true, mmap_dir = open_dir, mode = "644" })
    os.execute("chmod 755 " .. open_dir)
    local chunk = DEFINE .. ([[
        io.stdout:setvbuf "line"
        local posix = require "spec.helper.posix"
        local reader = assert(ipmmap.reader("Listen", { mmap_dir = %q }))
        print(reader:info().lockable, posix.poll(reader:fd(), 10), reader:drain())
        io.read()
        while reader:drain() ~= 1 do assert(posix.poll(reader:fd(), 10)) end
        print("told")
      ]]):format(open_dir)
    table.move({ process.LUA, "-e", chunk }, 1, 3, #argv + 1, argv)
    local child = process.start(argv)
    child:expect("false\ttrue\t0")
    open_manager:write("hp", 1)
    child:send("go on")
    child:expect("told")
    child:join()
  end)

  it("cannot be used in a fork's child", function()
    reader:fd()
    local child = process.fork(function()
      local ok, message = pcall(reader.drain, reader)
      print(ok, message.code)
    end)
    child:expect("false\tforked")
    child:join()
  end)
end)

describe("waiting for a field", function()
  local dir, manager, reader

  before_each(function() dir, manager, reader = segment.make("Listen", { "reader" }) end)
  after_each(segment.close)

  it("returns the new value when it differs from the value seen last", function()
    manager:write("hp", 10)
    assert.equal(10, reader:wait("hp", LONG))
    local value, message, code = reader:wait("hp", SOON)
    assert.is_nil(value)
    assert.equal("timeout", code)
    assert.equal("Listen.hp: it did not change in time", message)
    manager:write("hp", 11)
    assert.equal(11, reader:wait("hp"))
    manager:write("hp", 11)
    assert.is_nil(reader:wait("hp", SOON))
  end)

  it("counts the value at the opening as seen", function()
    manager:write("hp", 10)
    local late = segment.open("reader", "Listen", { mmap_dir = dir })
    assert.is_nil(late:wait("hp", 0))
    manager:write("hp", 12)
    assert.equal(12, late:wait("hp", 0))
  end)

  it("remembers the value for each field and each handle separately", function()
    manager:set { hp = 1, mp = 2, at = { x = 3 } }
    assert.equal(1, reader:wait("hp", 0))
    assert.equal(2, reader:wait("mp", 0))
    assert.equal(3.0, reader:wait("at", 0).x)
    assert.is_nil(reader:wait("at", 0))
    manager:write("at.y", 0 / 0)
    assert.is_nil(reader:wait("hp", 0))
    local at = reader:wait("at", 0)
    assert.not_equal(at.y, at.y)
    assert.is_nil(reader:wait("at", 0))
    assert.equal(1, manager:wait("hp", 0))
  end)

  it("goes on through commits of other processes that do not change the field", function()
    reader:wait("hp", 0)
    local child = process.spawn(DEFINE .. [[
      local editor = assert(ipmmap.editor("Listen", { mmap_dir = ... }))
      for i = 1, 100 do editor:write("mp", i) end
      editor:write("hp", 42)
    ]], dir)
    assert.equal(42, reader:wait("hp", LONG))
    assert.equal(101, reader:version())
    child:join()
  end)

  it("raises an error for a path that leads to no field, and fails with replaced", function()
    assert.has_error(function() reader:wait("nope", 0) end)
    manager:destroy()
    local value, _, code = reader:wait("hp", LONG)
    assert.is_nil(value)
    assert.equal("replaced", code)
  end)
end)

describe("the functions for tools", function()
  local dir, manager

  before_each(function() dir, manager = segment.make("Listen") end)
  after_each(segment.close)

  it("open a segment by the Struct from its file's schema", function()
    local S = assert(ipmmap.describe(dir .. "/Listen_.mmap"))
    assert.equal(tostring(ipmmap.lookup("Listen")), tostring(S))
    local editor = segment.open("editor", S, { mmap_dir = dir })
    editor:write("at.x", 1)
    assert.equal(1.0, manager:read("at.x"))
    local _, message, code = ipmmap.describe(dir .. "/nothing.mmap")
    assert.equal("not_found", code)
    assert.matches("nothing.mmap", message)
    _, _, code = ipmmap.describe(dir .. "/Listen_.lock")
    assert.equal("corrupt", code)
  end)

  it("make a Struct from schema text, or report what is wrong with the text", function()
    local S = ipmmap.lookup("Listen")
    assert.equal(S.size, assert(ipmmap.parse(tostring(S))).size)
    local nothing, message = ipmmap.parse("struct A {\n  x: int33\n}\n")
    assert.is_nil(nothing)
    assert.matches("int33", message)
  end)

  it("describe the types of a Struct", function()
    local type = ipmmap.lookup("Listen"):type()
    assert.equal("struct", type.kind)
    assert.equal("BaseMmapStructure", type.parent.name)
    local at = type.fields[4]
    assert.same({ "at", 24, "ListenPoint", 16 }, { at.name, at.offset, at.type.name, at.type.size })
    assert.equal("double", at.type.fields[2].type.kind)
    assert.equal(at.type.fields[1].type, at.type.fields[2].type)
  end)

  it("return the version of a snapshot", function()
    manager:write("hp", 5)
    local value, version = manager:versioned_snapshot()
    assert.equal(5, value.hp)
    assert.equal(1, version)
    assert.same({ value, 1 }, { manager:versioned_snapshot(value) })
    assert.same({ value }, { manager:snapshot(value) })
  end)

  it("list the processes that hold the lock, wait for it, or died with it", function()
    local source = DEFINE .. [[
      local role, dir = ...
      local handle = assert(ipmmap[role]("Listen", { mmap_dir = dir }))
      print("ready")
      io.read()
      handle:with(function(view)
        if role == "editor" then view.hp = 1 end
        print("held")
        io.read()
      end)
    ]]
    local before = os.time()
    assert.same({}, manager:users())
    local holder = process.spawn(source, "editor", dir)
    local waiter = process.spawn(source, "reader", dir)
    holder:expect("ready")
    waiter:expect("ready")
    holder:send("go")
    holder:expect("held")
    assert.is_false(manager:info().pending)
    local users = manager:users()
    assert.equal(1, #users)
    assert.is_true(before <= users[1].since and users[1].since <= os.time())
    users[1].since = nil
    assert.same({ pid = holder.pid, tid = holder.pid, alive = true, writes = true, waits = false,
      next = false }, users[1])
    waiter:send("go")
    repeat users = manager:users() until #users == 2
    users[2].since = nil
    assert.same({ pid = waiter.pid, tid = waiter.pid, alive = true, writes = false, waits = true,
      next = false }, users[2])
    holder:kill()
    holder:wait()
    waiter:expect("held")
    assert.is_true(manager:info().pending)
    users = manager:users()
    assert.equal(waiter.pid, users[#users].pid)
    assert.is_false(users[#users].waits)
    waiter:send("go")
    waiter:join()
  end)
end)

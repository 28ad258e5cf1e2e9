local cli = require "spec.helper.cli"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local share_command = require "spec.helper.share_command"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

if not share_command.are_possible() then
  describe("edits from another machine", function()
    pending "need redis-server, lua-cqueues and lua-luaossl"
  end)
  return
end

local cutting_proxy = require "spec.helper.cutting_proxy"
local redis_server = require "spec.helper.redis_server"

ipmmap.struct("RemotePoint", { { "x", "double" }, { "y", "double" } })
ipmmap.enum("RemoteMode", "uint8", { "idle", "walk" })
local S = ipmmap.base:extend("Remote", {
  { "n", "int64" }, { "u", "uint64" }, { "hp", "int8", min = 0, max = 100 }, { "ratio", "float" },
  { "text", "char[16]" }, { "is_on", "bool" }, { "mode", "RemoteMode" },
  { "points", "RemotePoint[3]" }, { "list", "int32[<=4]" }, { "maybe", "RemotePoint?" },
})

describe("edits from another machine", function()
  local server, home_dir, replica_dir, editor, reader, home, follower, remote
  local file

  setup(function()
    server, home_dir, replica_dir = redis_server.start(), tmpdir(), tmpdir()
    assert(ipmmap.manager(S, { create = true, mmap_dir = home_dir, feed = 65536 })):close()
    home = share_command.start { "share", server.url, home_dir .. "/Remote_.mmap", "--machine", "ada", "--lease", "2" }
    follower = share_command.start { "follow", server.url, "Remote", "--dir", replica_dir, "--lease", "2" }
    share_command.await(home_dir, "Remote_", "home")
    share_command.await(replica_dir, "Remote_", "replica")
    file = replica_dir .. "/Remote_.mmap"
    editor = assert(ipmmap.editor(S, { mmap_dir = home_dir }))
    reader = assert(ipmmap.reader(S, { mmap_dir = replica_dir }))
  end)

  teardown(function()
    assert.equal(0, share_command.stop(follower))
    assert.equal(0, share_command.stop(home))
    server:kill()
  end)

  local function open(options)
    return assert(ipmmap.remote(file, server.url, options))
  end

  before_each(function()
    editor:clear()
    remote = open()
  end)

  after_each(function() remote:close() end)

  -- Asserts that the replica has the version of an edit, and what it has then.
  local function arrives(version, path, value)
    assert.is_true(version > 0)
    share_command.await_value(reader, path, value)
    assert.is_true(reader:version() >= version)
  end

  it("set fields, as one transaction at the home", function()
    local before = editor:version()
    local version = assert(remote:set { n = 5, text = "hi", points = { [2] = { x = 3 } }, list = { 1, 2 } })
    assert.equal(before + 1, editor:version())
    local now = editor:snapshot()
    assert.same({ 5, "hi", 3.0, 2 }, { now.n, now.text, now.points[2].x, #now.list })
    arrives(version, "n", 5)
  end)

  -- Starts a process that holds the replica's lock, so that it does not follow.
  local function hold_replica()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      local dir = ...
      local reader = assert(ipmmap.reader(ipmmap.describe(dir .. "/Remote_.mmap"), { mmap_dir = dir }))
      local _ <close> = reader:lock()
      print "locked"
      io.read()
    ]], replica_dir)
    child:expect "locked"
    return child
  end

  it("set what the replica has already, if the home has something else", function()
    local child = hold_replica()
    editor:set { n = 7, u = 1 }
    assert(remote:set { n = reader:read "n" })
    assert.same({ reader:read "n", 1 }, { editor:read "n", editor:read "u" })
    child:send ""
    child:join()
  end)

  it("leave other fields as they are, also elements of an array and fields of a struct", function()
    local child = hold_replica()
    editor:set { points = { { 1, 2 }, { 3, 4 }, { 5, 6 } }, n = 1 } -- which the replica does not have
    assert(remote:write("points[2].x", 9))
    assert(remote:set { points = { [3] = { y = 8 } } })
    assert.same({ { x = 1, y = 2 }, { x = 9, y = 4 }, { x = 5, y = 8 } }, ipmmap.totable(editor:read "points"))
    assert.equal(1, editor:read "n")
    child:send ""
    child:join()
  end)

  it("add from several machines at once without losing one", function()
    local children = {}
    for i = 1, 4 do
      children[i] = process.spawn([[
        local file, url = ...
        local remote <close> = assert(require "ipmmap".remote(file, url, { timeout = 20 }))
        for _ = 1, 10 do assert(remote:add("n", 1)) end
        print "done"
      ]], file, server.url)
    end
    for _ = 1, 10 do editor:add("n", 100) end
    for _, child in ipairs(children) do
      child:expect "done"
      child:join()
    end
    assert.equal(1040, editor:read "n")
  end)

  it("return the new value and its version", function()
    editor:write("text", "abc")
    local text, version = assert(remote:update("text", string.upper))
    assert.equal("ABC", text)
    arrives(version, "text", "ABC")
    assert.equal(3, (assert(remote:add("n", 3))))
    assert.equal(0.5, (assert(remote:add("ratio", 0.5))))
    assert.equal("walk", (assert(remote:update("mode", function() return "walk" end))))
  end)

  it("begin again if the home has changed what they depend on", function()
    share_command.await_value(reader, "n", 0)
    local calls = 0
    assert.equal(11, (assert(remote:update("n", function(old)
      calls = calls + 1
      if calls == 1 then editor:write("n", 10) end
      return old + 1
    end))))
    assert.equal(11, editor:read "n")
    assert.is_true(calls >= 2)
  end)

  it("change the whole struct by a function, and send only what it changed", function()
    editor:set { n = 4, hp = 50 }
    share_command.await_value(reader, "hp", 50)
    assert(remote:with(function(value)
      value.n = value.n * 2
      value.points[1] = { x = 1, y = 2 }
    end))
    assert.same({ 8, 50, 2.0 }, { editor:read "n", editor:read "hp", editor:read "points[1].y" })
    local version = editor:version()
    assert(remote:with(function(value) return value.n end))
    assert.equal(version, editor:version())
  end)

  it("make several changes as one, if all that they depend on is the same", function()
    editor:set { n = 1, hp = 10 }
    share_command.await_value(reader, "hp", 10)
    local before = editor:version()
    assert(remote:edit(function(draft)
      draft:add("n", 1)
      draft:write("text", ("hp %d"):format(draft:read "hp"))
    end))
    assert.same({ 2, "hp 10", before + 1 }, { editor:read "n", editor:read "text", editor:version() })
  end)

  it("go through lists and optional fields that are there", function()
    assert(remote:set { list = { 1, 2 }, maybe = { x = 1 } })
    share_command.await_value(reader, "maybe.x", 1.0)
    assert(remote:write("list[2]", 5))
    assert(remote:write("list[3]", 6))
    assert(remote:write("maybe.y", 7))
    assert.same({ 1, 5, 6 }, ipmmap.totable(editor:read "list"))
    assert.same({ x = 1, y = 7 }, ipmmap.totable(editor:read "maybe"))
    assert(remote:write("maybe", nil))
    assert.is_nil(editor:read "maybe")
    share_command.await_value(reader, "maybe", nil)
    assert.error_matches(function() remote:write("maybe.y", 7) end, "Remote%.maybe%.y: Remote%.maybe is absent")
  end)

  it("do not go into an element of a list that the home has no more", function()
    editor:set { n = 1, list = { 1, 2 } }
    share_command.await_value(reader, "n", 1)
    local child = hold_replica()
    editor:set { list = {} }
    local slow <close> = open { timeout = 0.3 }
    fails("conflict", slow:write("list[2]", 5))
    assert.equal(0, #editor:read "list")
    child:send ""
    child:join()
  end)

  it("raise at the line of the program what an editor raises, and send nothing", function()
    local version = editor:version()
    local function check(pattern, method, ...)
      local args = table.pack(...)
      local ok, message = pcall(function() remote[method](remote, table.unpack(args, 1, args.n)) end)
      assert.is_false(ok)
      assert.matches("^[^:]*share_remote_spec.lua:%d+: " .. pattern, message)
    end
    check("Remote%.hp: 101 is", "write", "hp", 101)
    check("Remote%.n: 1.5 is not an integer", "write", "n", 1.5)
    check("Remote%.text: .* has 17 bytes", "set", { text = ("x"):rep(17) })
    check("Remote: no field 'none'", "write", "none", 1)
    check("Remote: no field 'none'", "set", { none = 1 })
    check("Remote: 5 is not a table", "set", 5)
    check("Remote%.text: char%[16%] is not a number to add to", "add", "text", 1)
    check("Remote%.n: 1.5 is not an integer to add", "add", "n", 1.5)
    check("Remote%.u: 0 %+ %-1 is out of range", "add", "u", -1)
    check("Remote%.header%.time_stamp: set only by", "write", "header.time_stamp", 1)
    check("Remote%.header: set only by", "with", function(value) value.header.time_stamp = 1 end)
    check("Remote%.n: the function returned nil", "update", "n", function() end)
    check("update takes a function, not 5", "update", "n", 5)
    check("with takes a function, not nil", "with")
    check("edit takes a function, not text", "edit", "text")
    local problem = { code = "timeout" }
    local ok, raised = pcall(remote.update, remote, "n", function() error(problem) end)
    assert.is_false(ok)
    assert.equal(problem, raised)
    assert.equal(version, editor:version())
  end)

  it("refuse sums that no integer of 64 bits is", function()
    editor:set { n = math.maxinteger, u = -1 }
    share_command.await_value(reader, "u", -1)
    for path, n in pairs { n = 1, u = 1 } do
      assert.error_matches(function() remote:add(path, n) end, "Remote%." .. path .. ": .* is out of range")
    end
    assert.equal(math.maxinteger - 1, (assert(remote:add("n", -1))))
    assert.equal(-2, (assert(remote:add("u", -1))))
  end)

  it("are refused with a file that nobody shares, an unknown name, and a bad address", function()
    fails("not_found", ipmmap.remote(replica_dir .. "/None_.mmap", server.url))
    fails("invalid", ipmmap.remote(file, "localhost"))
    fails("invalid", ipmmap.remote(file, "redis://redis.example"))
    local dir = tmpdir()
    assert(ipmmap.manager(S, { create = true, mmap_dir = dir })):close()
    assert.matches("is not shared", fails("refused", ipmmap.remote(dir .. "/Remote_.mmap", server.url)))
    local other = redis_server.start()
    assert.matches("is not shared on redis://", fails("not_found", ipmmap.remote(file, other.url)))
    other:kill()
    fails("system", ipmmap.remote(file, other.url))
    assert.error_matches(function() ipmmap.remote(file) end, "the URL is not a string")
    assert.error_matches(function() ipmmap.remote(nil, server.url) end, "the file is not a string")
    assert.error_matches(function() ipmmap.remote(file, server.url, 5) end, "the options are not a table")
    assert.error_matches(function() ipmmap.remote(file, server.url, { timout = 1 }) end, "no option 'timout'")
    assert.error_matches(function() ipmmap.remote(file, server.url, { timeout = 0 }) end, "above 0")
  end)

  it("are refused if the file has another layout than the home", function()
    local dir = tmpdir()
    local Other = assert(ipmmap.parse(tostring(ipmmap.base) .. "struct Remote : BaseMmapStructure { n: int32 }"))
    assert(ipmmap.manager(Other, { create = true, shares = true, mmap_dir = dir })):close()
    assert.matches("Remote", fails("layout", ipmmap.remote(dir .. "/Remote_.mmap", server.url)))
  end)

  it("fail after close, which can be repeated", function()
    remote:close()
    remote:close()
    assert.error_matches(function() remote:write("n", 1) end, "closed")
  end)

  it("close after the edit that is under way", function()
    local other = open()
    assert.equal(1, (assert(other:update("n", function(old)
      other:close()
      return old + 1
    end))))
    assert.equal(1, editor:read "n")
    assert.error_matches(function() other:add("n", 1) end, "closed")
  end)

  it("can be given up with their coroutine", function()
    local given_up = coroutine.create(function() remote:update("n", coroutine.yield) end)
    assert(coroutine.resume(given_up))
    assert(coroutine.close(given_up))
    assert.equal(1, (assert(remote:add("n", 1))))
  end)

  it("can be given up while they wait, and the next one gets its own answer", function()
    local loop = require "cqueues".new()
    loop:wrap(function()
      local given_up = coroutine.create(function() remote:add("n", 1) end)
      assert(coroutine.resume(given_up))
      assert.equal("suspended", coroutine.status(given_up))
      assert(coroutine.close(given_up))
      assert(remote:write("u", 5))
    end)
    assert(loop:loop())
    assert.equal(5, editor:read "u")
  end)

  it("are not sent if their function takes all the time, which is no conflict", function()
    local slow <close> = open { timeout = 0.1 }
    local message = fails("timeout", slow:update("n", function(old)
      ipmmap.sleep(0.11)
      return old + 1
    end))
    assert.matches("was not sent in time", message)
    assert.equal(0, editor:read "n")
  end)

  it("are conflicts if others change what they depend on again and again", function()
    local slow <close> = open { timeout = 0.3 }
    for _ = 1, 3 do
      share_command.await_value(reader, "n", editor:read "n")
      local message = fails("conflict", slow:update("n", function(old)
        editor:add("n", 1)
        ipmmap.sleep(0.01)
        return old + 1
      end))
      assert.matches("again and again", message)
    end
  end)

  it("wait in a loop of cqueues without stopping it, one at a time", function()
    local cqueues = require "cqueues"
    local loop, ticks, started, done = cqueues.new(), 0, false, false
    loop:wrap(function()
      started = true
      assert(remote:add("n", 1))
      done = true
    end)
    loop:wrap(function()
      while not started do cqueues.sleep(0) end
      assert.error_matches(function() remote:add("n", 1) end, "already")
      while not done do
        ticks = ticks + 1
        cqueues.sleep(0)
      end
    end)
    assert(loop:loop())
    assert.is_true(done and ticks > 0)
    assert.equal(1, editor:read "n")
  end)

  describe("by a way that is cut", function()
    local proxy, through

    before_each(function()
      proxy = cutting_proxy.start(server.port)
      through = assert(ipmmap.remote(file, ("redis://127.0.0.1:%d"):format(proxy.port), { timeout = 2 }))
    end)

    after_each(function() through:close() end)

    it("go on after the connection was lost", function()
      assert(through:add("n", 1))
      proxy:cut()
      assert.equal(2, (assert(through:add("n", 1))))
      assert.equal(2, editor:read "n")
    end)

    it("are made once, although their way back is cut", function()
      assert(through:add("n", 1))
      proxy:freeze "down"
      local child = process.spawn([[
        local file, url = ...
        local remote = assert(require "ipmmap".remote(file, url, { timeout = 5 }))
        print "open"
        io.read()
        local value, message, code = remote:add("n", 10)
        print(value or code)
      ]], file, ("redis://127.0.0.1:%d"):format(proxy.port))
      proxy:pass()
      child:expect "open"
      proxy:freeze "down"
      child:send ""
      -- It waits for the server's time. The cut lets it begin again.
      proxy:cut()
      proxy:pass()
      child:expect "11"
      child:join()
      assert.equal(11, editor:read "n")
    end)

    it("fail with the reason if they could not be sent", function()
      proxy:refuse()
      local _, _, code = through:add("n", 1)
      assert.equal("system", code)
      proxy:pass()
      assert.equal(0, editor:read "n")
      assert.equal(1, (assert(through:add("n", 1))))
    end)
  end)

  it("are not made after their time, if there is no home", function()
    assert.equal(0, share_command.stop(home))
    local slow <close> = open { timeout = 0.3 }
    assert.matches("no home took the edit in time", fails("timeout", slow:add("n", 1)))
    home = share_command.start { "share", server.url, home_dir .. "/Remote_.mmap", "--machine", "ada", "--lease", "2" }
    share_command.await(home_dir, "Remote_", "home")
    assert.equal(1, (assert(remote:add("n", 1))))
  end)

  it("are unknown if the home has taken them and does not answer in time", function()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      local dir = ...
      local editor = assert(ipmmap.editor(ipmmap.describe(dir .. "/Remote_.mmap"), { mmap_dir = dir }))
      local _ <close> = editor:lock()
      print "locked"
      io.read()
    ]], home_dir)
    child:expect "locked"
    local slow <close> = open { timeout = 0.3 }
    assert.matches("the home took it and did not answer", fails("unknown", slow:add("n", 1)))
    child:send ""
    child:join()
    share_command.await_value(editor, "n", 1) -- it was made later
  end)

  it("are not sent to a server again that was restarted, and then unknown", function()
    local own, dir = redis_server.start { appendfsync = "always" }, tmpdir()
    local manager <close> = assert(ipmmap.manager(S, { create = true, mmap_dir = dir, feed = 65536 }))
    local sharer = share_command.start { "share", own.url, dir .. "/Remote_.mmap", "--lease", "1" }
    share_command.await(dir, "Remote_", "home")
    sharer:stop()
    local child = process.spawn([[
      local file, url = ...
      local remote = assert(require "ipmmap".remote(file, url, { timeout = 1 }))
      print(select(3, remote:add("n", 1)))
    ]], dir .. "/Remote_.mmap", own.url)
    -- The edit is in the server.
    assert(own:connect():block(30, "XREAD", "BLOCK", 30000, "STREAMS", "ipm:{Remote_}:edits", "0"))
    own:kill()
    own:start()
    sharer:continue()
    child:expect "unknown"
    child:join()
    assert.equal(0, manager:read "n")
    share_command.stop(sharer)
    own:kill()
  end)

  it("are conflicts if the replica does not get what the home has", function()
    share_command.await_value(reader, "n", 0)
    follower:stop()
    editor:write("n", 5)
    local slow <close> = open { timeout = 0.5 }
    assert.matches("does `ipmmap follow` run here", fails("conflict", slow:add("n", 1)))
    follower:continue()
    assert.equal(6, (assert(slow:add("n", 1))))
  end)

  it("are made by ipmmap set --url, all in one transaction", function()
    editor:set { n = 1, list = { 1, 2, 3 } }
    share_command.await_value(reader, "n", 1)
    local before = editor:version()
    cli.output { "set", "--url", server.url, file, "n+=2", "text=hello", "list[*]=7", 'maybe={"x": 1}' }
    assert.equal(before + 1, editor:version())
    local now = editor:snapshot()
    assert.same({ 3, "hello", 7, 1.0 }, { now.n, now.text, now.list[3], now.maybe.x })
    share_command.await_value(reader, "n", 3)
    cli.output { "set", "--url", server.url, file, "maybe=nil" }
    assert.is_nil(editor:read "maybe")
  end)
end)

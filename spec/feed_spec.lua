-- Feeds: every commit of a segment, in order. What changed in a commit is in feed_changes_spec.lua.
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local somebody = require "spec.helper.somebody"

local DEFINE = [[
  io.stdout:setvbuf "line"
  local ipmmap = require "ipmmap"
  ipmmap.struct("FeedPoint", { { "x", "double" }, { "y", "double" } })
  ipmmap.base:extend("FeedSpec", {
    { "n", "int64" }, { "twin", "int64" }, { "from", "char[8]" }, { "at", "FeedPoint" },
    { "list", "int32[60]" },
  })
  local function open(role, dir) return assert(ipmmap[role]("FeedSpec", { mmap_dir = dir })) end
]]
local S = load(DEFINE .. ' return ipmmap.lookup "FeedSpec"')()

local LARGE, SMALL = 0x100000, 4096 -- rings that hold all commits here, and few
local LONG = 20 -- seconds

-- The versions of the commits that a feed has, without waiting, and how many it missed.
local function drain(feed)
  local versions, lost = {}, 0
  for value, version, missed in feed:commits(0) do
    assert.equal(value.n, -value.twin)
    versions[#versions + 1] = version
    lost = lost + missed
  end
  return versions, lost
end

local function range(first, last)
  local list = {}
  for n = first, last do list[#list + 1] = n end
  return list
end

describe("a feed", function()
  local dir, manager, reader
  before_each(function()
    dir, manager, reader = segment.make(S, { "reader" }, { feed = LARGE })
  end)
  after_each(segment.close)

  local function commit(count)
    for _ = 1, count do
      local n = manager:version() + 1
      manager:set { n = n, twin = -n }
    end
  end

  it("tells every commit of several processes once, in order, each with the struct as of it", function()
    local writers = {}
    for name in ("abc"):gmatch "." do
      writers[#writers + 1] = process.spawn(DEFINE .. [[
        local dir, name = ...
        local editor = open("editor", dir)
        print "ready"
        io.read()
        local function update(view)
          view.n, view.twin, view.from = view.n + 1, view.twin - 1, name
        end
        for _ = 1, 500 do editor:with(update) end
      ]], dir, name)
    end
    local feed = reader:feed()
    for _, writer in ipairs(writers) do writer:expect "ready" end
    for _, writer in ipairs(writers) do writer:send "go" end
    local last, of = 0, { a = 0, b = 0, c = 0 }
    while last < 1500 do
      local value, version, missed = assert(feed:next(LONG))
      assert.same({ last + 1, last + 1, -(last + 1), 0 }, { version, value.n, value.twin, missed })
      last = version
      of[value.from] = of[value.from] + 1
    end
    assert.same({ a = 500, b = 500, c = 500 }, of)
    fails("timeout", feed:next(0))
    for _, writer in ipairs(writers) do writer:join() end
  end)

  it("sleeps until there is a commit", function()
    local child = process.spawn(DEFINE .. [[
      local feed = open("reader", (...)):feed()
      print "ready"
      print(feed:next().n, select(2, feed:next()))
    ]], dir)
    child:expect "ready"
    commit(1)
    commit(1)
    child:expect "1\t2\t0"
    child:join()
  end)

  it("gives up in time, and goes on afterwards where it was", function()
    local feed = reader:feed()
    for _, seconds in ipairs { 0, 0.01, -1 } do
      assert.matches("FeedSpec.*version 0", (fails("timeout", feed:next(seconds))))
    end
    commit(2)
    assert.same({ 1, 2 }, (drain(feed)))
    fails("timeout", feed:next(0))
    commit(1)
    assert.same({ 3 }, (drain(feed)))
  end)

  it("starts after the version that it is given, or after the present one", function()
    commit(5)
    for _, case in ipairs { { 0, range(1, 5) }, { 3, { 4, 5 } }, { 5, {} }, { nil, {} } } do
      local feed = reader:feed(case[1])
      assert.same(case[2], (drain(feed)))
    end
  end)

  it("refuses what is no version, and one that is yet to come", function()
    commit(2)
    for _, version in ipairs { "0", 1.5, -1, true, {}, 3, 0x7fffffff } do
      local shown = type(version) == "table" and "a table" or tostring(version)
      refused("FeedSpec: ", reader.feed, reader, version)
      refused(shown, reader.feed, reader, version)
    end
    refused("FeedSpec: '1' is not a number of seconds", function() reader:feed():next("1") end)
    refused("FeedSpec: '1' is not a number of seconds", function() reader:feed():commits("1") end)
  end)

  it("tells nothing of what was rolled back, and nothing of a lock without a change", function()
    local feed = reader:feed()
    manager:with(function(view)
      view.n = 5
      manager:rollback()
    end)
    manager:with(function() end)
    commit(1)
    assert.same({ 1 }, (drain(feed)))
  end)

  it("never tells a commit of a writer that was killed in the middle of it", function()
    local feed = reader:feed()
    commit(1)
    local child = process.spawn(DEFINE .. [[
      open("editor", (...)):with(function(view)
        view.n = 99
        view.list[60] = 99
        print "changed"
        io.read()
      end)
    ]], dir)
    child:expect "changed"
    assert.same({ 1 }, (drain(feed)))
    child:kill()
    child:wait()
    fails("timeout", feed:next(0))
    commit(1)
    local value, version, missed = feed:next(0)
    assert.same({ 2, 2, 0, 0 }, { value.n, version, missed, value.list[60] })
    fails("timeout", feed:next(0))
  end)

  it("stands beside others, of the same handle and of other ones, each at its own commit", function()
    local other = segment.open("editor", S, { mmap_dir = dir })
    local feeds = { reader:feed(), reader:feed(), other:feed(), manager:feed() }
    local told = { 0, 0, 0, 0 }
    for turn = 1, 12 do
      commit(1)
      for i, feed in ipairs(feeds) do
        if turn % i == 0 then
          local value, version, missed = assert(feed:next(0))
          told[i] = told[i] + 1
          assert.same({ told[i], told[i], 0 }, { version, value.n, missed })
        end
      end
    end
    for i, feed in ipairs(feeds) do
      assert.same(range(told[i] + 1, 12), (drain(feed)))
      feed:close()
    end
  end)

  it("is for a loop that ends at a timeout, and may be broken off", function()
    commit(4)
    local feed = reader:feed(0)
    local seen = {}
    for value, version, missed in feed:commits(0) do
      seen[#seen + 1] = ("%d %d %d"):format(value.n, version, missed)
      if version == 2 then break end
    end
    for value, version, missed in feed:commits(0.01) do
      seen[#seen + 1] = ("%d %d %d"):format(value.n, version, missed)
    end
    assert.same({ "1 1 0", "2 2 0", "3 3 0", "4 4 0" }, seen)
    for _ in feed:commits(0) do error "no commit is left" end
  end)

  it("lets a program in an event loop have every commit after drain", function()
    local feed = reader:feed()
    local fd = reader:fd()
    local writer = process.spawn(DEFINE .. [[
      local editor = open("editor", (...))
      for n = 1, 500 do editor:set { n = n, twin = -n } end
    ]], dir)
    local all = {}
    while #all < 500 do
      assert.is_true(posix.poll(fd, LONG))
      reader:drain()
      for _, version in ipairs((drain(feed))) do all[#all + 1] = version end
    end
    assert.same(range(1, 500), all)
    writer:join()
  end)

  it("gives the commits that there are under the handle's own lock, and refuses to sleep", function()
    commit(2)
    local feed = manager:feed(0)
    manager:with(function(view)
      view.n = 99
      assert.equal(1, feed:next().n)
      assert.equal(2, feed:next(0).n)
      refused("FeedSpec: no commit can come while this handle holds its lock", feed.next, feed)
      refused("FeedSpec: no commit can come while this handle holds its lock", feed:commits(1))
    end)
  end)

  it("says when each commit was made, to within a tick of the kernel's clock", function()
    local feed = reader:feed()
    assert.equal(0.0, feed:time())
    local tick = 0.011
    for _ = 1, 3 do
      local before = ipmmap.now()
      commit(1)
      local after = ipmmap.now()
      ipmmap.sleep(2 * tick)
      assert(feed:next(0))
      assert.is_true(before - tick <= feed:time() and feed:time() <= after)
    end
  end)

  it("is read where nothing may be written", function()
    local argv, why = somebody()
    if not argv then return pending(why) end
    assert(os.execute(("chmod 755 %s && chmod 644 %s/FeedSpec_.*"):format(dir, dir)))
    local chunk = DEFINE .. ([[
      local reader = open("reader", %q)
      local feed = reader:feed()
      print(reader:info().lockable)
      while true do
        local value, version, missed = assert(feed:next(10))
        print(version, value.n, missed)
        if version == 20 then break end
      end
    ]]):format(dir)
    local child = process.start(table.move({ process.LUA, "-e", chunk }, 1, 3, #argv + 1, argv))
    child:expect "false"
    commit(20)
    for n = 1, 20 do child:expect(("%d\t%d\t0"):format(n, n)) end
    child:join()
  end)

  it("says replaced when the segment is destroyed, to one that sleeps too", function()
    local feed = reader:feed()
    local child = process.spawn(DEFINE .. [[
      local reader = open("reader", (...))
      local feed, other = reader:feed(), reader:feed()
      print "ready"
      print(select(3, feed:next()))
      local ok, raised = pcall(function() for _ in other:commits() do print "a commit" end end)
      print(ok, raised.code)
      ok, raised = pcall(reader.feed, reader)
      print(ok, raised.code)
    ]], dir)
    child:expect "ready"
    manager:destroy()
    child:expect "replaced"
    child:expect "false\treplaced"
    child:expect "false\treplaced"
    child:join()
    fails("replaced", feed:next(LONG))
  end)

  it("of the parent is of no use in a fork's child, and closing it there harms nobody", function()
    local feed = reader:feed()
    commit(1)
    local value = assert(feed:next(0))
    local child = process.fork(function()
      print(pcall(function() return value.n end))
      print(select(3, feed:next(0)))
      local ok, raised = pcall(reader.feed, reader)
      print(ok, raised.code)
      feed:close()
      print(pcall(function() return value.n end))
      reader:close()
    end)
    child:match(either.is_jit and "^false" or "^true\t1")
    child:expect "forked"
    child:expect "false\tforked"
    child:match "^false\t"
    child:join()
    commit(1)
    assert.equal(2, feed:next(0).n)
  end)

  it("lets Ctrl-C end a wait without a timeout", function()
    for _, waiting in ipairs { "feed:next()", "for _ in feed:commits() do end" } do
      local child = process.spawn(DEFINE .. [[
        local feed = open("reader", (...)):feed()
        print "ready"
      ]] .. waiting, dir)
      child:expect "ready"
      child:kill(posix.SIGINT)
      child:match "interrupted!"
      assert.same({ "exit", 1 }, { child:wait() })
    end
  end)

  it("may be closed by a debug hook while it waits, and its handle too", function()
    for _, what in ipairs { "feed", "handle" } do
      local handle = assert(ipmmap.reader(S, { mmap_dir = dir }))
      local feed = handle:feed()
      local is_waiting = false
      debug.sethook(function()
        if debug.getinfo(2, "f").func == feed.next then
          is_waiting = true
        elseif is_waiting then
          debug.sethook()
          if what == "feed" then feed:close() else handle:close() end
        end
      end, "c")
      local ok, message = pcall(feed.next, feed)
      debug.sethook()
      assert.is_false(ok)
      assert.matches("FeedSpec: this feed is closed", message)
      handle:close()
    end
  end)
end)

describe("a feed's value", function()
  local _, manager, reader, feed, value
  before_each(function()
    _, manager, reader = segment.make(S, { "reader" }, { feed = LARGE })
    feed = reader:feed()
    manager:set { n = 1, twin = -1, from = "me", at = { x = 2.5 }, list = { 4, 5 } }
    value = assert(feed:next(0))
  end)
  after_each(segment.close)

  it("is the same each time, with the same parts", function()
    local at = value.at
    manager:write("at.x", 3)
    assert.is_true(value == feed:next(0))
    assert.is_true(at == value.at)
    assert.equal(3.0, at.x)
  end)

  it("stays as of its commit until the next one is asked for", function()
    manager:set { n = 2, at = { x = 9 } }
    assert.same({ 1, 2.5 }, { value.n, value.at.x })
    feed:next(0)
    fails("timeout", feed:next(0))
    assert.same({ 2, 9.0 }, { value.n, value.at.x })
  end)

  it("has all that a value has, and can be copied", function()
    assert.equal(60, ipmmap.len(value.list))
    assert.same({ x = 2.5, y = 0.0 }, ipmmap.totable(value.at))
    assert.equal(ipmmap.bytes(reader:snapshot()), ipmmap.bytes(value))
    assert.matches("^FeedSpec: ", tostring(value))
    local names = {}
    for name in ipmmap.pairs(value) do names[#names + 1] = name end
    assert.same({ "header", "n", "twin", "from", "at", "list" }, names)
    local copy = S:new(value)
    copy.n = 7
    manager:set(copy)
    manager:write("at", value.at)
    assert.equal(7, reader:read "n")
    assert.equal(1, value.n)
  end)

  it("cannot be written", function()
    local why = "a feed's value cannot be written: copy it by S:new(value)"
    refused("FeedSpec.n: " .. why, function() value.n = 5 end)
    refused("FeedSpec.at.x: " .. why, function() value.at.x = 5 end)
    refused("FeedSpec.at: " .. why, function() value.at = { x = 5 } end)
    refused("FeedSpec.list[1]: " .. why, function() value.list[1] = 5 end)
    refused("FeedSpec: " .. why, ipmmap.setbytes, value, ipmmap.bytes(value))
    refused("FeedSpec: " .. why, reader.snapshot, reader, value)
    assert.same({ 1, 2.5, 4 }, { value.n, value.at.x, value.list[1] })
  end)

  it("keeps its feed, and that its handle, which need not be kept beside it", function()
    for role in pairs { reader = true, editor = true } do
      local kept
      do
        local own = assert(ipmmap[role](S, { mmap_dir = reader:info().path:match "^(.*)/" })):feed(0)
        kept = own:next(0)
      end
      collectgarbage()
      collectgarbage()
      assert.same({ 1, 5 }, { kept.n, kept.list[2] })
    end
  end)

  it("raises after its feed was closed, and so do its parts", function()
    local at = value.at
    feed:close()
    local why = "value used after its feed was closed"
    refused("FeedSpec: " .. why, function() return value.n end)
    refused("FeedSpec.at: " .. why, function() return at.x end)
    refused(why, ipmmap.totable, value)
    refused(why, ipmmap.bytes, at)
    refused(why, S.new, S, value)
    refused(why, function() value.n = 1 end)
    refused(why, reader.snapshot, reader, value)
    assert.matches("^FeedSpec", tostring(value))
  end)
end)

describe("a feed's end:", function()
  local dir, manager, reader
  before_each(function()
    dir, manager, reader = segment.make(S, { "reader" }, { feed = LARGE })
    manager:set { n = 1, twin = -1 }
  end)
  after_each(segment.close)

  local function is_closed(feed)
    for _, name in ipairs { "next", "changes", "time", "commits" } do
      refused("FeedSpec: this feed is closed", feed[name], feed, name ~= "changes" and 0 or nil)
    end
    assert.equal("ipmmap.feed (closed)", tostring(feed))
  end

  it("close, as often as one likes", function()
    local feed = reader:feed(0)
    assert.equal("ipmmap.feed: FeedSpec", tostring(feed))
    local changes, commits = feed:changes(), feed:commits(0)
    feed:close()
    feed:close()
    is_closed(feed)
    refused("FeedSpec: this feed is closed", changes)
    refused("FeedSpec: this feed is closed", commits)
    assert.equal(1, reader:read "n")
  end)

  it("the closing of its handle, of all of its feeds", function()
    local feeds = { reader:feed(0), reader:feed(0), reader:feed(0) }
    local value = feeds[1]:next(0)
    feeds[2]:close()
    reader:close()
    for _, feed in ipairs(feeds) do is_closed(feed) end
    refused("FeedSpec: value used after its feed was closed", function() return value.n end)
    for _, feed in ipairs(feeds) do feed:close() end
  end)

  it("the collector, of feeds without a close and of their handles", function()
    for _ = 1, 200 do
      local handle = assert(ipmmap.reader(S, { mmap_dir = dir }))
      handle:feed()
      assert.equal(1, handle:feed(0):next(0).n)
    end
    for _ = 1, 3 do collectgarbage() end
    for _ = 1, 200 do reader:feed(0):next(0) end
    for _ = 1, 3 do collectgarbage() end
    assert.equal(1, reader:feed(0):next(0).n)
  end)

  it("what is no feed is refused", function()
    local feed = reader:feed(0)
    for _, name in ipairs { "next", "changes", "time", "commits", "close" } do
      for _, other in ipairs { reader, S, feed:next(0) or S:new(), io.stdout, 5 } do
        refused("feed expected", feed[name], other)
      end
    end
    refused("manager, editor or reader expected", reader.feed, feed)
  end)
end)

describe("a feed that is slower than the editors", function()
  local dir, manager, reader
  before_each(function()
    dir, manager, reader = segment.make(S, { "reader" }, { feed = SMALL })
  end)
  after_each(segment.close)

  it("says how many commits it missed, and goes on with the oldest that the ring has", function()
    local child = process.spawn(DEFINE .. [[
      local feed = open("reader", (...)):feed()
      print "ready"
      local _, version, missed = feed:next()
      print(version, missed)
      io.read()
      local told, lost, last = 0, 0, version
      for value, now, missed in feed:commits(0) do
        assert(now == last + missed + 1 and value.n == now and value.twin == -now)
        assert(missed == 0 or told == 0)
        told, lost, last = told + 1, lost + missed, now
      end
      print(last, told + lost, told > 1 and lost > 0)
    ]], dir)
    child:expect "ready"
    manager:set { n = 1, twin = -1 }
    child:expect "1\t0"
    for n = 2, 1000 do manager:set { n = n, twin = -n } end
    child:send "go on"
    child:expect "1000\t999\ttrue"
    child:join()
  end)

  it("is told by its first commit how many have left the ring since its version", function()
    for n = 1, 1000 do manager:set { n = n, twin = -n } end
    local feed = reader:feed(10)
    local value, version, missed = feed:next(0)
    assert.equal(10 + missed + 1, version)
    assert.equal(version, value.n)
    assert.same({ range(version + 1, 1000), 0 }, { drain(feed) })
  end)
end)

describe("a feed without a ring", function()
  local _, manager, reader
  before_each(function() _, manager, reader = segment.make(S, { "reader" }) end)
  after_each(segment.close)

  it("gives the latest commit, and counts those before it as missed", function()
    local feed = reader:feed()
    for n = 1, 3 do manager:set { n = n, twin = -n } end
    local value, version, missed = feed:next(0)
    assert.same({ 3, 3, 2 }, { value.n, version, missed })
    assert.equal(0.0, feed:time())
    fails("timeout", feed:next(0))
    manager:set { n = 4, twin = -4 }
    assert.same({ { 4 }, 0 }, { drain(feed) })
  end)
end)

describe("the option feed", function()
  after_each(segment.close)

  it("makes a ring of about so many bytes, which info tells", function()
    local _, with, reader = segment.make(S, { "reader" }, { feed = 50000 })
    assert.is_true(with:info().feed >= 50000 and with:info().feed < 60000)
    assert.equal(with:info().feed, reader:info().feed)
    local _, without = segment.make(S)
    assert.equal(0, without:info().feed)
    local _, none = segment.make(S, {}, { feed = 0 })
    assert.equal(0, none:info().feed)
  end)

  it("is kept by a segment that exists", function()
    local dir, first = segment.make(S, {}, { feed = LARGE })
    for _, force in ipairs { false, true } do
      local again = segment.open("manager", S, { create = true, force = force, mmap_dir = dir, feed = SMALL })
      assert.equal(first:info().feed, again:info().feed)
    end
  end)

  it("is refused if it is no number of bytes, if the ring would be too small, and to other roles", function()
    local dir = segment.make(S)
    for _, feed in ipairs { "64k", -1, 1.5, true } do
      refused("FeedSpec: option 'feed': ", ipmmap.manager, S, { create = true, mmap_dir = dir, feed = feed })
    end
    refused("option 'feed' is for a manager", ipmmap.editor, S, { mmap_dir = dir, feed = LARGE })
    refused("option 'feed' is for a manager", ipmmap.reader, S, { mmap_dir = dir, feed = LARGE })
    local Big = S:extend("FeedSpecBig", { { "data", "double[10000]" } })
    refused("FeedSpecBig", ipmmap.manager, Big, { create = true, mmap_dir = dir, feed = 4096 })
    fails("not_found", ipmmap.reader(Big, { mmap_dir = dir }))
  end)
end)

-- Commits of another machine, edits for it, and the patches of feeds.
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local places = require "spec.helper.places"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local S, DEFINE, HOUR, PAST = places.struct, places.DEFINE, places.HOUR, places.PAST
local home, set, n_of, run, store, unsigned =
  places.home, places.set, places.n_of, places.run, places.store, places.unsigned

local LARGE = 0x100000 -- a ring that holds all commits here

describe("a commit of another machine", function()
  local dir, sharer, reader
  before_each(function()
    dir = tmpdir()
    sharer = segment.open("manager", S, { mmap_dir = dir, create = true, shares = true, feed = LARGE })
    reader = segment.open("reader", S, { mmap_dir = dir })
  end)
  after_each(segment.close)

  -- Asserts that a call changes nothing and leaves the lock free.
  local function is_unchanged_by(fn, ...)
    local args = either.pack(...)
    segment.is_unchanged_by(reader, sharer, function() fn(either.unpack(args, 1, args.n)) end)
  end

  it("is seen as any other, with the version and the time that it is given", function()
    local feed = reader:feed()
    local child = process.spawn(DEFINE .. [[
      local reader = open("reader", ...)
      print "ready"
      local version = reader:wait(0)
      print(version, reader:read "n")
    ]], dir)
    child:expect "ready"
    assert.is_true(sharer:apply(n_of(5) .. store("level", unsigned(3, 4)), 3, 1700000000.25))
    child:expect "3\t5"
    child:join()
    assert.is_true(sharer:apply(n_of(6), 4))
    assert.same({ "n" }, reader:changed(3))
    assert.is_true(sharer:apply("", 9))
    assert.equal(9, reader:version())
    for _, expected in ipairs { { 3, 2, 5 }, { 4, 0, 6 }, { 9, 4, 6 } } do
      local value, version, missed = assert(feed:next(0))
      assert.same(expected, { version, missed, tonumber(value.n) })
      if version == 3 then
        assert.is_true(math.abs(feed:time() - 1700000000.25) < 1e-3, feed:time())
      else
        assert.is_true(math.abs(feed:time() - ipmmap.now()) < HOUR)
      end
    end
    fails("timeout", feed:next(0))
    local changed = {}
    for _, path in ipairs(reader:changed(0)) do changed[path] = true end -- and perhaps others
    assert.is_true(changed.n and changed.level)
    assert.same({}, reader:changed(9))
    assert.equal(9, reader:wait(8))
    fails("timeout", reader:wait(9, 0))
  end)

  it("tells the time that it is given as that of the last commit", function()
    assert(sharer:apply("", 1, 1700000000.25))
    assert.is_true(math.abs(reader:info().last_commit - 1700000000.25) < 1e-3)
  end)

  it("is a part of the transaction of the handle's lock, as its first change", function()
    sharer:with(function(view)
      assert(sharer:apply(n_of(5), 7))
      sharer:set_share { place = "replica", epoch = 4, ahead = 2 }
      view.name = "also"
      assert.equal(5, tonumber(view.n))
      assert.equal(0, reader:read "n")
    end)
    assert.same({ 7, 5, "also", 4 },
      { reader:version(), tonumber(reader:read "n"), reader:read "name", reader:share().epoch })
    is_unchanged_by(pcall, sharer.with, sharer, function(view)
      assert(sharer:apply(n_of(6), 9))
      assert.equal(6, tonumber(view.n))
      error "roll back"
    end)
    is_unchanged_by(function()
      sharer:with(function(view)
        view.n = 1
        refused("ShareSpec", sharer.apply, sharer, n_of(6), 9)
        sharer:rollback()
      end)
    end)
  end)

  it("is refused as damaged if it is no patch, or would store what is no value", function()
    local size = S.size
    local damaged = {
      "x", n_of(1):sub(1, -2), n_of(1) .. "x", run(S:offsetof "n", ""), run(size, "x"), run(size - 1, "xx"),
      run(2 ^ 52, "x"), n_of(1) .. n_of(2), store("name", "b") .. n_of(1), store("flag", "\2"),
      store("name", "a\0b"), store("wide", "a\0\0\0b\0"), store("maybe", "\3"), store("list", unsigned(9, 4)),
      store("some", "\2"), run(0, "\0\0"),
    }
    for i, patch in ipairs(damaged) do
      is_unchanged_by(function()
        local _, message, code = sharer:apply(patch, 5)
        assert.same({ i, "corrupt" }, { i, code })
        assert.matches("ShareSpec", message)
      end)
      is_unchanged_by(function()
        sharer:with(function() fails("corrupt", sharer:apply(patch, 5)) end)
      end)
    end
    assert(sharer:apply(store("name", "ab"), 5))
  end)

  it("is refused if its version is not later, and if it is no text", function()
    assert(sharer:apply("", 5))
    is_unchanged_by(function()
      for _, version in ipairs { 5, 4, 0 } do refused("ShareSpec", sharer.apply, sharer, n_of(1), version) end
      for _, version in ipairs { -1, 6.5, "6", false } do
        refused("is not a version", sharer.apply, sharer, n_of(1), version)
      end
      refused("nil is not a version", sharer.apply, sharer, n_of(1))
      refused("nil is not a patch", sharer.apply, sharer, nil, 6)
      refused("5 is not a patch", sharer.edit, sharer, 5, "")
      refused("a table is not a patch", sharer.edit, sharer, "", {})
      for _, time in ipairs { -1, 0 / 0, 1e300, "now" } do
        refused("is not a time in seconds", sharer.apply, sharer, n_of(1), 6, time)
      end
    end)
  end)

  it("is refused in a coroutine that does not hold the handle's lock", function()
    sharer:with(function()
      local other = coroutine.create(function() return sharer:apply(n_of(1), 5) end)
      local ok, message = coroutine.resume(other)
      assert.is_false(ok)
      assert.matches("another coroutine", message)
    end)
  end)

  it("fails with a code when the segment was replaced", function()
    local other = segment.open("manager", S, { mmap_dir = dir, shares = true })
    other:destroy()
    fails("replaced", sharer:apply(n_of(1), 5))
    fails("replaced", sharer:edit("", n_of(1)))
  end)
end)

describe("an edit for another machine", function()
  local dir, sharer, reader
  before_each(function()
    dir = segment.make(S, {}, { feed = LARGE })
    sharer = segment.open("manager", S, { mmap_dir = dir, shares = true })
    reader = segment.open("reader", S, { mmap_dir = dir })
    set(sharer, home(1))
    sharer:set { n = 5, name = "old" }
  end)
  after_each(segment.close)

  it("is stored if the bytes are as expected, and otherwise not", function()
    assert.is_true(sharer:edit(n_of(5), n_of(6) .. store("name", "new\0")))
    assert.same({ 2, 6, "new" }, { reader:version(), tonumber(reader:read "n"), reader:read "name" })
    segment.is_unchanged_by(reader, sharer, function()
      assert.is_false(sharer:edit(n_of(5), n_of(7)))
      assert.is_false(sharer:edit(n_of(6) .. store("name", "old"), n_of(7)))
    end)
    assert.is_true(sharer:edit("", n_of(8)))
    assert.same({ 3, 8 }, { reader:version(), tonumber(reader:read "n") })
  end)

  it("is a part of the transaction of the handle's lock", function()
    sharer:with(function(view)
      view.level = 1
      assert.is_true(sharer:edit(n_of(5), n_of(6)))
      assert.is_false(sharer:edit(n_of(5), n_of(7)))
      assert.is_true(sharer:edit(n_of(6), store("name", "new\0")))
    end)
    assert.same({ 2, 6, "new", 1 },
      { reader:version(), tonumber(reader:read "n"), reader:read "name", reader:read "level" })
  end)

  it("is refused where an editor would be", function()
    segment.is_unchanged_by(reader, sharer, function()
      sharer:set_share(home(1, PAST))
      fails("not_home", sharer:edit("", n_of(6)))
      set(sharer, { place = "replica", epoch = 1 })
      fails("not_home", sharer:edit("", n_of(6)))
      sharer:with(function() fails("not_home", sharer:edit("", n_of(6))) end)
    end)
  end)

  it("is refused if it is damaged, breaks a limit, or sets the common header", function()
    segment.is_unchanged_by(reader, sharer, function()
      for _, patch in ipairs {
        "x", run(S.size, "x"), store("level", unsigned(11, 4)), store("flag", "\2"), run(8, ("\0"):rep(8)),
      } do
        fails("corrupt", sharer:edit("", patch))
      end
      fails("corrupt", sharer:edit("x", n_of(6)))
    end)
  end)
end)

describe("the patch of a feed", function()
  local source, reader, sharer, copy
  before_each(function()
    local _
    _, source, reader = segment.make(S, { "reader" }, { feed = LARGE })
    sharer = segment.open("manager", S, { mmap_dir = tmpdir(), create = true, shares = true })
    copy = segment.keep(assert(ipmmap.reader(S, { mmap_dir = sharer:info().path:match "^(.*)/" })))
  end)
  after_each(segment.close)

  it("is empty before the first commit, and has only what the commit changed", function()
    local feed = reader:feed()
    assert.equal("", feed:patch())
    source:set { n = 258 }
    assert(feed:next(0))
    assert.equal(run(S:offsetof "n", unsigned(258, 8)):sub(1, 8), feed:patch():sub(1, 8))
    assert.is_true(#feed:patch() < 40)
    source:with(function() end)
    fails("timeout", feed:next(0))
    assert.is_true(#feed:patch() < 40)
    feed:close()
    refused("closed", feed.patch, feed)
  end)

  -- Small random numbers, the same in each run.
  local seed
  local function random(from, to)
    seed = seed * 16807 % 2147483647
    return from + seed % (to - from + 1)
  end

  local function point()
    return { x = random(-9, 9) / 2, y = random(-9, 9) / 2 }
  end

  local function text(most)
    return ("abcdefghijklmnop"):sub(1, random(0, most))
  end

  local edits = {
    function(view) view.n = random(-1000, 1000) end,
    function(view) view.name = text(16) end,
    function(view) view.flag = not view.flag end,
    function(view) view.wide = text(8) end,
    function(view) view.maybe = random(0, 1) == 1 and random(-5, 5) or nil end,
    function(view) view.some = random(0, 1) == 1 and point() or nil end,
    function(view)
      local list = {}
      for i = 1, random(0, 8) do list[i] = point() end
      view.list = list
    end,
    function(view)
      local count = ipmmap.len(view.list)
      if count < 8 then view.list[count + 1] = point() end
    end,
    function(view)
      local count = ipmmap.len(view.list)
      if count > 0 then view.list[count] = nil end
    end,
    function(view) view.many[random(1, 200)] = random(-9, 9) end,
    function(view) for i = 1, 200 do view.many[i] = random(0, 1) end end,
    function() source:touch() end,
  }

  local function commit()
    source:with(function(view)
      for _ = 1, random(1, 4) do edits[random(1, #edits)](view) end
    end)
  end

  local function is_copied(value)
    assert.equal(ipmmap.bytes(value), ipmmap.bytes(copy:snapshot()))
  end

  -- Brings the copy to the bytes of the source.
  local function join()
    local value, version = reader:versioned_snapshot()
    assert(sharer:apply(run(0, ipmmap.bytes(value)), version))
    is_copied(value)
  end

  it("makes another segment's bytes the same, commit by commit", function()
    seed = 1
    commit()
    join()
    local feed = reader:feed()
    for _ = 1, 400 do commit() end
    local told = 0
    for value, version, missed in feed:commits(0) do
      assert.equal(0, missed)
      assert(sharer:apply(feed:patch(), version, feed:time()))
      is_copied(value)
      assert.equal(version, copy:version())
      told = version
    end
    assert.equal(source:version(), told)
  end)

  it("makes them the same also if the feed misses commits", function()
    seed = 2
    local _, other, follower = segment.make(S, { "reader" })
    source, reader = other, follower
    commit()
    join()
    local feed = reader:feed()
    local lost = 0
    for _ = 1, 100 do
      for _ = 1, random(1, 5) do commit() end
      local value, version, missed = feed:next(0)
      if value then -- not if nothing was changed
        lost = lost + missed
        assert(sharer:apply(feed:patch(), version))
        is_copied(value)
      end
    end
    assert.is_true(lost > 0)
    assert.equal(ipmmap.bytes(reader:snapshot()), ipmmap.bytes(copy:snapshot()))
  end)
end)

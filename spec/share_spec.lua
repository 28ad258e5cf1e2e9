-- Segments on several machines: where they may be written, and the commits of another machine.
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("SharePoint", { { "x", "double" }, { "y", "double" } })
  ipmmap.base:extend("ShareSpec", {
    { "n", "int64" }, { "name", "char[16]" }, { "flag", "bool" }, { "wide", "char16[8]" },
    { "maybe", "int32?" }, { "list", "SharePoint[<=8]" }, { "some", "SharePoint?" },
    { "level", "int32", min = 0, max = 10 }, { "many", "int32[200]" },
  })
  local function open(role, dir) return assert(ipmmap[role]("ShareSpec", { mmap_dir = dir })) end
]]
local S = load(DEFINE .. ' return ipmmap.lookup "ShareSpec"')()

local LARGE = 0x100000 -- a ring that holds all commits here
local HOUR = 3600
local PAST = 1 -- a second after the machine was started

-- An unsigned integer of so many bytes, little-endian.
local function unsigned(value, size)
  local bytes = {}
  for i = 1, size do
    bytes[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

-- A patch with one piece.
local function run(offset, bytes)
  return unsigned(offset, 8) .. unsigned(#bytes, 4) .. bytes
end

-- A patch that stores bytes in a field.
local function store(path, bytes)
  return run(S:offsetof(path), bytes)
end

local function n_of(value)
  return store("n", unsigned(value, 8))
end

local function home(epoch, seconds)
  return { place = "home", epoch = epoch, token = 7, deadline = ipmmap.boottime() + (seconds or HOUR) }
end

-- Sets it in the handle's lock.
local function set(sharer, share)
  sharer:with(function() sharer:set_share(share) end)
end

local function raises(code, fn, ...)
  local ok, raised = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("table", type(raised), tostring(raised))
  assert.equal(code, raised.code, raised.message)
  return raised.message
end

describe("a segment", function()
  local dir, manager, editor, reader, sharer
  before_each(function()
    dir, manager, editor, reader = segment.make(S, { "editor", "reader" }, { feed = LARGE })
    sharer = segment.open("manager", S, { mmap_dir = dir, shares = true })
  end)
  after_each(segment.close)

  -- Asserts that every way to write is refused, and changes nothing.
  local function is_closed_to_editors()
    local before, version = ipmmap.bytes(reader:snapshot()), reader:version()
    for _, handle in ipairs { editor, manager } do
      assert.matches("ShareSpec", fails("not_home", handle:try_with(error)))
      raises("not_home", handle.with, handle, error)
      raises("not_home", handle.write, handle, "n", 5)
      raises("not_home", handle.write, handle, "list[1]", { x = 1 })
      raises("not_home", handle.set, handle, { n = 5 })
      raises("not_home", handle.add, handle, "n", 5)
      raises("not_home", handle.max, handle, "n", 5)
      raises("not_home", handle.swap, handle, "n", 0, 5)
      raises("not_home", handle.update, handle, "n", error)
      raises("not_home", handle.touch, handle)
      raises("not_home", handle.clear, handle)
      if not either.is_jit then
        raises("not_home", handle.lock, handle)
        fails("not_home", handle:try_lock())
      end
    end
    assert.equal(before, ipmmap.bytes(reader:snapshot()))
    assert.equal(version, reader:version())
  end

  it("is unshared at first, which all roles see", function()
    for _, handle in ipairs { manager, editor, reader, sharer } do
      assert.same({ place = "unshared", epoch = 0, ahead = 0, token = 0 }, handle:share())
      assert.same(handle:share(), handle:info().share)
    end
    editor:write("n", 1)
  end)

  it("tells how it is shared, to the nanosecond of the deadline", function()
    local given = { place = "home", epoch = 3, token = either.uint64_max, ahead = 12 }
    for nanoseconds = 2, 200 do
      given.deadline = nanoseconds / 1e9
      set(sharer, given)
      assert.same(given, reader:share())
    end
    assert.same(reader:share(), editor:info().share)
    set(sharer, { place = "replica" })
    assert.same({ place = "replica", epoch = 0, ahead = 0, token = 0 }, reader:share())
  end)

  it("is refused to editors as a replica, and readers read it", function()
    editor:write("n", 4)
    set(sharer, { place = "replica", epoch = 1 })
    is_closed_to_editors()
    assert.equal(4, reader:with(function(view) return tonumber(view.n) end))
    local late = segment.open("editor", S, { mmap_dir = dir })
    assert.equal(4, late:read "n")
    raises("not_home", late.add, late, "n", 1)
    set(sharer, { place = "unshared" })
    assert.equal(5, editor:add("n", 1))
  end)

  it("is a replica from the first moment if a manager with `shares` makes it", function()
    local at = tmpdir()
    local maker = segment.open("manager", S, {
      mmap_dir = at, create = true, shares = true, init = { n = 6 },
    })
    assert.same({ place = "replica", epoch = 0, ahead = 0, token = 0 }, maker:share())
    local other = segment.open("editor", S, { mmap_dir = at })
    raises("not_home", other.write, other, "n", 1)
    assert.equal(6, other:read "n")
  end)

  it("is written at its home until the deadline, and after that only by the one who shares it", function()
    set(sharer, home(1))
    assert.equal(1, editor:add("n", 1))
    sharer:set_share { place = "home", epoch = 1, token = 7, deadline = PAST }
    is_closed_to_editors()
    assert.equal(2, sharer:add("n", 1))
    sharer:set_share(home(1))
    assert.equal(3, editor:add("n", 1))
  end)

  it("is refused if the deadline is of another boot, and nobody is told of that deadline", function()
    set(sharer, home(1))
    local file = assert(io.open(reader:info().path, "r+b"))
    file:seek("end", -48) -- the footer, which begins with the place of the head
    local head = 0
    for i, byte in ipairs { file:read(8):byte(1, 8) } do head = head + byte * 256 ^ (i - 1) end
    for _, at in ipairs { 256 + 40, 256 + 72 } do -- the boot, in each of the two copies
      file:seek("set", math.floor(head) + at)
      local boot = file:read(4)
      file:seek("set", math.floor(head) + at)
      file:write(string.char(255 - boot:byte()), boot:sub(2))
    end
    file:close()
    assert.equal("home", reader:share().place)
    assert.is_nil(reader:share().deadline)
    is_closed_to_editors()
  end)

  describe("whose deadline passes within a block", function()
    before_each(function()
      set(sharer, home(1))
      editor:write("n", 1)
    end)

    local function let_it_pass()
      sharer:set_share { place = "home", epoch = 1, token = 7, deadline = PAST }
    end

    -- Asserts that a block, which changes things and lets the deadline pass, is rolled back.
    local function is_rolled_back(code_block)
      local before, version = ipmmap.bytes(reader:snapshot()), reader:version()
      local message = raises("not_home", code_block)
      assert.matches("ShareSpec", message)
      assert.equal(before, ipmmap.bytes(reader:snapshot()))
      assert.equal(version, reader:version())
      assert.is_true(segment.is_free(sharer))
      sharer:set_share(home(1))
      assert.equal(2, editor:add("n", 1))
    end

    it("rolls the block of `with` and of `try_with` back, and says so", function()
      for _, method in ipairs { "with", "try_with" } do
        is_rolled_back(function()
          editor[method](editor, function(view)
            view.n, view.name = 9, "lost"
            let_it_pass()
          end)
        end)
        editor:write("n", 1)
      end
    end)

    it("rolls `update` back", function()
      is_rolled_back(function()
        editor:update("n", function()
          let_it_pass()
          return 9
        end)
      end)
    end)

    it("rolls back what `unlock` would commit", function()
      is_rolled_back(function()
        editor:with(function(view)
          view.n = 9
          let_it_pass()
          editor:unlock()
        end)
      end)
    end)

    it("rolls back where a view is closed", function()
      if either.is_jit then return end
      is_rolled_back(assert(load [[
        local editor, let_it_pass = ...
        return function()
          local view <close> = editor:lock()
          view.n = 9
          let_it_pass()
        end
      ]])(editor, let_it_pass))
    end)

    it("commits nothing and is no error if nothing was changed, or if the block fails anyway", function()
      editor:with(let_it_pass)
      sharer:set_share(home(1))
      local ok, message = pcall(editor.with, editor, function(view)
        view.n = 9
        let_it_pass()
        error("own", 0)
      end)
      assert.same({ false, "own" }, { ok, message })
      assert.equal(1, reader:read "n")
    end)

    it("rolls the block of another process back, which goes on with its handle", function()
      local child = process.spawn(DEFINE .. [[
        local editor = open("editor", ...)
        for _ = 1, 2 do
          local ok, raised = pcall(editor.with, editor, function(view)
            view.n = view.n + 10
            print "within"
            io.read()
          end)
          print(ok or raised.code)
        end
      ]], dir)
      child:expect "within"
      let_it_pass()
      child:send "go on"
      child:expect "not_home"
      child:close_input() -- its next block is refused at once, so it does not ask
      child:expect "not_home"
      child:join()
      assert.equal(1, reader:read "n")
    end)
  end)

  it("lets a handle that stays open write again when its machine is home again", function()
    local child = process.spawn(DEFINE .. [[
      local editor = open("editor", ...)
      for _ in io.lines() do
        local ok, raised = pcall(editor.add, editor, "n", 1)
        print(ok and editor:read "n" or raised.code)
      end
    ]], dir)
    local function expect(line)
      child:send "add"
      child:expect(line)
    end
    set(sharer, home(1))
    expect "1"
    sharer:with(function()
      assert(sharer:apply(n_of(40), 17))
      sharer:set_share { place = "replica", epoch = 2, ahead = 3 }
    end)
    expect "not_home"
    assert(sharer:apply(n_of(41), 18))
    expect "not_home"
    set(sharer, home(3))
    expect "42"
    assert.equal(19, reader:version())
    child:close_input()
    child:join()
  end)

  it("ends the wait of an editor for the lock when it becomes a replica", function()
    set(sharer, home(1))
    local child = process.spawn(DEFINE .. [[
      local editor = open("editor", ...)
      print "ready"
      io.read()
      print(select(3, editor:try_with(20, error)))
    ]], dir)
    child:expect "ready"
    sharer:with(function()
      child:send "go"
      while true do -- until it waits
        for _, user in ipairs(reader:users()) do
          if user.waits then
            sharer:set_share { place = "replica", epoch = 1 }
            return
          end
        end
        ipmmap.sleep(0.001)
      end
    end)
    child:expect "not_home"
    child:join()
  end)

  it("is neither destroyed nor made afresh by others while it is a replica", function()
    editor:write("n", 4)
    set(sharer, { place = "replica", epoch = 1 })
    raises("not_home", manager.destroy, manager)
    fails("not_home", ipmmap.manager(S, { mmap_dir = dir, create = true, force = true }))
    local other = assert(ipmmap.parse((tostring(S):gsub("n: int64", "n: int64\n  more: int64"))))
    fails("not_home", ipmmap.manager(other, { mmap_dir = dir, create = true, force = true }))
    fails("not_home", ipmmap.manager(other, { mmap_dir = dir, create = true, migrate = true }))
    assert.equal(4, reader:read "n")
    sharer:destroy()
    raises("replaced", reader.read, reader, "n")
  end)

  it("says nothing else about itself when it was destroyed", function()
    set(sharer, { place = "replica", epoch = 1 })
    sharer:destroy()
    assert.is_true(reader:info().replaced)
  end)

  describe("is given its share", function()
    local function set_refused(text, share)
      refused(text, set, sharer, share)
    end

    it("only by a manager with the option `shares`", function()
      for _, handle in ipairs { manager, editor } do
        handle:with(function() refused("shares", handle.set_share, handle, { place = "replica" }) end)
        refused("shares", handle.apply, handle, "", 1)
        refused("shares", handle.edit, handle, "", "")
      end
      refused("shares", reader.set_share, reader, { place = "replica" })
      assert.equal("unshared", reader:share().place)
    end)

    it("only in the lock, but for the deadline of a home", function()
      refused("lock", sharer.set_share, sharer, { place = "replica" })
      refused("lock", sharer.set_share, sharer, home(1))
      set(sharer, home(1))
      refused("lock", sharer.set_share, sharer, home(2))
      refused("lock", sharer.set_share, sharer, { place = "home", epoch = 1, token = 8, deadline = PAST })
      sharer:set_share(home(1))
    end)

    it("by a table of a place and numbers, and nothing else", function()
      set_refused("a table, not nil", nil)
      set_refused("there is no place", { epoch = 1 })
      set_refused('place \'abroad\' is neither "unshared", "home" nor "replica"', { place = "abroad" })
      set_refused("deadline", { place = "home", epoch = 1, token = 7 })
      set_refused("there is no 'times'", { place = "replica", times = 1 })
      for name, values in pairs {
        epoch = { -1, 0.5, "1", 1e300 }, ahead = { -1, 0.5, true }, token = { 0.5, "1", 0 / 0 },
        deadline = { -1, 0 / 0, 1e300, "soon" },
      } do
        for _, value in ipairs(values) do set_refused("set_share: " .. name, { place = "replica", [name] = value }) end
      end
      assert.equal("unshared", reader:share().place)
    end)
  end)
end)

describe("the time since the machine was started", function()
  it("is that of the kernel", function()
    local function uptime()
      local file = assert(io.open "/proc/uptime")
      local seconds = tonumber(file:read "*l":match "^%S+")
      file:close()
      return seconds
    end
    local before = uptime()
    local now = ipmmap.boottime()
    assert.is_true(before <= now and now <= uptime() + 0.011, now)
    assert.is_true(ipmmap.boottime() >= now)
  end)
end)

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
      sharer:set_share { place = "home", epoch = 1, token = 7, deadline = PAST }
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

describe("ipmmap.remote", function()
  local NAME = "ipmmap_share.remote"
  local preloaded = package.preload[NAME]
  after_each(function() package.preload[NAME], package.loaded[NAME] = preloaded, nil end)

  it("names the rock and the packages that are missing", function()
    package.loaded[NAME] = nil
    package.preload[NAME] = function() error("module 'cqueues' not found:\n\tno file", 0) end
    local ok, message = pcall(ipmmap.remote, "Demo_.mmap", "redis://127.0.0.1")
    assert.is_false(ok)
    for _, part in ipairs { "ipmmap%-cli", "lua%-cqueues", "lua%-luaossl", "module 'cqueues' not found:$" } do
      assert.matches(part, message)
    end
  end)

  it("is what the rock has, with the same arguments and results", function()
    package.loaded[NAME] = nil
    package.preload[NAME] = function() return function(...) return nil, select("#", ...), ... end end
    assert.same({ nil, 3, "Demo_.mmap", "redis://127.0.0.1" },
      { ipmmap.remote("Demo_.mmap", "redis://127.0.0.1") })
  end)
end)

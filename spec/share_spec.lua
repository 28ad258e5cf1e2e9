-- Where a segment of several machines may be written.
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local places = require "spec.helper.places"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local S, DEFINE, PAST = places.struct, places.DEFINE, places.PAST
local home, set, n_of = places.home, places.set, places.n_of

local LARGE = 0x100000 -- a ring that holds all commits here

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
    sharer:set_share(home(1, PAST))
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
      sharer:set_share(home(1, PAST))
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

  it("ends the wait of an editor for the lock when it becomes a replica, though the lock stays held", function()
    set(sharer, home(1))
    local child = process.spawn(DEFINE .. [[
      local editor = open("editor", ...)
      print "ready"
      io.read()
      print(select(3, editor:try_with(20, error)))
    ]], dir)
    child:expect "ready"
    local function waits()
      for _, user in ipairs(reader:users()) do
        if user.waits then return true end
      end
    end
    sharer:with(function()
      child:send "go"
      while not waits() do ipmmap.sleep(0.001) end
      sharer:set_share { place = "replica", epoch = 1 }
      child:expect "not_home"
    end)
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

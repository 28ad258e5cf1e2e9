-- The option follow: handles that go on with the segment that replaces theirs.
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("FollowPoint", { { "x", "double" }, { "y", "double" } })
  local S = ipmmap.base:extend("FollowSpec", {
    { "number", "int32" }, { "twin", "int32" }, { "at", "FollowPoint" }, { "text", "char[8]" },
  })
  local function open(role, dir, layout)
    return assert(ipmmap[role](S, { mmap_dir = dir, follow = true, layout = layout }))
  end
]]
local S, open = load(DEFINE .. " return S, open")()

local function parse(fields)
  return assert(ipmmap.parse(tostring(ipmmap.base) .. "struct FollowPoint { x: double; y: double }\n"
    .. "struct FollowSpec : BaseMmapStructure { " .. fields .. " }"))
end

-- All that S has, elsewhere, and more.
local Grown = parse "extra: int64; at: FollowPoint; text: char[8]; number: int32; twin: int32; last: int8[100]"
local Narrow = parse "number: int32; twin: int32; text: char[8]"
local Wide = parse "number: int64; twin: int32; at: FollowPoint; text: char[8]"

describe("a handle that follows", function()
  local dir, manager, editor, reader

  local function replace_by(struct)
    manager:close()
    manager = assert(ipmmap.manager(struct, { create = true, force = true, mmap_dir = dir }))
    return manager
  end

  local function begin(layout)
    dir = tmpdir()
    manager = assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
    editor, reader = open("editor", dir, layout), open("reader", dir, layout)
  end

  after_each(function()
    for _, handle in ipairs { manager, editor, reader } do handle:close() end
  end)

  describe("on a file of its own layout", function()
    before_each(begin)

    -- A segment of the same layout is only replaced if it was destroyed.
    local function make_another()
      manager:destroy()
      manager:close()
      manager = assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
    end

    it("reads, writes and locks the new segment", function()
      editor:write("number", 5)
      make_another()
      assert.equal(0, reader:read "number")
      editor:set { number = 6, at = { x = 1 } }
      assert.equal(7, editor:add("number", 1))
      assert.equal(7, reader:snapshot().number)
      editor:with(function(view) view.number = 8 end)
      reader:with(function(view) assert.equal(8, view.number) end)
      assert.equal(8, manager:read "number")
    end)

    it("stays replaced until there is one of its name", function()
      manager:destroy()
      for _ = 1, 2 do
        local ok, failure = pcall(editor.write, editor, "number", 1)
        assert.is_false(ok)
        assert.equal("replaced", failure.code)
        fails("replaced", reader:wait(0, 1))
        fails("replaced", editor:try_with(print))
        assert.is_true(reader:info().replaced)
      end
      manager:close()
      manager = assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
      editor:write("number", 1)
      assert.equal(1, reader:read "number")
      assert.is_false(reader:info().replaced)
    end)

    it("fails with layout where the new segment has another one, and goes on with a later one", function()
      replace_by(Grown)
      local ok, failure = pcall(reader.read, reader, "number")
      assert.is_false(ok)
      assert.equal("layout", failure.code)
      assert.truthy(failure.message:find("number: int32 at 48 in the file, int32 at 16 in the definition", 1, true),
        failure.message)
      fails("layout", editor:try_with(print))
      replace_by(S)
      editor:write("number", 2)
      assert.equal(2, reader:read "number")
    end)

    it("waits for a field of the new segment", function()
      editor:write("number", 1)
      assert.equal(1, reader:wait("number", 0))
      make_another()
      assert.equal(0, reader:wait("number", 0))
      assert.is_nil((reader:wait("number", 0)))
      assert.equal("", reader:wait("text", 0)) -- for the first time, and not known from the opening
      assert.is_nil((reader:wait("text", 0)))
    end)

    it("keeps the old segment in a lock, until its end says so", function()
      local view
      local ok, failure = pcall(editor.with, editor, function(data)
        view = data
        view.number = 5
        make_another()
        assert.equal(5, view.number)
        assert.equal(5, editor:read "number")
        local unlocked, why = pcall(editor.unlock, editor)
        assert.is_false(unlocked)
        assert.equal("replaced", why.code)
        assert.equal(0, editor:read "number")
      end)
      assert.is_true(ok, failure)
      refused("view used after its lock was released", function() return view.number end)
      ok, failure = pcall(editor.with, editor, function(data)
        data.number = 5
        make_another()
      end)
      assert.is_false(ok)
      assert.equal("replaced", failure.code)
      assert.equal(0, editor:read "number")
    end)
  end)

  describe("on a file of any layout that has its fields", function()
    before_each(function() begin "compatible" end)

    it("takes the layout of the new segment", function()
      editor:write("number", 5)
      replace_by(Grown)
      assert.equal(0, reader:read "number")
      editor:write("number", 6)
      editor:set { at = { x = 2 }, extra = 7 }
      assert.equal(7, editor:add("number", 1))
      manager:write("text", "new")
      assert.equal("new", reader:read "text")
      assert.equal(7, reader:read "extra")
      assert.equal(7, reader:snapshot().extra)
      assert.equal(2, manager:read "at.x")
      assert.equal(Grown.size, reader:info().size)
      editor:with(function(view)
        view.number = 8
        view.extra = 9
      end)
      assert.equal(9, manager:read "extra")
      replace_by(S)
      assert.equal(0, reader:read "number")
      refused("no field 'extra'", reader.read, reader, "extra")
      editor:write("number", 3)
      assert.equal(3, manager:read "number")
    end)

    -- Each method, as the first one after a replacement.
    for name, call in pairs {
      read = function() return reader:read "number" == 5 end,
      ["read of a struct"] = function() return reader:read("at").x == 6 end,
      snapshot = function() return reader:snapshot().number == 5 end,
      ["snapshot into a value"] = function() return reader:snapshot(S:new()).number == 5 end,
      versioned_snapshot = function() return select(2, reader:versioned_snapshot()) == 1 end,
      write = function() editor:write("number", 7) return manager:read "number" == 7 end,
      set = function() editor:set(S:new { number = 7 }) return manager:read "number" == 7 end,
      add = function() return editor:add("number", 2) == 7 and manager:read "number" == 7 end,
      touch = function() editor:touch() return manager:version() == 2 end,
      clear = function() editor:clear() return manager:read "number" == 0 end,
      flush = function() editor:flush() return true end,
      lock = function()
        if either.is_jit then return reader:with(function(view) return view.extra == 0 end) end
        return editor:lock().number == 5 and editor:read "extra" == 0
      end,
      try_lock = function()
        if either.is_jit then return reader:try_with(1, function(view) return view.extra == 0 end) end
        return reader:try_lock(1).at.x == 6
      end,
      with = function()
        return editor:with(function(view, more) view.number = more return view.at.x == 6 end, 9) and
          manager:read "number" == 9
      end,
      try_with = function()
        return editor:try_with(0, function(view, more) view.number = more return view.at.x == 6 end, 9) and
          editor:try_with(function(view) return view.number == 9 end)
      end,
      version = function() return reader:version() == 1 end,
      wait = function() return reader:wait(1, 0) == 1 end,
      ["wait for a field"] = function() return reader:wait("number", 0) == 5 end,
      last_update = function() return reader:last_update() == manager:last_update() end,
      info = function() return reader:info().size == Grown.size end,
      users = function() return #reader:users() == 0 end,
      fd = function() return reader:fd() >= 0 end,
      drain = function() return reader:drain() == 1 end,
    } do
      it("follows by " .. name, function()
        editor:set { number = 1, at = { x = 1 } } -- what methods keep is in use
        editor:with(function() end)
        reader:with(function() end)
        replace_by(Grown):set { number = 5, at = { x = 6 } }
        assert.is_true(call())
        assert.equal(Grown.size, (reader:info().size))
      end)
    end

    it("fails with layout where a field is gone or has another type, and goes on with a later segment", function()
      for difference, struct in pairs {
        ["at: absent in the file, FollowPoint at 24 in the definition"] = Narrow,
        ["number: int64 at 16 in the file, int32 at 16 in the definition"] = Wide,
      } do
        replace_by(struct)
        local ok, failure = pcall(reader.read, reader, "number")
        assert.is_false(ok)
        assert.equal("layout", failure.code)
        assert.truthy(failure.message:find(difference, 1, true), failure.message)
        fails("layout", reader:wait(0))
        fails("layout", editor:try_with(1, print))
        assert.is_false(pcall(editor.write, editor, "number", 1))
        replace_by(Grown)
        editor:write("number", 2)
        assert.equal(2, reader:read "number")
        replace_by(S)
      end
    end)

    it("lets views and values of the layout before be used no longer, or as they were", function()
      local view, nested, value
      editor:with(function(v) view, nested = v, v.at end)
      value = reader:snapshot()
      replace_by(Grown):write("at.x", 6)
      editor:with(function(now)
        refused("view used after its lock was released", function() return view.number end)
        refused("view used after its lock was released", function() return nested.x end)
        refused("view used after its lock was released", function() nested.x = 1 end)
        assert.equal(6, now.at.x)
        assert.equal(0, value.number)
        now.at = value.at
        assert.equal(0, now.at.x)
        assert.equal(S, ipmmap.lookup "FollowSpec")
      end)
    end)

    it("has the values and the version after a migration", function()
      editor:write("number", 5)
      editor:write("at.x", 1.5)
      manager:close()
      manager = assert(ipmmap.manager(Grown, { create = true, migrate = true, mmap_dir = dir }))
      assert.equal(5, reader:read "number")
      assert.equal(2, reader:version())
      editor:write("extra", 7)
      assert.equal(1.5, editor:snapshot().at.x)
      assert.equal(3, reader:wait(2, 0))
      assert.equal(7, manager:read "extra")
    end)

    it("keeps a lock's layout until it is released", function()
      editor:with(function(view)
        replace_by(Grown)
        refused("no field 'extra'", editor.read, editor, "extra")
        editor:write("at.x", 4)
        assert.equal(4, view.at.x)
        assert.equal("replaced", select(2, pcall(editor.unlock, editor)).code)
        assert.equal(0, editor:read "extra")
      end)
    end)

    local in_lua = either.is_jit and function() end or it
    after_each(function() collectgarbage("restart") end)

    -- Calls `call` until a finalizer runs in it before it calls its argument. The finalizer replaces the segment,
    -- and the handle follows. The collector runs in the calls alone.
    local function follow_within(handle, struct, call)
      local is_calling, has_followed = false, false
      for _ = 1, 100000 do
        setmetatable({}, { __gc = function()
          if is_calling and not has_followed then
            has_followed = true
            replace_by(struct)
            handle:version()
          end
        end })
        is_calling = true
        collectgarbage("restart")
        local results = either.pack(pcall(call, function() is_calling = false end))
        collectgarbage("stop")
        is_calling = false
        if has_followed then
          assert.is_true(results[1], results[2])
          return either.unpack(results, 2, results.n)
        end
      end
      error "no finalizer ran meanwhile"
    end

    in_lua("begins a snapshot again if a finalizer makes it follow to a larger segment", function()
      local Larger = parse "number: int32; twin: int32; at: FollowPoint; text: char[8]; last: int64[500000]"
      local value = follow_within(reader, Larger, function(stop)
        local taken = reader:snapshot()
        stop()
        return taken
      end)
      assert.equal(500000, #value.last)
    end)

    in_lua("begins a read again if a finalizer makes it follow", function()
      local point = follow_within(reader, Grown, function(stop)
        local taken = reader:read "at"
        stop()
        return taken
      end)
      manager:write("extra", -1)
      assert.same({ x = 0, y = 0 }, ipmmap.totable(point))
    end)

    in_lua("begins a write again if a finalizer makes it follow", function()
      replace_by(parse "long: char[2000000]; number: int32; twin: int32; at: FollowPoint; text: char[8]")
      local text = ("x"):rep(2000000) -- so large that its draft makes the collector run
      follow_within(editor, parse [[
        number: int32; twin: int32; at: FollowPoint; text: char[8]; long: char[2000000]
      ]], function(stop)
        editor:write("long", text)
        stop()
      end)
      assert.equal(0, manager:read "number")
      assert.is_true(text == manager:read "long")
    end)

    in_lua("takes the lock again if a finalizer makes it follow", function()
      local extra = follow_within(editor, Grown, function(stop)
        return editor:with(function()
          stop()
          editor:unlock() -- so that the next lock makes a view
          local has_extra, value = pcall(function() return editor:read "extra" end)
          return has_extra and value
        end)
      end)
      assert.equal(0, extra)
    end)

    it("survives many layouts, and their collection", function()
      for i = 1, 20 do
        replace_by(i % 2 == 0 and S or Grown)
        editor:write("number", i)
        assert.equal(i, reader:read "number")
        assert.equal(i, reader:snapshot().number)
        editor:with(function(view) view.at.x = i end)
        collectgarbage()
      end
      assert.equal(20, manager:read "at.x")
    end)
  end)
end)

describe("another process that follows", function()
  local dir, manager
  before_each(function()
    dir = tmpdir()
    manager = assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
  end)
  after_each(function() manager:close() end)

  local function replace_by(struct)
    manager:close()
    manager = assert(ipmmap.manager(struct, { create = true, force = true, mmap_dir = dir }))
  end

  for _, layout in ipairs { "exact", "compatible" } do
    it("goes on in a wait: " .. layout, function()
      manager:write("number", 1)
      local child = process.spawn(DEFINE .. [[
        local reader = open("reader", ...)
        print(reader:wait(0))
        print(reader:wait(1))
        io.read()
        print(reader:wait(0), reader:read "number")
      ]], dir, layout)
      child:expect "1"
      if layout == "exact" then
        replace_by(S) -- reset in place
        child:expect "2"
      else
        replace_by(Grown)
        child:expect "0"
      end
      manager:write("number", 7)
      child:send "go on"
      child:match "^%d\t7$"
      child:join()
    end)
  end

  it("goes on in a wait for a field", function()
    local child = process.spawn(DEFINE .. [[
      local reader = open("reader", ...)
      print(reader:wait("number", 0))
      print(reader:wait "number")
      print(reader:wait "number")
    ]], dir, "compatible")
    child:match "^nil"
    manager:write("number", 1)
    child:expect "1"
    replace_by(Grown)
    child:expect "0"
    child:join()
  end)

  it("goes on waiting for the lock, in with and in a write", function()
    for _, call in ipairs {
      "editor:with(function(view, n) view.number = n end, 5)",
      "editor:try_with(60, function(view, n) view.number = n end, 5)",
      "editor:try_with(math.huge, function(view, n) view.number = n end, 5)",
      "editor:write('number', 5)",
      "editor:set { number = 5 }",
      "editor:add('number', 5)",
    } do
      local holder = assert(ipmmap.editor(manager:info().size == S.size and S or Grown, { mmap_dir = dir }))
      local child
      holder:with(function()
        child = process.spawn(DEFINE .. [[
          local editor = open("editor", ...)
          print "waits"
          ]] .. call .. [[

          print "done"
        ]], dir, "compatible")
        child:expect "waits"
        repeat until #holder:users() == 2
        replace_by(manager:info().size == S.size and Grown or S)
        holder:rollback()
      end)
      child:expect "done"
      child:join()
      holder:close()
      assert.equal(5, manager:read "number")
    end
  end)

  it("keeps its descriptor", function()
    local child = process.spawn(DEFINE .. [[
      local posix = require "spec.helper.posix"
      local reader = open("reader", ...)
      local fd = reader:fd()
      print(reader:drain())
      for _ = 1, 3 do
        assert(posix.poll(fd, 30))
        print(reader:drain(), reader:read "number", fd == reader:fd())
      end
    ]], dir, "compatible")
    child:expect "0"
    manager:write("number", 1)
    child:expect "1\t1\ttrue"
    replace_by(Grown)
    child:expect "0\t0\ttrue"
    manager:write("number", 2)
    child:expect "1\t2\ttrue"
    child:join()
  end)

  it("cannot use the parent's handle after a fork", function()
    local reader = open("reader", dir, "compatible")
    replace_by(Grown)
    local child = process.fork(function()
      print(select(2, pcall(reader.read, reader, "number")).code)
    end)
    child:expect "forked"
    child:join()
    assert.equal(0, reader:read "extra")
    reader:close()
  end)
end)

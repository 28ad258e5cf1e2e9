-- Feeds of handles that follow to segments of other layouts.
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE <const> = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("FeedFollowPoint", { { "x", "double" }, { "y", "double" } })
  local S = ipmmap.base:extend("FeedFollow", {
    { "number", "int32" }, { "at", "FeedFollowPoint" }, { "list", "int16[40]" }, { "text", "char[8]" },
  })
  local function open(role, dir)
    return assert(ipmmap[role](S, { mmap_dir = dir, follow = true, layout = "compatible" }))
  end
]]
local S, open = load(DEFINE .. " return S, open")()

local function parse(fields)
  return assert(ipmmap.parse(tostring(ipmmap.base) .. "struct FeedFollowPoint { x: double; y: double }\n"
    .. "struct FeedFollow : BaseMmapStructure { " .. fields .. " }"))
end

local Grown = parse
  "extra: int64[900]; at: FeedFollowPoint; text: char[8]; number: int32; list: int16[40]; last: int8"
local Narrow = parse "number: int32"

local LARGE <const> = 1 << 16
local LONG <const> = 20 -- seconds
local WAS_REPLACED <const> = "value used after its feed was closed or got a value of another layout"

for _, ring in ipairs { LARGE, 0 } do
  describe("a feed of a handle that follows to another layout, " .. (ring > 0 and "with" or "without") .. " a ring",
    function()
      local dir, manager, reader, feed

      local function make(struct, how)
        if manager then manager:close() end
        manager = assert(ipmmap.manager(struct, {
          create = true, force = how == "force", migrate = how == "migrate", mmap_dir = dir,
          feed = struct == S and ring or ring * 2,
        }))
      end

      before_each(function()
        dir = tmpdir()
        make(S)
        reader = open("reader", dir)
        feed = reader:feed()
      end)

      after_each(function()
        reader:close()
        manager:close()
        manager = nil
      end)

      local function commit(count)
        for _ = 1, count do
          local n = manager:version() + 1
          manager:set { number = n, at = { y = -n } }
        end
      end

      -- The feed's next commit is `version`, and it missed so many; where there is no ring, all that were not told.
      local function tells(version, missed, missed_without_ring)
        local value, told, lost = assert(feed:next(LONG))
        assert.same({ version, version, -version, ring > 0 and missed or missed_without_ring },
          { told, value.number, value.at.y, lost })
        return value
      end

      local function changes()
        local list = {}
        for path, value in feed:changes() do list[#list + 1] = path .. " = " .. tostring(value) end
        return list
      end

      it("goes on with the new segment's commits from the first", function()
        commit(1)
        tells(1, 0, 0)
        make(Grown, "force")
        manager:write("extra[900]", 7)
        commit(1)
        fails("timeout", (function() -- what the first commit set is in the value of the second
          if ring > 0 then assert.equal(7, (assert(feed:next(LONG))).extra[900]) end
          local value = tells(2, 0, 1)
          assert.equal(7, value.extra[900])
          return feed:next(0)
        end)())
        assert.equal(Grown.size, reader:info().size)
      end)

      it("tells the old segment's commits first", function()
        commit(2)
        make(Grown, "force")
        commit(1)
        local first = ring > 0 and tells(1, 0) or nil
        local value = tells(2, 0, 1)
        assert.is_true(first == nil or rawequal(first, value))
        tells(1, 0, 0)
        refused(WAS_REPLACED, function() return value.number end)
      end)

      it("goes on at its version after a migration", function()
        commit(2)
        if ring > 0 then tells(1, 0) end
        local value = tells(2, 0, 1)
        make(Grown, "migrate")
        fails("timeout", feed:next(0))
        refused(WAS_REPLACED, function() return value.number end)
        manager:set { extra = { 5 } }
        value = assert(feed:next(LONG))
        assert.same({ 2, 5 }, { value.number, value.extra[1] })
        assert.same({ "extra[1] = 5" }, changes())
        commit(1)
        assert.equal(value, tells(4, 0, 0))
        assert.same({ "at.y = -4.0", "number = 4" }, changes())
      end)

      it("counts what it has not seen when its handle follows before it", function()
        commit(4)
        make(Grown, "migrate")
        assert.equal(0, reader:read "extra[1]")
        tells(4, 3, 3)
        commit(2)
        if ring > 0 then tells(5, 0) end
        tells(6, 0, 1)
      end)

      it("counts what the ring of the new segment no longer has", function()
        make(Grown, "force")
        for n = 1, 2 * ring // 56 + 10 do manager:set { number = n, at = { y = -n } } end
        local last, lost = 0, 0
        for value, version, missed in feed:commits(0) do
          assert.same({ version, -version, last + 1 + missed }, { value.number, value.at.y, version })
          last, lost = version, lost + missed
        end
        assert.equal(manager:version(), last)
        assert.is_true(lost > 0)
      end)

      it("tells when the new segment's commits were made", function()
        commit(1)
        tells(1, 0, 0)
        make(Grown, "force")
        fails("timeout", feed:next(0))
        assert.equal(0, feed:time())
        assert.same({}, changes())
        local before = ipmmap.now()
        commit(1)
        tells(1, 0, 0)
        if ring > 0 then
          assert.is_true(feed:time() > before - 0.02 and feed:time() <= ipmmap.now())
        else
          assert.equal(0, feed:time())
        end
      end)

      it("lists no changes of the layout before", function()
        manager:set { text = "text", list = { 1, 2, 3 } }
        assert(feed:next(LONG))
        local next_change = feed:changes()
        assert.equal("list[1]", (next_change()))
        make(Grown, "force")
        fails("timeout", feed:next(0))
        refused("FeedFollow: the feed went on while its changes were listed", next_change)
        assert.same({}, changes())
      end)

      it("keeps its value where the layout is the same", function()
        commit(1)
        local value = tells(1, 0, 0)
        local at = value.at
        manager:destroy()
        make(S)
        commit(1)
        assert.equal(value, tells(1, 0, 0))
        assert.equal(-1, at.y)
      end)

      it("lets the values of layouts before raise, whatever was collected", function()
        local values, parts = {}, {}
        for i = 1, 6 do
          commit(1)
          values[i] = tells(1, 0, 0)
          parts[i] = values[i].at
          make(i % 2 == 1 and Grown or S, "force")
          collectgarbage()
        end
        fails("timeout", feed:next(0))
        feed = nil
        collectgarbage()
        reader:close()
        collectgarbage()
        for i, value in ipairs(values) do
          refused(WAS_REPLACED, function() return value.number end)
          refused(WAS_REPLACED, function() return parts[i].x end)
          refused(WAS_REPLACED, function() parts[i].x = 1 end)
          assert.matches("^FeedFollow: ", tostring(value))
          assert.matches("^FeedFollow.at %(FeedFollowPoint%): ", tostring(parts[i]))
        end
      end)

      it("is replaced until there is a segment again, and says which field is missing", function()
        commit(1)
        manager:destroy()
        tells(1, 0, 0)
        for _ = 1, 2 do fails("replaced", feed:next(0)) end
        make(Narrow)
        assert.matches("at: absent in the file", (fails("layout", feed:next(0))))
        refused("at: absent in the file", function()
          local ok, failure = pcall(feed:commits(0))
          error(ok or failure.message, 0)
        end)
        make(Grown, "force")
        commit(1)
        tells(1, 0, 0)
      end)

      it("keeps the old segment while its handle holds the lock", function()
        local view <close> = reader:lock()
        manager:destroy()
        make(Grown)
        fails("replaced", feed:next(0))
        reader:unlock()
        commit(1)
        tells(1, 0, 0)
        refused("view used after its lock was released", function() return view.number end)
      end)

      it("goes on beside other feeds of its handle, each at its own commit", function()
        local other <close> = reader:feed()
        commit(3)
        for version = ring > 0 and 1 or 3, 3 do tells(version, 0, 2) end
        make(Grown, "migrate")
        fails("timeout", feed:next(0))
        commit(1)
        assert.same({ 4, ring > 0 and 3 or 3 }, (function()
          local value, version, missed = other:next(0)
          if ring > 0 then -- the state at the migration comes first
            assert.same({ 3, 3, 2 }, { version, value.number, missed })
            value, version = other:next(0)
            missed = 3
          end
          assert.equal(4, value.number)
          return { version, missed }
        end)())
        tells(4, 0, 0)
      end)

      it("sleeps on in another process", function()
        local child = process.spawn(DEFINE .. [[
          local reader = open("reader", ...)
          local feed = reader:feed()
          print "ready"
          for value, version, missed in feed:commits(20) do
            print(version, value.number, value.at.y, missed)
            if value.number == 7 then break end
          end
        ]], dir)
        child:expect "ready"
        commit(1)
        child:expect "1\t1\t-1.0\t0"
        for i = 1, 3 do
          make(i % 2 == 1 and Grown or S, "force")
          commit(1)
          child:expect "1\t1\t-1.0\t0"
        end
        manager:write("number", 7)
        child:expect "2\t7\t-1.0\t0"
        child:join()
      end)
    end)
end


-- In a process of its own, whose small heap makes finalizers run often.
local DISTURB <const> = DEFINE .. [[
  local dir = ...
  local Grown = assert(ipmmap.parse(tostring(ipmmap.base) .. "struct FeedFollowPoint { x: double; y: double }\n"
    .. "struct FeedFollow : BaseMmapStructure { extra: int64[900]; at: FeedFollowPoint; text: char[8]; "
    .. "number: int32; list: int16[40]; last: int8 }"))
  local manager, struct

  local function replace()
    if manager then manager:close() end
    struct = struct == S and Grown or S
    manager = assert(ipmmap.manager(struct, { create = true, force = true, mmap_dir = dir, feed = 65536 }))
    manager:set { number = 1, text = "text", list = { 1, 2, 3 } }
  end

  -- Calls `prepare`, `call` and `check` again and again, until `act` was called so many times by a finalizer that
  -- ran in `call`. `check` gets what `call` returned, or false and the message.
  local function disturb(times, act, prepare, call, check)
    local is_calling, left = false, times
    local function finalize()
      if left == 0 then return end
      if is_calling then
        is_calling, left = false, left - 1
        act(left)
      end
      setmetatable({}, { __gc = finalize })
    end
    finalize()
    while left > 0 do
      prepare()
      is_calling = true
      local ok, result = pcall(call)
      is_calling = false
      check(ok, result)
    end
    print "done"
  end

  local function is_closed(message, what)
    assert(message:find("FeedFollow: this " .. what .. " is closed", 1, true), message)
  end

  collectgarbage("incremental", 1, 1000, 6)
  replace()
  local reader = open("reader", dir)
]]

describe("a finalizer", function()
  for name, body in pairs {
    ["does not disturb a handle that takes a new layout, whatever layout comes next"] = [[
      disturb(100, function()
        replace()
        reader:version()
      end, replace, function() return reader:read "list" end, function(ok, list)
        assert(ok, list)
        for i = 1, 3 do assert(list[i] == i) end
        assert(reader:snapshot().text == "text")
      end)
    ]],
    ["may close a handle that takes a new layout"] = [[
      disturb(20, function() reader:close() end, replace, function() return reader:read "number" end,
        function(ok, result)
          if ok then return assert(result == 1) end
          is_closed(result, "reader")
          reader = open("reader", dir)
        end)
    ]],
    ["does not disturb a feed that goes over to a new layout"] = [[
      local feed = reader:feed(0)
      disturb(100, function(left)
        replace()
        if left % 3 == 0 then feed:next(0) else reader:version() end
      end, replace, function() return feed:next(0) end, function(ok, value)
        assert(ok, value)
        if value then assert(value.number == 1 and value.text == "text") end
      end)
      replace()
      assert(assert(feed:next(20)).number == 1)
    ]],
    ["may close a feed that goes over to a new layout"] = [[
      local feed = reader:feed(0)
      disturb(20, function() feed:close() end, replace, function() return feed:next(0) end, function(ok, value)
        if ok then return assert(value.number == 1) end
        is_closed(value, "feed")
        feed = reader:feed(0)
      end)
    ]],
    ["ends a list of changes if it makes the feed go over"] = [[
      local feed = reader:feed(0)
      disturb(20, function()
        replace()
        feed:next(0)
      end, function()
        local version = manager:version()
        manager:set { number = version, text = "a" .. version % 1000 }
        feed:next(0)
      end, function()
        for path, value in feed:changes() do assert(path and value) end
      end, function(ok, message)
        assert(ok or message:find("FeedFollow: the feed went on while its changes were listed", 1, true), message)
      end)
    ]],
  } do
    it(name, function()
      local child = process.spawn(DISTURB .. body, tmpdir())
      child:expect "done"
      child:join()
    end)
  end
end)

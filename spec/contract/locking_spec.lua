-- The methods lock, try_lock, unlock and with, row by row.
local ipmmap = require "ipmmap"
local segment = require "spec.contract.segment"

local spawn, holder, raises = segment.spawn, segment.holder, segment.raises
local S = segment.Struct

describe("the contract of locking:", function()
  local dir, m, e, r
  before_each(function() dir, m, e, r = segment.open() end)
  after_each(segment.close)

  describe("lock", function()
    it("gives an editor the only lock, and a view that commits when it is closed", function()
      do
        local view <close> = e:lock()
        view.n = 5
        assert.equal(0, r:read("n"))
        local child = spawn([[
          print(select(3, assert(ipmmap.editor(S, { mmap_dir = dir })):try_lock()))
          print(select(3, assert(ipmmap.reader(S, { mmap_dir = dir })):try_lock(0.01)))
        ]], dir)
        child:expect("timeout")
        child:expect("timeout")
        child:join()
      end
      assert.equal(5, r:read("n"))
      assert.is_truthy(e:try_lock())
    end)

    it("rolls back when the block ends by an error", function()
      e:write("n", 1)
      local version = e:version()
      raises("^oops$", function()
        local view <close> = e:lock()
        view.n = 2
        view.inners[3].x = 4
        error("oops", 0)
      end)
      assert.same({ 1, 0.0, version }, { r:read("n"), r:read("inners[3].x"), r:version() })
      assert.is_truthy(e:try_lock())
    end)

    it("lets readers in together and writers not", function()
      local child = holder("reader", dir)
      do
        local view <close> = r:lock()
        assert.equal(0, view.n)
      end
      local view, message, code = e:try_lock(0.02)
      assert.same({ nil, "timeout" }, { view, code })
      assert.matches("CMethod", message)
      child:send("")
      child:expect("released")
      assert.is_truthy(e:try_lock())
    end)

    it("waits until the other lets go", function()
      local child = holder("editor", dir)
      local waiter = spawn([[
        local r = assert(ipmmap.reader(S, { mmap_dir = dir }))
        print("waits")
        local view <close> = r:lock()
        print("has it")
      ]], dir)
      waiter:expect("waits")
      child:send("")
      waiter:expect("has it")
      waiter:join()
    end)

    it("raises when this thread has it already", function()
      e:lock()
      raises("CMethod.*lock", e.lock, e)
      raises("lock", e.try_lock, e)
      raises("lock", e.with, e, print)
      e:unlock()
      r:lock()
      raises("lock", r.lock, r)
      r:unlock()
    end)

    it("gives a view that raises after its lock was released", function()
      local view = e:lock()
      local inner, inners = view.inner, view.inners
      e:unlock()
      local used = "view used after its lock was released"
      raises(used, function() return view.n end)
      raises(used, function() view.n = 1 end)
      raises(used, function() return inner.x end)
      raises(used, function() inner.x = 2 end)
      raises(used, function() return inners[1] end)
      raises(used, function() return #inners end)
      raises(used, function() return pairs(view) end)
      raises(used, function() for _ in ipairs(inners) do error("walked") end end)
      raises(used, ipmmap.totable, view)
      raises(used, ipmmap.bytes, inner)
      raises(used, ipmmap.setbytes, inner, ("\0"):rep(16))
      raises(used, function() S:new().inner = inner end)
    end)
  end)

  describe("try_lock", function()
    it("tries once, or for so long", function()
      do
        local view <close> = assert(e:try_lock())
        view.n = 3
      end
      do
        local view <close> = assert(r:try_lock(0))
        assert.equal(3, view.n)
      end
      holder("editor", dir):send("")
      assert.is_truthy(e:try_lock(30))
    end)

    it("takes a number of seconds", function()
      for _, seconds in ipairs { "1", 0 / 0, {} } do
        raises("CMethod.*seconds", e.try_lock, e, seconds)
      end
      assert.is_truthy(e:try_lock(math.huge))
    end)
  end)

  describe("unlock", function()
    it("commits, and the closing of the view later does nothing", function()
      do
        local view <close> = e:lock()
        view.n = 8
        e:unlock()
        assert.equal(8, r:read("n"))
      end
      local old = e:lock()
      e:unlock()
      local new = e:lock()
      new.n = 9
      getmetatable(old).__close(old, nil)
      new.n = 10
      e:unlock()
      assert.equal(10, r:read("n"))
    end)

    it("raises without a lock", function()
      for _, h in ipairs { m, e, r } do
        raises("CMethod.*lock", h.unlock, h)
      end
      e:lock()
      e:unlock()
      raises("lock", e.unlock, e)
    end)
  end)

  describe("with", function()
    it("calls the function with the view and the other arguments, and returns its results", function()
      local results = table.pack(e:with(function(view, ...)
        view.n = 4
        return view.n, nil, ...
      end, "a", nil))
      assert.equal(4, results.n)
      assert.same({ 4, nil, "a" }, { table.unpack(results, 1, 3) })
      assert.equal(4, r:with(function(view) return view.n end))
      assert.equal(0, select("#", e:with(function() end)))
    end)

    it("rolls back on an error, which goes on as it is", function()
      local thrown = setmetatable({}, { __tostring = function() return "thrown" end })
      local ok, got = pcall(e.with, e, function(view)
        view.n = 77
        error(thrown)
      end)
      assert.is_false(ok)
      assert.is_true(rawequal(thrown, got))
      assert.equal(0, r:read("n"))
      assert.is_false(pcall(r.with, r, error, "x"))
      assert.is_truthy(e:try_lock())
    end)

    it("lets the function release the lock itself", function()
      e:with(function(view)
        view.n = 1
        e:rollback()
      end)
      assert.equal(0, r:read("n"))
      e:with(function(view)
        view.n = 2
        e:unlock()
      end)
      assert.equal(2, r:read("n"))
    end)

    it("takes a function", function()
      raises("function", e.with, e)
      raises("function", e.with, e, 5)
      assert.is_truthy(e:try_lock())
    end)

    it("may be left by a yield", function()
      local co = coroutine.wrap(function()
        return e:with(function(view)
          coroutine.yield("inside")
          view.n = 6
          return "done"
        end)
      end)
      assert.equal("inside", co())
      assert.equal("done", co())
      assert.equal(6, r:read("n"))
    end)
  end)
end)

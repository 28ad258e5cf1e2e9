-- The methods of editors and managers, row by row.
local ipmmap = require "ipmmap"
local segment = require "spec.contract.segment"

local spawn, raises = segment.spawn, segment.raises
local S = segment.Struct

describe("the contract of writing:", function()
  local dir, m, e, r, opened_at
  before_each(function()
    opened_at = ipmmap.now()
    dir, m, e, r = segment.open()
  end)
  after_each(segment.close)

  describe("write", function()
    it("outside a lock is a whole transaction", function()
      e:write("n", 5)
      e:write("inners[2].x", 1.5)
      e:write("inner", { k = 2 })
      e:write("inners", { { k = 1 }, { k = 2 } })
      e:write("text", "hello")
      assert.same({ 5, 1.5, 2, 2, "hello" }, { r:read("n"), r:read("inners[2].x"), r:read("inner.k"),
        r:read("inners[2].k"), r:read("text") })
    end)

    it("inside the handle's lock is part of that transaction", function()
      e:lock()
      e:write("n", 5)
      e:set { b = 3 }
      assert.equal(7, e:add("n", 2))
      assert.same({ 0, 0 }, { r:read("n"), r:read("b") })
      e:rollback()
      assert.same({ 0, 0 }, { r:read("n"), r:read("b") })
      e:lock()
      e:write("n", 5)
      e:unlock()
      assert.equal(5, r:read("n"))
    end)

    it("raises for a wrong path or value, and changes and holds nothing", function()
      raises("CMethod.*nope", e.write, e, "nope", 1)
      raises("CMethod.*inners%[5%]", e.write, e, "inners[5].x", 1)
      raises("CMethod.*inners%[2%]%.k.*128", e.write, e, "inners[2].k", 128)
      raises("CMethod.*n", e.write, e, "n")
      raises("CMethod.*inners%[2%]%.k", e.write, e, "inners", { { k = 1 }, { k = "x" } })
      assert.equal(0, r:read("inners[1].k"))
      assert.is_truthy(m:try_lock())
    end)
  end)

  describe("set", function()
    it("takes nested tables, all or nothing", function()
      e:set { n = 1, inner = { x = 2 }, inners = { { k = 1 }, { k = 2 } } }
      assert.same({ 1, 2.0, 2 }, { r:read("n"), r:read("inner.x"), r:read("inners[2].k") })
      local before = ipmmap.bytes(r:snapshot())
      for _, bad in ipairs {
        { n = 2, b = 1, nope = 3 }, { n = 2, inner = { nope = 1 } }, { n = 2, b = 256 },
        { n = 2, inners = { { k = 9 }, { k = 999 } } }, { n = 2, [1] = 3 },
      } do
        raises("CMethod", e.set, e, bad)
        assert.equal(before, ipmmap.bytes(r:snapshot()))
      end
      raises("table", e.set, e, 5)
      raises("table", e.set, e)
      assert.is_truthy(m:try_lock())
    end)

    it("leaves the transaction around it as it was when it fails", function()
      e:lock()
      e:write("n", 4)
      raises("CMethod.*b", e.set, e, { n = 5, f = 3, b = 256 })
      assert.same({ 4, 0.0 }, { e:read("n"), e:read("f") })
      e:unlock()
      assert.same({ 4, 0.0 }, { r:read("n"), r:read("f") })
    end)
  end)

  describe("add", function()
    it("returns the new value", function()
      assert.equal(5, e:add("n", 5))
      assert.equal(3, e:add("n", -2))
      assert.equal(4, e:add("n", 1.0))
      assert.equal("integer", math.type(e:add("n", 1.0)))
      assert.equal(1.5, e:add("d", 1.5))
      assert.equal(3.5, e:add("d", 2))
      assert.equal(0.25, e:add("f", 0.25))
      assert.equal(2, e:add("inners[4].k", 2))
      assert.same({ 5, 3.5, 2 }, { r:read("n"), r:read("d"), r:read("inners[4].k") })
    end)

    it("never wraps", function()
      e:set { n = 2147483647, b = 255, l = math.maxinteger, u = -1, f = 3e38 }
      local before = ipmmap.bytes(r:snapshot())
      raises("CMethod.*n: 2147483647 %+ 1 .*int32", e.add, e, "n", 1)
      raises("CMethod.*b: 255 %+ 1 .*uint8", e.add, e, "b", 1)
      raises("CMethod.*l", e.add, e, "l", 1)
      raises("CMethod.*u", e.add, e, "u", 1)
      raises("CMethod.*f", e.add, e, "f", 3e38)
      raises("CMethod.*b", e.add, e, "b", -256)
      raises("CMethod.*n", e.add, e, "n", 0.5)
      assert.equal(before, ipmmap.bytes(r:snapshot()))
      e:set { l = math.mininteger, u = 0 }
      raises("CMethod.*l", e.add, e, "l", -1)
      raises("CMethod.*u", e.add, e, "u", -1)
    end)

    it("takes numbers only", function()
      for _, path in ipairs { "flag", "text", "inner", "inners", "nope" } do
        raises("CMethod.*" .. path, e.add, e, path, 1)
      end
      for _, n in ipairs { "1", true, {} } do raises("CMethod.*n", e.add, e, "n", n) end
      raises("CMethod.*n", e.add, e, "n")
      assert.is_truthy(m:try_lock())
    end)

    it("is atomic between processes", function()
      local children = {}
      for i = 1, 2 do
        children[i] = spawn([[
          local e = assert(ipmmap.editor(S, { mmap_dir = dir }))
          print("ready")
          io.read()
          for _ = 1, 2000 do e:add("n", 1) end
        ]], dir)
        children[i]:expect("ready")
      end
      for _, child in ipairs(children) do child:send("") end
      for _, child in ipairs(children) do child:join() end
      assert.equal(4000, r:read("n"))
    end)
  end)

  describe("rollback", function()
    it("undoes all since lock and releases", function()
      e:write("n", 1)
      local view = e:lock()
      view.n, view.text, view.inners[4].x = 5, "abc", 3
      e:rollback()
      assert.same({ 1, "", 0.0 }, { r:read("n"), r:read("text"), r:read("inners[4].x") })
      raises("view used after", function() return view.n end)
      assert.is_truthy(m:try_lock())
      raises("CMethod.*lock", e.rollback, e)
    end)
  end)

  describe("last_update, touch and clear", function()
    it("is the time of the creation, then of the last touch", function()
      local created = r:last_update()
      assert.equal("float", math.type(created))
      assert.is_true(opened_at <= created and created <= ipmmap.now())
      e:write("n", 1)
      assert.equal(created, r:last_update())
      e:touch()
      assert.is_true(r:last_update() > created)
      assert.equal(r:last_update(), r:read("header.time_stamp"))
    end)

    it("zeroes every field and the time stamp, but not the header code", function()
      e:set { n = 1, text = "abc", inners = { { x = 1 }, {}, {}, { k = 4 } } }
      e:clear()
      assert.equal("\x28\x11" .. ("\0"):rep(S.size - 2), ipmmap.bytes(r:snapshot()))
      assert.equal(0.0, r:last_update())
    end)

    it("belongs to the transaction that it is called in", function()
      e:write("n", 5)
      local stamp = r:last_update()
      local view = e:lock()
      e:touch()
      e:clear()
      assert.equal(0, view.n)
      assert.same({ 5, stamp }, { r:read("n"), r:last_update() })
      e:rollback()
      assert.same({ 5, stamp }, { r:read("n"), r:last_update() })
      e:lock()
      e:clear()
      e:touch()
      e:unlock()
      assert.equal(0, r:read("n"))
      assert.is_true(r:last_update() > 0)
    end)

    it("is the only way to the header", function()
      local before = ipmmap.bytes(r:snapshot())
      raises("CMethod.*header%.time_stamp", e.write, e, "header.time_stamp", 5)
      raises("CMethod.*header%.header_code", e.write, e, "header.header_code", 5)
      raises("CMethod.*header", e.write, e, "header", { time_stamp = 5 })
      raises("CMethod.*header", e.add, e, "header.time_stamp", 5)
      raises("CMethod.*header", e.set, e, { n = 4, header = { time_stamp = 5 } })
      e:set(ipmmap.totable(r:snapshot()))
      local view = e:lock()
      raises("CMethod.*header", function() view.header.time_stamp = 5 end)
      raises("CMethod.*header", function() view.header = { time_stamp = 5 } end)
      raises("CMethod.*header", function() view.header = S:new().header end)
      raises("CMethod.*header", ipmmap.setbytes, view.header, ("x"):rep(16))
      e:unlock()
      assert.equal(before, ipmmap.bytes(r:snapshot()))
      raises("CMethod.*header", e.with, e, ipmmap.setbytes, ("x"):rep(S.size))
      e:with(ipmmap.setbytes, before:sub(1, 16) .. ("\1"):rep(S.size - 16))
      assert.same({ ("\1"):rep(8), before:sub(1, 16) }, { r:read("text"), ipmmap.bytes(r:read("header")) })
    end)
  end)

  describe("flush", function()
    it("returns outside a lock and inside", function()
      e:write("n", 1)
      e:flush()
      e:lock()
      e:write("n", 2)
      e:flush()
      e:rollback()
      assert.equal(1, r:read("n"))
    end)
  end)

  describe("destroy", function()
    it("removes both files, and handles elsewhere say `replaced`", function()
      local child = spawn([[
        local e = assert(ipmmap.editor(S, { mmap_dir = dir }))
        local r = assert(ipmmap.reader(S, { mmap_dir = dir }))
        local version = e:version()
        print("open")
        print(select(3, e:wait(version)))
        print(select(3, e:try_lock()), select(3, r:try_lock(5)))
        for _, call in ipairs {
          function() e:lock() end, function() e:with(print) end, function() e:write("n", 1) end,
          function() e:set { n = 1 } end, function() e:add("n", 1) end, function() e:touch() end,
          function() e:clear() end, function() r:lock() end, function() r:read("n") end,
          function() r:snapshot() end, function() e:read("n") end,
        } do
          local ok, err = pcall(call)
          io.write(ok and "ok" or err.code, " ")
        end
        print()
        e:close()
        r:close()
      ]], dir)
      child:expect("open")
      m:destroy()
      local file = io.open(dir .. "/CMethod_.mmap")
      assert.is_nil(file)
      assert.is_nil(io.open(dir .. "/CMethod_.lock"))
      child:expect("replaced")
      child:expect("replaced\treplaced")
      child:expect(("replaced "):rep(11))
      child:join()
      local again <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true }))
      again:write("n", 1)
      assert.is_false(pcall(m.write, m, "n", 2))
      assert.equal(1, again:read("n"))
    end)
  end)
end)

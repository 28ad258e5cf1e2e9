-- The other methods that all handles have, row by row.
local ipmmap = require "ipmmap"
local segment = require "spec.contract.segment"

local spawn, holder, raises = segment.spawn, segment.holder, segment.raises
local S = segment.Struct

describe("the contract of reading:", function()
  local dir, m, e, r
  before_each(function() dir, m, e, r = segment.open() end)
  after_each(segment.close)

  describe("read", function()
    it("gives one field by its path", function()
      m:set { n = 1, inners = { {}, {}, { x = 3 } }, text = "abc", flag = true, u = -1 }
      for _, h in ipairs { m, e, r } do
        assert.same({ 1, 3.0, "abc", true, -1 },
          { h:read("n"), h:read("inners[3].x"), h:read("text"), h:read("flag"), h:read("u") })
      end
    end)

    it("outside a lock gives what was committed, and inside what the lock sees", function()
      local view <close> = e:lock()
      view.n = 5
      assert.same({ 5, 0, 0 }, { e:read("n"), m:read("n"), r:read("n") })
      assert.equal(5, e:read("n"))
    end)

    it("gives an aggregate as a detached value", function()
      m:write("inner", { x = 1, k = 2 })
      local inner, inners = r:read("inner"), r:read("inners")
      m:write("inner.k", 3)
      r:close()
      assert.same({ x = 1.0, k = 2 }, ipmmap.totable(inner))
      assert.equal(4, #inners)
      inner.k = 9
      assert.equal(3, m:read("inner.k"))
      local view <close> = e:lock()
      local copy = e:read("inner")
      view.inner.k = 4
      assert.equal(3, copy.k)
    end)

    it("raises for a path that is not there, naming struct and path", function()
      for _, h in ipairs { m, e, r } do
        for _, path in ipairs { "nope", "inner.nope", "inners[5].x", "inners[0]", "inners[1", "n.x", "n[1]", "." } do
          local message = raises("CMethod", h.read, h, path)
          assert.is_truthy(message:find(path, 1, true), message)
        end
        raises("CMethod.*path", h.read, h)
        raises("CMethod: 5.*path", h.read, h, 5)
      end
    end)

    it("does not wait for an editor that is stopped inside its lock", function()
      local child = spawn([[
        local e = assert(ipmmap.editor(S, { mmap_dir = dir }))
        local view = e:lock()
        view.n, view.text = 5, "dirty"
        print("inside")
        io.read()
      ]], dir)
      child:expect("inside")
      child:stop()
      assert.same({ 0, "" }, { r:read("n"), r:read("text") })
      assert.equal(0, r:snapshot().n)
      assert.equal(0, e:snapshot().n)
      child:kill()
      child:wait()
      assert.equal(0, r:snapshot().n)
      assert.equal(0, r:read("n"))
    end)
  end)

  describe("snapshot", function()
    it("is the whole struct as last committed", function()
      m:set { n = 1, inner = { k = 3 } }
      local view <close> = e:lock()
      view.n = 2
      for _, h in ipairs { m, e, r } do
        local value = h:snapshot()
        assert.same({ 1, 3, 0x1128 }, { value.n, value.inner.k, value.header.header_code })
        assert.equal(S.size, #ipmmap.bytes(value))
      end
    end)

    it("goes into the value given", function()
      local value = S:new { n = 9 }
      m:write("n", 4)
      assert.is_true(rawequal(value, r:snapshot(value)))
      assert.equal(4, value.n)
      m:write("n", 5)
      assert.equal(4, value.n)
    end)

    it("raises for what is no value of the struct", function()
      local other = ipmmap.struct("CMOther", { { "n", "int32" } }):new()
      for _, bad in ipairs { other, 5, {}, "x", S, S:new().inner } do
        raises("CMethod", r.snapshot, r, bad)
      end
      local view <close> = e:lock()
      raises("", r.snapshot, r, view)
      assert.equal(0, view.n)
    end)
  end)

  describe("version and wait", function()
    it("grows with every commit, and only then", function()
      local version = r:version()
      assert.equal("integer", math.type(version))
      for _, commit in ipairs {
        function() e:write("n", 1) end, function() e:set { n = 2 } end, function() e:add("n", 1) end,
        function() e:touch() end, function() e:clear() end,
        function() e:with(function(view) view.n = 4 end) end,
      } do
        commit()
        for _, h in ipairs { m, e, r } do assert.is_true(h:version() > version) end
        version = r:version()
      end
      e:lock().n = 9
      assert.equal(version, r:version())
      e:rollback()
      assert.equal(version, r:version())
      pcall(e.write, e, "n", "x")
      assert.equal(version, r:version())
    end)

    it("returns at once if there was a commit after the version", function()
      local version = r:version()
      e:write("n", 1)
      assert.equal(r:version(), r:wait(version))
      assert.equal(r:version(), r:wait(version, 0))
    end)

    it("returns nil, a message and `timeout` where no commit came", function()
      for _, seconds in ipairs { 0, 0.02 } do
        local version, message, code = r:wait(r:version(), seconds)
        assert.same({ nil, "string", "timeout" }, { version, type(message), code })
        assert.matches("CMethod", message)
      end
    end)

    it("wakes every waiter in other processes", function()
      local children = {}
      for i, role in ipairs { "reader", "editor", "manager" } do
        children[i] = spawn(([[
          local h = assert(ipmmap.%s(S, { mmap_dir = dir }))
          print("waits")
          print(h:wait(%d))
        ]]):format(role, e:version()), dir)
        children[i]:expect("waits")
      end
      e:write("n", 1)
      for _, child in ipairs(children) do
        child:expect(tostring(e:version()))
        child:join()
      end
    end)

    it("takes a version and seconds", function()
      raises("CMethod.*version", r.wait, r)
      raises("CMethod.*1", r.wait, r, "1")
      raises("CMethod.*%-1.*version", r.wait, r, -1)
      raises("CMethod.*version", r.wait, r, 1.5)
      raises("CMethod.*seconds", r.wait, r, 0, "1")
      raises("CMethod.*seconds", r.wait, r, 0, 0 / 0)
    end)
  end)

  describe("info", function()
    it("tells what the handle is", function()
      local info = r:info()
      assert.same({ "CMethod", "", dir .. "/CMethod_.mmap", dir .. "/CMethod_.lock", S.size, r:version(), false },
        { info.name, info.tag, info.path, info.lock_path, info.size, info.version, info.writable })
      assert.same({ 0, 0 }, { info.recoveries, info.readers })
      assert.is_true(e:info().writable)
      assert.is_true(m:info().writable)
    end)

    it("counts readers and recoveries and names the writer", function()
      local child = holder("reader", dir)
      assert.equal(1, r:info().readers)
      child:send("")
      child:expect("released")
      assert.equal(0, r:info().readers)
      child = holder("editor", dir)
      assert.equal(child.pid, r:info().writer_pid)
      child:kill()
      child:wait()
      e:write("n", 3)
      child = spawn([[
        local view = assert(ipmmap.editor(S, { mmap_dir = dir })):lock()
        view.n = 4
        print("inside")
        io.read()
      ]], dir)
      child:expect("inside")
      child:kill()
      child:wait()
      e:write("b", 1)
      assert.equal(1, r:info().recoveries)
      assert.equal(3, r:read("n"))
    end)
  end)

  describe("close", function()
    it("rolls back what an editor has not committed, and is harmless again", function()
      local view = e:lock()
      view.n = 5
      e:close()
      e:close()
      assert.equal(0, r:read("n"))
      raises("view used after its lock was released", function() return view.n end)
      assert.is_truthy(m:try_lock())
    end)

    it("makes every method raise", function()
      r:lock()
      for _, h in ipairs { r, e, m } do
        h:close()
        for method, args in pairs {
          lock = {}, try_lock = {}, unlock = {}, with = { print }, read = { "n" }, snapshot = {}, version = {},
          wait = { 0 }, last_update = {}, info = {},
        } do
          raises("CMethod.*closed", h[method], h, table.unpack(args))
        end
      end
      for method, args in pairs {
        write = { "n", 1 }, set = { {} }, add = { "n", 1 }, rollback = {}, touch = {}, clear = {}, flush = {},
        destroy = {},
      } do
        raises("CMethod.*closed", m[method], m, table.unpack(args))
      end
      assert.matches("closed", tostring(r))
    end)

    it("is done by the end of a block and by the collector", function()
      do
        local h <close> = assert(ipmmap.editor(S, { mmap_dir = dir }))
        h:lock().n = 5
      end
      do
        local h = assert(ipmmap.editor(S, { mmap_dir = dir }))
        h:lock().n = 6
      end
      collectgarbage()
      collectgarbage()
      local view <close> = assert(e:try_lock())
      assert.equal(0, view.n)
    end)
  end)
end)

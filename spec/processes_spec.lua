local ipmmap = require "ipmmap"
local demo = require "spec.helper.demo"
local either = require "spec.helper.either"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

-- Longer than the waits in the core last without a look at the clock. In LuaJIT a thread that waits for
-- a second is the last in the queue again.
local LONG = either.is_jit and 0.3 or 0.7

describe("several processes", function()
  local dir, prelude, open, manager

  before_each(function()
    dir = tmpdir()
    prelude, open = demo(dir)
    manager = assert(open("manager", { create = true }))
  end)

  after_each(function()
    manager:close()
  end)

  local function spawn(source, ...)
    return process.spawn(prelude .. source, ...)
  end

  local HOLD = [[
    local role = ...
    assert(open(role)):with(function(view)
      if view.count == 0 and role ~= "reader" then
        view.count = 7
        view.text = "half"
      end
      print("held")
      io.read()
    end)
    print("released")
  ]]

  it("read the commits of each other", function()
    local reader = spawn [[
      local reader = assert(open("reader"))
      print(reader:read("count"), reader:read("text"), reader:version())
    ]]
    reader:expect("0\t\t0")
    reader:join()
    manager:set { count = 5, text = "hello" }
    reader = spawn [[
      local reader = assert(open("reader"))
      print(reader:read("count"), reader:read("text"), reader:version())
    ]]
    reader:expect("5\thello\t1")
    reader:join()
  end)

  it("exclude each other as writers", function()
    local holder = spawn(HOLD, "editor")
    holder:expect("held")
    local result, message, code = manager:try_with(0.01, print)
    assert.is_nil(result)
    assert.equal("timeout", code)
    assert.matches("Demo", message)
    assert.equal(holder.pid, manager:info().writer_pid)
    holder:send("go on")
    holder:expect("released")
    holder:join()
    manager:with(function(data) assert.equal(7, data.count) end)
  end)

  it("share the read lock, which a writer waits for", function()
    local holder = spawn(HOLD, "reader")
    holder:expect("held")
    assert.equal("timeout", select(3, manager:try_with(0.01, print)))
    local other = spawn(HOLD, "reader")
    other:expect("held")
    assert.equal(2, manager:info().readers)
    holder:send("go on")
    other:send("go on")
    holder:expect("released")
    other:expect("released")
    assert.equal(0, manager:info().readers)
    manager:with(function() assert.equal(posix.getpid(), manager:info().writer_pid) end)
  end)

  it("can read without the lock while a writer holds the lock, is stopped or has died", function()
    manager:set { count = 1, text = "before" }
    local reader = assert(open("reader"))
    local writer = spawn [[
      assert(open("editor")):with(function(data)
        data.count = 2
        data.text = "after"
        print("held")
        io.read()
      end)
    ]]
    writer:expect("held")
    local function look()
      assert.equal(1, reader:read("count"))
      local copy = reader:snapshot()
      assert.same({ 1, "before" }, { copy.count, copy.text })
      assert.equal(1, reader:version())
    end
    look()
    writer:stop()
    look()
    assert.equal(0, manager:info().recoveries)
    writer:kill()
    writer:wait()
    look()
    for _, handle in ipairs { reader, manager } do
      handle:with(function(view) assert.same({ 1, "before" }, { view.count, view.text }) end)
    end
    assert.equal(1, manager:info().recoveries)
    look()
    reader:close()
  end)

  it("get the lock when its holder is killed", function()
    local holder = spawn(HOLD, "editor")
    holder:expect("held")
    local waiter = spawn [[
      local editor = assert(open("editor"))
      print("waits")
      editor:with(function(data) print(data.count) end)
    ]]
    waiter:expect("waits")
    holder:kill()
    waiter:expect("0")
    waiter:join()
  end)

  it("have nothing to recover if a writer dies before it changes anything", function()
    manager:write("count", 3)
    local holder = spawn(HOLD, "editor") -- changes nothing, because count is not 0
    holder:expect("held")
    holder:kill()
    holder:wait()
    manager:write("twin", 1)
    assert.equal(0, manager:info().recoveries)
    assert.equal(3, manager:read("count"))
  end)

  -- Returns when the process sleeps in a futex call, as it does in the lock's queue.
  local function await_sleep(child)
    local number
    repeat
      local file = assert(io.open(("/proc/%d/syscall"):format(child.pid)))
      number = tonumber(file:read("*l"):match("^%d+"))
      file:close()
    until number == 202 or number == 98 -- the number of futex on x86_64, and on other machines
  end

  it("keep their places in the lock's queue, however long they wait", function()
    local holder = spawn(HOLD, "editor")
    holder:expect("held")
    local waiters = {}
    for i = 1, 2 do
      waiters[i] = spawn([[
        local number = ...
        assert(open("editor")):with(function(data) data.count = data.count * 10 + number end)
      ]], i)
      await_sleep(waiters[i])
      ipmmap.sleep(LONG)
    end
    holder:send("release")
    for i = 1, 2 do waiters[i]:join() end
    assert.equal(712, manager:read("count"))
  end)

  it("return from wait when another process commits or destroys the segment", function()
    local waiter = spawn [[
      local reader = assert(open("reader"))
      local version = reader:version()
      print("waits")
      for _ = 1, 3 do
        version = reader:wait(version)
        print(version, reader:read("count"))
      end
      print("waits")
      print(select(3, reader:wait(version)))
    ]]
    waiter:expect("waits")
    for i = 1, 3 do
      manager:write("count", i * 10)
      waiter:expect(i .. "\t" .. i * 10)
    end
    waiter:expect("waits")
    manager:destroy()
    waiter:expect("replaced")
    waiter:join()
  end)

  it("are all woken by one commit", function()
    local waiters = {}
    for i, role in ipairs { "reader", "editor", "manager" } do
      waiters[i] = spawn([[
        local handle = assert(open(...))
        print("waits")
        print(handle:wait(0))
      ]], role)
      waiters[i]:expect("waits")
    end
    manager:write("count", 1)
    for _, waiter in ipairs(waiters) do
      waiter:expect("1")
      waiter:join()
    end
  end)

  it("lose none of their additions", function()
    local adders = {}
    for i = 1, 2 do
      adders[i] = spawn [[
        local editor = assert(open("editor"))
        print("ready")
        io.read()
        for _ = 1, 2000 do editor:add("count", 1) end
      ]]
      adders[i]:expect("ready")
    end
    for _, adder in ipairs(adders) do adder:send("go on") end
    for _, adder in ipairs(adders) do adder:join() end
    assert.equal(4000, manager:read("count"))
  end)

  it("do not count a rollback as a commit", function()
    local version = manager:version()
    manager:with(function(data)
      data.count = 9
      manager:rollback()
    end)
    assert.equal(version, manager:version())
    assert.equal("timeout", select(3, manager:wait(version, 0.01)))
    assert.equal(0, manager:read("count"))
  end)

  it("fail with replaced after force has changed the layout", function()
    local reader = spawn [[
      local reader = assert(open("reader"))
      print("open")
      io.read()
      local ok, err = pcall(reader.read, reader, "count")
      print(ok, err.code)
      print(select(3, reader:try_with(print)))
      print(select(3, open("reader")))
    ]]
    reader:expect("open")
    local maker = process.spawn([[
      local ipmmap = require "ipmmap"
      local Demo = ipmmap.base:extend("Demo", { { "count", "int32" } })
      local none, message, code = ipmmap.manager(Demo, { mmap_dir = ..., create = true })
      print(none, code)
      print(message)
      assert(ipmmap.manager(Demo, { mmap_dir = ..., create = true, force = true }))
    ]], dir)
    maker:expect("nil\tlayout")
    maker:match("count: int64 at 16 in the file, int32 at 16 in the definition")
    maker:join()
    reader:send("go on")
    reader:expect("false\treplaced")
    reader:expect("replaced")
    reader:expect("layout")
    reader:join()
  end)

  it("can force a segment that was replaced while the manager waited for the lock", function()
    local holder = spawn(HOLD, "editor")
    holder:expect("held")
    local forcing = spawn [[
      local handle = assert(open("manager", { create = true, force = true }))
      print(handle:read("count"), handle:version())
    ]]
    repeat local users = manager:users() until users[2] and users[2].pid == forcing.pid
    process.spawn([[
      local ipmmap = require "ipmmap"
      local Demo = ipmmap.base:extend("Demo", { { "count", "int32" } })
      assert(ipmmap.manager(Demo, { mmap_dir = ..., create = true, force = true }))
    ]], dir):join()
    forcing:expect("0\t0")
    forcing:join()
    holder:kill()
    holder:wait()
    assert.equal(0, assert(open("reader")):read("count"))
  end)

  it("go on after force has reset a segment of the same layout in place", function()
    manager:set { count = 5, text = "old" }
    local reader = spawn [[
      local reader = assert(open("reader"))
      local version = reader:version()
      print(reader:read("count"))
      reader:wait(version)
      print(reader:read("count"), reader:read("text"), reader:read("header.header_code"))
      print(reader:last_update() > 0)
    ]]
    reader:expect("5")
    assert(open("manager", { create = true, force = true })):close()
    reader:expect("0\t\t4392")
    reader:expect("true")
    reader:join()
  end)

  it("fail with forked in the child of a fork, where closing a handle keeps the parent's lock", function()
    manager:with(function(view)
      view.count = 3
      local child = process.fork(function()
        local ok, err = pcall(manager.read, manager, "count")
        print(ok, err.code)
        print(pcall(function() return view.count end) and "readable" or "raises")
        manager:close()
        collectgarbage()
        local own = assert(open("editor"))
        print(select(3, own:try_with(print)))
        own:close()
      end)
      child:expect("false\tforked")
      child:expect("raises")
      child:expect("timeout")
      child:join()
      view.count = 4
    end)
    assert.equal(4, manager:read("count"))
  end)

  it("can open a segment after its only user was killed while it held the lock", function()
    manager:close()
    local first = spawn(HOLD, "editor")
    first:expect("held")
    first:kill()
    first:wait()
    local editor = assert(open("editor"))
    editor:with(function(data) assert.equal(0, data.count) end)
    assert.equal(1, editor:info().recoveries)
    editor:close()
    manager = assert(open("manager"))
  end)

  it("read whole commits and are not blocked while editors are killed again and again", function()
    local reader = assert(open("reader"))
    local locked = assert(open("reader"))
    for round = 1, 40 do
      local writer = spawn [[
        local editor = assert(open("editor"))
        print("writes")
        local function update(data)
          local n = data.count + 1
          data.count = n
          for i = 1, 24 do data.points[i] = { x = n, y = -n } end
          data.twin = n
        end
        while true do editor:with(update) end
      ]]
      writer:expect("writes")
      for _ = 1, round % 7 do
        local copy = reader:snapshot()
        assert.equal(copy.count, copy.twin)
      end
      writer:kill()
      writer:wait()
      local copy = reader:snapshot()
      assert(locked:try_with(5, function(view)
        assert.equal(view.count, view.twin)
        assert.equal(copy.count, view.count)
        for _, point in ipmmap.ipairs(view.points) do
          assert.equal(view.count, point.x)
          assert.equal(-view.count, point.y)
        end
        return true
      end))
    end
    assert.is_true(reader:read("count") > 0)
    reader:close()
    locked:close()
  end)
end)

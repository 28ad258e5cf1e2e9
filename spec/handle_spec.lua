local ipmmap = require "ipmmap"
local core = require("ipmmap.compat").core
local exists = require "spec.helper.exists"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local somebody = require "spec.helper.somebody"

local S = ipmmap.base:extend("HandleSpec", { { "number", "int32" } })

describe("a handle", function()
  local dir, manager, reader, before_opening
  before_each(function()
    before_opening = ipmmap.now()
    dir, manager, reader = segment.make(S, { "reader" }, { tag = "t" })
  end)
  after_each(segment.close)

  it("returns information about its segment", function()
    manager:write("number", 1)
    local info = manager:info()
    local last_commit, attached = info.last_commit, info.attached
    assert.is_true(last_commit > os.time() - 10 and last_commit < os.time() + 1)
    assert.equal(2, #attached)
    info.last_commit, info.attached = nil, nil
    assert.same({
      name = "HandleSpec", role = "manager", tag = "t", path = dir .. "/HandleSpec_t.mmap",
      lock_path = dir .. "/HandleSpec_t.lock", size = S.size, feed = 0, version = manager:version(),
      recoveries = 0, writable = true, lockable = true, replaced = false, max_readers = 128, readers = 0,
      writer_pid = 0, pending = false,
      last_writer = { pid = posix.getpid(), start = attached[1].start, alive = true },
      share = manager:share(),
    }, info)
    assert.is_false(reader:info().writable)
    manager:with(function() assert.equal(posix.getpid(), reader:info().writer_pid) end)
    reader:with(function() assert.equal(1, manager:info().readers) end)
  end)

  it("has its class and file in its tostring", function()
    assert.equal("ipmmap.manager: " .. dir .. "/HandleSpec_t.mmap", tostring(manager))
    assert.equal("ipmmap.reader: " .. dir .. "/HandleSpec_t.mmap", tostring(reader))
    reader:close()
    assert.equal("ipmmap.reader (closed)", tostring(reader))
  end)

  it("counts commits in version", function()
    local before = reader:version()
    manager:write("number", 1)
    assert.equal(before + 1, reader:version())
    manager:with(function(data) data.number = 2; data.number = 3 end)
    assert.equal(before + 2, reader:version())
    manager:with(function() end)
    pcall(manager.with, manager, function(data) data.number = 4; error "no" end)
    assert.equal(before + 2, reader:version())
    for i, commit in ipairs {
      function() manager:set { number = 2 } end, function() manager:add("number", 1) end,
      function() manager:touch() end, function() manager:clear() end,
    } do
      commit()
      assert.equal(before + 2 + i, reader:version())
    end
    assert.matches("^%d+$", tostring(reader:version()))
  end)

  it("waits for a commit, or returns at once if there was one", function()
    local before = reader:version()
    manager:write("number", 1)
    assert.equal(before + 1, reader:wait(before))
    assert.equal(before + 1, reader:wait(before, 0))
    local now, message, code = reader:wait(before + 1, 0.01)
    assert.is_nil(now)
    assert.equal("timeout", code)
    assert.matches("HandleSpec", message)
    assert.equal("timeout", select(3, reader:wait(before + 1, -5)))
    assert.error_matches(function() reader:wait() end, "HandleSpec.*version")
    assert.error_matches(function() reader:wait("1") end, "HandleSpec.*1")
    assert.error_matches(function() reader:wait(1.5) end, "HandleSpec.*version")
    assert.error_matches(function() reader:wait(-1) end, "HandleSpec.*%-1.*version")
    assert.error_matches(function() reader:wait(before + 1, "1") end, "HandleSpec.*seconds")
    assert.error_matches(function() reader:wait(before + 1, 0 / 0) end, "HandleSpec.*seconds")
  end)

  it("refuses to sleep while it holds its own lock", function()
    manager:with(function()
      assert.has_error(function() manager:wait(manager:version()) end)
    end)
  end)

  it("is woken by the commit of another process", function()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      local S = ipmmap.base:extend("HandleSpec", { { "number", "int32" } })
      local reader = assert(ipmmap.reader(S, { mmap_dir = ..., tag = "t" }))
      local version = reader:version()
      print "ready"
      print(reader:wait(version) > version, reader:read "number")
    ]], dir)
    child:expect "ready"
    manager:write("number", 42)
    child:expect "true\t42"
  end)

  it("returns the time when the segment was last touched", function()
    local created = reader:last_update()
    assert.truthy(before_opening <= created and created <= ipmmap.now())
    manager:touch()
    assert.truthy(reader:last_update() > created)
    assert.equal(reader:last_update(), reader:read "header.time_stamp")
    manager:with(function(data)
      manager:touch()
      assert.equal(data.header.time_stamp, manager:last_update())
    end)
  end)

  it("clears everything but the header's code", function()
    manager:write("number", 4)
    manager:clear()
    local copy = reader:snapshot()
    assert.equal(0, copy.number)
    assert.equal(0.0, copy.header.time_stamp)
    assert.equal(0x1128, copy.header.header_code)
  end)

  it("touches and clears as part of the transaction if it holds its lock", function()
    manager:write("number", 4)
    local stamp = reader:last_update()
    manager:with(function()
      manager:clear()
      assert.equal(0, manager:read "number")
      assert.equal(4, reader:read "number")
      manager:touch()
      manager:rollback()
    end)
    assert.equal(4, reader:read "number")
    assert.equal(stamp, reader:last_update())
    manager:with(function()
      manager:clear()
      manager:touch()
    end)
    assert.equal(0, reader:read "number")
    assert.truthy(reader:last_update() > 0)
  end)

  it("can flush with and without its lock", function()
    manager:write("number", 4)
    manager:flush()
    manager:with(function(data)
      data.number = 5
      manager:flush()
      manager:rollback()
    end)
    assert.equal(4, reader:read "number")
  end)

  it("as an editor can do all that a manager can, except to destroy", function()
    local editor = segment.open("editor", S, { mmap_dir = dir, tag = "t" })
    editor:with(function(data) data.number = 1 end)
    editor:set { number = editor:read "number" + 1 }
    assert.equal(3, editor:add("number", 1))
    local stamp = reader:last_update()
    editor:touch()
    assert.truthy(reader:last_update() > stamp)
    editor:flush()
    editor:clear()
    assert.equal(0, reader:read "number")
  end)

  it("as a reader reads and waits without the lock if it may not write to the lock file", function()
    local argv, why = somebody()
    if not argv then return pending(why) end
    manager:write("number", 6)
    assert(os.execute(("chmod 755 %s && chmod 644 %s/HandleSpec_t.mmap %s/HandleSpec_t.lock"):format(dir, dir, dir)))
    local chunk = ([[
      io.stdout:setvbuf "line"
      local ipmmap = require "ipmmap"
      local S = ipmmap.base:extend("HandleSpec", { { "number", "int32" } })
      local options = { mmap_dir = %q, tag = "t" }
      local reader = assert(ipmmap.reader(S, options))
      print(reader:read "number", reader:snapshot().number, reader:version(), reader:info().writable)
      print(reader:try_with(print))
      local ok, raised = pcall(reader.with, reader, print)
      print(ok, raised.code, raised.message == tostring(raised))
      print(select(3, ipmmap.editor(S, options)))
      print(reader:wait(1, 10), reader:read "number")
      print(select(3, reader:wait(2, 0.01)))
    ]]):format(dir)
    local child = process.start(table.move({ process.LUA, "-e", chunk }, 1, 3, #argv + 1, argv))
    child:expect "6\t6\t1\tfalse"
    child:match "^nil\t.*HandleSpec_t%.lock.*\tpermission$"
    child:expect "false\tpermission\ttrue"
    child:expect "permission"
    manager:write("number", 7)
    child:expect "2\t7"
    child:expect "timeout"
    child:join()
  end)

  it("as a reader cannot write, and as an editor cannot destroy", function()
    local editor = segment.open("editor", S, { mmap_dir = dir, tag = "t" })
    refused("HandleSpec: a reader cannot write", reader.write, reader, "number", 1)
    for _, name in ipairs { "set", "add", "touch", "clear", "flush", "rollback" } do
      refused("HandleSpec: a reader cannot write", reader[name], reader)
    end
    refused("HandleSpec: only a manager can destroy a segment", reader.destroy, reader)
    refused("HandleSpec: only a manager can destroy a segment", editor.destroy, editor)
  end)

  it("fails with replaced after the segment was destroyed", function()
    local editor = segment.open("editor", S, { mmap_dir = dir, tag = "t" })
    manager:destroy()
    assert.is_false(exists(dir .. "/HandleSpec_t.mmap"))
    assert.is_false(exists(dir .. "/HandleSpec_t.lock"))
    for _, handle in ipairs { manager, editor, reader } do
      for _, use in ipairs {
        function() handle:read "number" end,
        function() handle:snapshot() end, function() handle:version() end,
        function() handle:with(print) end,
      } do
        local ok, raised = pcall(use)
        assert.is_false(ok)
        assert.equal("replaced", raised.code)
        assert.truthy(tostring(raised):find(raised.message, 1, true))
      end
      assert.equal("replaced", select(3, handle:try_with(print)))
      assert.equal("replaced", select(3, handle:wait(0)))
    end
    assert.equal("replaced", select(2, pcall(editor.write, editor, "number", 1)).code)
    assert.equal("replaced", select(2, pcall(editor.set, editor, { number = 1 })).code)
    assert.equal("replaced", select(2, pcall(editor.add, editor, "number", 1)).code)
    assert.equal("replaced", select(2, pcall(editor.touch, editor)).code)
    assert.equal("replaced", select(2, pcall(editor.clear, editor)).code)
    assert.matches(dir .. "/HandleSpec_t.mmap", select(2, pcall(editor.clear, editor)).message, 1, true)
    assert.equal(dir .. "/HandleSpec_t.mmap", reader:info().path)
    assert.equal("not_found", select(3, ipmmap.editor(S, { mmap_dir = dir, tag = "t" })))
    local again = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "t" })
    again:write("number", 1)
    assert.equal("replaced", select(2, pcall(manager.write, manager, "number", 2)).code)
    assert.equal(1, again:read "number")
  end)

  it("notices in drain and in wait that its files were removed by hand", function()
    local fd = reader:fd()
    os.execute(("rm '%s/HandleSpec_t.mmap' '%s/HandleSpec_t.lock'"):format(dir, dir))
    assert.is_true(posix.poll(fd, 10))
    local ok, raised = pcall(reader.drain, reader)
    assert.is_false(ok)
    assert.equal("replaced", raised.code)
    assert.is_true(reader:info().replaced)
    assert.equal("replaced", select(2, pcall(reader.read, reader, "number")).code)
    local version = manager:version() -- the manager has not noticed yet
    assert.equal("replaced", select(3, manager:wait(version, 10)))
    assert.equal("replaced", select(2, pcall(manager.write, manager, "number", 1)).code)
  end)

  it("rolls back and releases its lock if the segment is destroyed meanwhile", function()
    manager:with(function(data)
      data.number = 5
      manager:destroy()
      refused("view used after its lock was released", function() return data.number end)
    end)
  end)

  it("can be closed twice, and raises an error afterwards", function()
    manager:close()
    manager:close()
    for _, name in ipairs {
      "lock", "try_lock", "unlock", "rollback", "read", "write", "set", "add", "snapshot",
      "version", "wait", "last_update", "info", "touch", "clear", "flush", "destroy", "with",
      "try_with",
    } do
      refused("HandleSpec: this manager is closed", manager[name], manager,
        name:find "with" and print or "number", 1)
    end
  end)

  it("is closed by the collector", function()
    for _ = 1, 3 do
      ipmmap.editor(S, { mmap_dir = dir, tag = "t" })
      local held = assert(ipmmap.editor(S, { mmap_dir = dir, tag = "t" }))
      local abandoned = coroutine.create(function()
        held:with(function(data)
          data.number = 9
          coroutine.yield()
        end)
      end)
      coroutine.resume(abandoned)
      held, abandoned = nil, nil -- luacheck: ignore 311
      for _ = 1, 4 do collectgarbage() end
      assert.is_true(segment.is_free(manager))
      assert.equal(0, reader:read "number")
    end
  end)

  it("has methods that refuse anything but a handle", function()
    for name, method in pairs(core.methods) do
      for _, wrong in ipairs { 5, {}, "x", io.stdout, S, S:new(), "lock" } do
        assert.has_error(function() method(wrong, name:find "with" and print or "number", 1) end)
      end
      assert.has_error(function() method() end)
    end
    for _, method in ipairs { "__index", "__newindex", "__tostring" } do
      method = getmetatable(manager)[method]
      assert.has_error(function() (type(method) == "function" and method or method.nothing)(S:new(), "x", 1) end)
    end
  end)

  it("of the parent fails in a fork's child, and closing it there has no effect on others", function()
    manager:with(function(data)
      data.number = 5
      local child = process.fork(function()
        local function code(fn, ...)
          local ok, raised = pcall(fn, ...)
          return ok and "fine" or type(raised) == "table" and raised.code or raised
        end
        print(code(function() return data.number end), code(function() data.number = 6 end))
        print(code(manager.unlock, manager), code(manager.with, manager, print))
        print(code(manager.read, manager, "number"), code(manager.write, manager, "number", 1))
        print(code(reader.read, reader, "number"), code(reader.with, reader, print))
        print(select(3, reader:try_with(print)), select(3, reader:wait(0, 1)))
        print(code(reader.snapshot, reader), code(reader.version, reader), code(reader.last_update, reader))
        print(code(manager.touch, manager), code(manager.flush, manager), code(manager.destroy, manager))
        manager:close()
        reader:close()
        local own = assert(ipmmap.reader(S, { mmap_dir = dir, tag = "t" }))
        print(own:read "number", select(3, own:try_with(0, print)))
      end)
      child:expect "forked\tforked"
      child:expect "forked\tforked"
      child:expect "forked\tforked"
      child:expect "forked\tforked"
      child:expect "forked\tforked"
      child:expect "forked\tforked\tforked"
      child:expect "forked\tforked\tforked"
      child:expect "0\ttimeout"
      assert.equal("exit", (child:wait()))
      assert.equal(5, data.number)
    end)
    assert.equal(5, reader:read "number")
  end)

  it("is named in messages where a value is expected", function()
    refused("HandleSpec.number: an ipmmap.manager is not an integer (int32)", manager.write, manager, "number", manager)
    refused("HandleSpec: an ipmmap.reader is neither a table nor a HandleSpec", manager.set, manager, reader)
  end)

  it("lets Ctrl-C interrupt a wait, a lock and a sleep, in a fraction of a second", function()
    local function is_waiting()
      for _, user in ipairs(reader:users()) do
        if user.waits then return true end
      end
    end
    manager:with(function()
      for _, waiting in ipairs {
        "handle:wait(handle:version())", "handle:wait('number')", "handle:with(print)", "handle:try_with(100, print)",
        "handle:write('number', 1)", "handle:add('number', 1)", "handle:max('number', 1)",
        "handle:update('number', print)", "handle:feed():next()", "ipmmap.wait_any{ handle }", "ipmmap.sleep(100)",
      } do
        local child = process.spawn([[
          local ipmmap = require "ipmmap"
          local S = ipmmap.base:extend("HandleSpec", { { "number", "int32" } })
          local handle = assert(ipmmap.editor(S, { mmap_dir = ..., tag = "t" }))
          print "ready"
        ]] .. waiting, dir)
        child:expect "ready"
        local is_for_the_lock = not (waiting:find "wait%(" or waiting:find "sleep"
          or waiting:find "next" or waiting:find "any")
        while is_for_the_lock and not is_waiting() do
          ipmmap.sleep(0.001)
        end
        local before = ipmmap.now()
        child:kill(posix.SIGINT)
        child:match("interrupted!")
        assert.truthy(ipmmap.now() - before < 0.5, waiting)
        local how, status = child:wait()
        assert.equal("exit", how)
        assert.equal(1, status)
      end
    end)
  end)
end)

describe("the time", function()
  it("is in Unix seconds, and passes during a sleep", function()
    local earlier, before, later = os.time(), ipmmap.now(), os.time()
    assert.truthy(earlier <= before and before < later + 1)
    ipmmap.sleep(0.01)
    assert.truthy(ipmmap.now() - before >= 0.01)
    ipmmap.sleep(0)
    ipmmap.sleep(-1)
    for _, wrong in ipairs { "1", {}, 0 / 0 } do
      assert.has_error(function() ipmmap.sleep(wrong) end)
    end
    assert.has_error(function() ipmmap.sleep() end)
  end)
end)

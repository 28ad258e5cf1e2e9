local demo = require "spec.helper.demo"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

describe("what a segment tells about its processes", function()
  local prelude, open, manager

  before_each(function()
    prelude, open = demo(tmpdir())
    manager = assert(open("manager", { create = true }))
  end)
  after_each(function() manager:close() end)

  local COMMIT = [[
    local handle = assert(open(...))
    if ... ~= "reader" then handle:write("count", 5) end
    print("ready")
    io.read()
    handle:close()
    print("closed")
    io.read()
  ]]

  local function spawn(role)
    local child = process.spawn(prelude .. COMMIT, role)
    child:expect("ready")
    return child
  end

  it("is no last commit before the first one", function()
    local info = manager:info()
    assert.is_nil(info.last_commit)
    assert.is_nil(info.last_writer)
  end)

  it("is the last commit, and its writer, alive or gone", function()
    local before = os.time() - 1
    manager:write("count", 1)
    local info = manager:info()
    assert.is_true(info.last_commit >= before and info.last_commit <= os.time() + 1)
    assert.same({ posix.getpid(), true }, { info.last_writer.pid, info.last_writer.alive })
    local child = spawn("editor")
    local reader = assert(open("reader"))
    local writer = reader:info().last_writer
    assert.same({ child.pid, true }, { writer.pid, writer.alive })
    assert.is_true(writer.start >= info.last_writer.start)
    child:kill()
    child:wait()
    assert.same({ pid = child.pid, start = writer.start, alive = false }, reader:info().last_writer)
    reader:close()
  end)

  it("is not the commit of a transaction that was rolled back", function()
    manager:write("count", 1)
    local before = manager:info().last_commit
    local child = process.spawn(prelude .. [[
      assert(open("editor")):with(function(view)
        view.count = 9
        print("changed")
        io.read()
      end)
    ]])
    child:expect("changed")
    child:kill()
    child:wait()
    manager:with(function() end) -- recovers
    local info = manager:info()
    assert.same({ before, posix.getpid(), 1 }, { info.last_commit, info.last_writer.pid, info.recoveries })
  end)

  it("are the handles that living processes have open", function()
    local before = os.time() - 1
    local function attached()
      local roles = {}
      for _, one in ipairs(manager:info().attached) do
        assert.is_true(one.since >= before and one.since <= os.time() and one.start > 0)
        roles[one.pid] = one.role
      end
      return roles
    end
    local own = posix.getpid()
    local editor, reader = spawn("editor"), spawn("reader")
    assert.same({ [own] = "manager", [editor.pid] = "editor", [reader.pid] = "reader" }, attached())
    reader:send("close")
    reader:expect("closed")
    assert.same({ [own] = "manager", [editor.pid] = "editor" }, attached())
    editor:kill()
    editor:wait()
    assert.same({ [own] = "manager" }, attached())
    reader:kill()
  end)

  it("are the threads that hold the lock and wait for it", function()
    local child = process.spawn(prelude .. [[
      local handle = assert(open("editor"))
      print("ready")
      io.read()
      handle:with(function() print("held") end)
    ]])
    child:expect("ready")
    manager:with(function()
      child:send("go")
      local users
      repeat users = manager:users() until #users == 2
      assert.same({ posix.getpid(), false, true, true },
        { users[1].pid, users[1].waits, users[1].writes, users[1].alive })
      assert.same({ child.pid, child.pid, true, true, false },
        { users[2].pid, users[2].tid, users[2].waits, users[2].writes, users[2].next })
    end)
    child:expect("held")
    child:join()
    assert.same({}, manager:users())
  end)
end)

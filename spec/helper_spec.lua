local exists = require "spec.helper.exists"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

describe("a spawned child", function()
  it("gets its arguments, prints lines and ends with success", function()
    local child = process.spawn([[print(...)]], "one", "two")
    child:expect("one\ttwo")
    child:join()
    assert.same({ "exit", 0 }, { child:wait() })
  end)

  it("reads the lines that the test sends", function()
    local child = process.spawn([[for line in io.lines() do print(line:upper()) end]])
    child:send("hello")
    child:expect("HELLO")
    child:send("again")
    assert.equal("AG", child:match("^(AG)AIN$"))
  end)

  it("has the module paths of the test in any directory", function()
    local dir = tmpdir()
    local child = process.spawn([[
      local posix = require "spec.helper.posix"
      posix.chdir(...)
      package.loaded["spec.helper.posix"] = nil
      print(require("spec.helper.posix").getcwd())
    ]], dir)
    child:expect(dir)
    child:join()
  end)

  it("fails the test if it prints another line or none, or if it fails", function()
    assert.error_matches(function() process.spawn([[print "b"]]):expect("a") end,
                         'was to print "a", and printed "b"')
    assert.error_matches(function() process.spawn(""):expect("a") end, "printed nothing more")
    assert.error_matches(function() process.spawn([[error "boom"]]):join() end, "child:1: boom")
    assert.error_matches(function() process.spawn([[os.exit(3)]]):join() end, "ended by exit 3")
  end)

  it("can be killed by a signal", function()
    local child = process.spawn([[print "ready" io.read()]])
    child:expect("ready")
    child:kill()
    assert.same({ "signal", posix.SIGKILL }, { child:wait() })
    assert.has_error(function() child:kill() end, "the child has ended already")
  end)

  it("can be stopped and continued", function()
    local child = process.spawn([[print(io.read()) io.read()]])
    child:stop()
    child:send("late")
    assert.same({ nil, "timeout" }, { posix.read(child.from, 1, 0.05) })
    child:continue()
    child:expect("late")
  end)

  it("is killed at the end of a test that has not waited for it", function()
    local child = process.spawn([[print "ready" io.read()]])
    child:expect("ready")
    local pid = child.pid
    child = nil -- luacheck: ignore 311
    collectgarbage()
    assert.error_matches(function() posix.kill(pid, 0) end, "No such process")
  end)

  it("is killed when its parent ends", function()
    local child = process.spawn([[
      if require("spec.helper.posix").fork() == 0 then print "grandchild" end
      io.read()
    ]])
    child:expect("grandchild")
    child:kill()
    assert.is_nil(child:line()) -- the other end of the pipe is closed
  end)
end)

describe("a forked child", function()
  it("shares what the parent made before the fork", function()
    local value = 17
    local child = process.fork(function() print(value, io.read()) end)
    child:send("x")
    child:expect("17\tx")
    child:join()
  end)

  it("ends with status 1 on an error", function()
    local child = process.fork(function() error("boom", 0) end)
    child:expect("boom")
    assert.same({ "exit", 1 }, { child:wait() })
  end)

  it("does not end other children of its parent, nor remove directories", function()
    local dir = tmpdir()
    local other = process.spawn([[print(io.read())]])
    local child = process.fork(function()
      other = nil
      collectgarbage()
    end)
    child:join()
    other:send("alive")
    other:expect("alive")
    assert.is_true(exists(dir))
  end)
end)

describe("tmpdir", function()
  it("makes a new directory, and removes it when the process ends", function()
    local child = process.spawn([[
      local tmpdir = require "spec.helper.tmpdir"
      local a, b = tmpdir(), tmpdir()
      assert(a ~= b)
      io.open(a .. "/file", "w"):close()
      print(a)
      io.read()
    ]])
    local path = child:line()
    assert.is_true(exists(path .. "/file"))
    child:send("")
    child:join()
    assert.is_false(exists(path))
  end)
end)

describe("waiting", function()
  it("fails after a deadline", function()
    local input, output = posix.pipe()
    assert.same({ nil, "timeout" }, { posix.read(input, 1, 0) })
    posix.write(output, "x")
    assert.equal("x", posix.read(input, 10, 0))
    posix.close(output)
    assert.equal("", posix.read(input, 10, 0))
    posix.close(input)
    local child = process.spawn([[io.read()]])
    assert.same({ nil, "timeout" }, { posix.wait(child.pid, 0) })
  end)

  it("raises an error if the reader of the pipe has ended", function()
    local input, output = posix.pipe()
    posix.close(input)
    assert.error_matches(function() posix.write(output, "x") end, "write: Broken pipe")
    posix.close(output)
  end)
end)

describe("a command line that runs as another user", function()
  it("is nil if other users cannot enter the directories above the tree", function()
    if io.popen("id -u"):read("n") ~= 0 then return pending("needs root, to become somebody else") end
    local dir = require "spec.helper.tmpdir" () -- other users may not enter it
    assert(os.execute(("install -d -m 755 %s/tree && install -m 644 /dev/null %s/tree/README.md"):format(dir, dir)))
    local child = process.spawn([[
      require("spec.helper.posix").chdir(...)
      print(require "spec.helper.somebody" ())
    ]], dir .. "/tree")
    child:expect("nil\tanother user cannot enter this directory")
    child:join()
  end)
end)

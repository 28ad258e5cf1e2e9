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

  it("reads the lines that it is sent", function()
    local child = process.spawn([[for line in io.lines() do print(line:upper()) end]])
    child:send("hello")
    child:expect("HELLO")
    child:send("again")
    assert.equal("AG", child:match("^(AG)AIN$"))
  end)

  it("has the module paths of the test, in any directory", function()
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

  it("fails the test when it prints something else, nothing, or fails", function()
    assert.error_matches(function() process.spawn([[print "b"]]):expect("a") end,
                         'was to print "a", and printed "b"')
    assert.error_matches(function() process.spawn(""):expect("a") end, "printed nothing more")
    assert.error_matches(function() process.spawn([[error "boom"]]):join() end, "child:1: boom")
    assert.error_matches(function() process.spawn([[os.exit(3)]]):join() end, "ended by exit 3")
  end)

  it("is killed by a signal", function()
    local child = process.spawn([[print "ready" io.read()]])
    child:expect("ready")
    child:kill()
    assert.same({ "signal", posix.SIGKILL }, { child:wait() })
    assert.has_error(function() child:kill() end, "the child has ended already")
  end)

  it("is stopped and goes on", function()
    local child = process.spawn([[print(io.read()) io.read()]])
    child:stop()
    child:send("late")
    assert.same({ nil, "timeout" }, { posix.read(child.from, 1, 0.05) })
    child:continue()
    child:expect("late")
  end)

  it("does not outlive the test that forgot it", function()
    local child = process.spawn([[print "ready" io.read()]])
    child:expect("ready")
    local pid = child.pid
    child = nil -- luacheck: ignore 311
    collectgarbage()
    assert.error_matches(function() posix.kill(pid, 0) end, "No such process")
  end)

  it("does not outlive its parent", function()
    local child = process.spawn([[
      if require("spec.helper.posix").fork() == 0 then print "grandchild" end
      io.read()
    ]])
    child:expect("grandchild")
    child:kill()
    assert.is_nil(child:line()) -- as nobody has the other end any more
  end)

  it("reads what was sent and then the end of its stdin", function()
    local child = process.spawn([[print(io.read("l", "l"))]])
    child:send("a line")
    child:close_input()
    child:expect("a line\tnil")
    child:join()
  end)
end)

describe("a forked child", function()
  it("shares what was made before", function()
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

  it("leaves other children and directories alone", function()
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
  it("gives a fresh directory, which is removed when the process ends", function()
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
  it("has a deadline", function()
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

  it("raises when nobody reads what is written", function()
    local input, output = posix.pipe()
    posix.close(input)
    assert.error_matches(function() posix.write(output, "x") end, "write: Broken pipe")
    posix.close(output)
  end)
end)

describe("the command line of somebody else", function()
  it("is none where the directories above the tree keep others out", function()
    if io.popen("id -u"):read("n") ~= 0 then return pending("needs root, to become somebody else") end
    local dir = require "spec.helper.tmpdir" () -- nobody else may enter it
    assert(os.execute(("install -d -m 755 %s/tree && install -m 644 /dev/null %s/tree/README.md"):format(dir, dir)))
    local child = process.spawn([[
      require("spec.helper.posix").chdir(...)
      print(require "spec.helper.somebody" ())
    ]], dir .. "/tree")
    child:expect("nil\tanother user cannot enter this directory")
    child:join()
  end)
end)

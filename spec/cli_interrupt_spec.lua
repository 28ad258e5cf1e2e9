local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local ATTEMPTS <const> = 5 -- the machine may be busy: the best of them counts
local AT_ONCE <const> = 0.05 -- seconds

describe("Ctrl-C", function()
  local dir, file, path, prelude, open, manager

  before_each(function()
    dir = tmpdir()
    file, path = dir .. "/Demo_.mmap", dir .. "/demo.log"
    prelude, open = demo(dir)
    manager = assert(open("manager", { create = true, feed = 1 << 20 }))
  end)

  after_each(function() manager:close() end)

  -- Starts the command several times, and interrupts it when wait(child) returns. Asserts how it
  -- ends, and that it does so at once.
  local function answers(how, status, argv, wait)
    local best = math.huge
    for _ = 1, ATTEMPTS do
      local child = cli.start(argv)
      wait(child)
      child:kill(posix.SIGINT)
      local before = ipmmap.now()
      assert.same({ how, status }, { child:wait() })
      best = math.min(best, ipmmap.now() - before)
    end
    assert.is_true(best < AT_ONCE, best)
  end

  local function first_line(child) assert.is_truthy(child:line()) end

  -- Waits until the process waits for the lock.
  local function in_queue(child)
    local function waits()
      for _, user in ipairs(manager:users()) do
        if user.pid == child.pid and user.waits then return true end
      end
    end
    while not waits() do ipmmap.sleep(0.001) end
  end

  it("ends watch and export while no commit comes", function()
    answers("exit", 0, { "watch", file }, first_line)
    answers("exit", 0, { "watch", file, "count" }, first_line)
    answers("exit", 0, { "export", file, "count" }, first_line)
  end)

  it("ends stats, which prints what it has seen", function()
    local child = cli.start { "stats", file, "--seconds", "600" }
    while not cli.read_file(("/proc/%d/status"):format(child.pid)):find("SigCgt:%s*%x*[2367abef]\n") do
      ipmmap.sleep(0.001)
    end
    ipmmap.sleep(0.1)
    child:kill(posix.SIGINT)
    local before = ipmmap.now()
    child:match "^Demo: 0%.%d s$"
    assert.equal(0, (cli.finish(child)))
    assert.is_true(ipmmap.now() - before < 1)
  end)

  it("ends record, whose log is whole", function()
    for i = 1, ATTEMPTS do
      os.remove(path)
      local child = cli.start { "record", file, "-o", path }
      while cli.size(path) < 100 do ipmmap.sleep(0.001) end
      for k = 1, i do manager:write("count", i * 100 + k) end
      local last = (",%d\n$"):format(i * 100 + i)
      while not select(2, cli.run { "export", path, "count" }):find(last) do ipmmap.sleep(0.001) end
      child:kill(posix.SIGINT)
      assert.equal(0, (cli.finish(child)))
      assert.matches(last, cli.output { "export", path, "count" }) -- no message about a cut
    end
  end)

  it("ends set while it waits for the lock, and nothing is set", function()
    local version = manager:version()
    manager:with(function()
      answers("signal", posix.SIGINT, { "set", file, "count=5" }, in_queue)
    end)
    assert.same({ version, 0, 0 }, { manager:version(), manager:read("count"), manager:info().recoveries })
    assert.equal("", cli.output { "set", file, "count=6", "--timeout", "5" })
    assert.equal(6, manager:read("count"))
  end)

  it("ends replay at its pace, and while it waits for the lock", function()
    local recorder = cli.start { "record", file, "-o", path, "--commits", "2" }
    while cli.size(path) < 100 do ipmmap.sleep(0.005) end
    manager:write("count", 1)
    ipmmap.sleep(0.3)
    manager:write("count", 2)
    assert.equal(0, (cli.finish(recorder)))
    local target <close> = assert(open("manager", { create = true, tag = "r" }))
    answers("exit", 0, { "replay", path, dir, "--tag", "r", "--speed", "0.001" }, function()
      target:wait(target:version())
    end)
    assert.is_true(target:read("count") < 2)
    manager:with(function()
      answers("exit", 0, { "replay", path, dir, "--speed", "max" }, in_queue)
    end)
    assert.equal(2, manager:read("count"))
  end)

  it("ends a probe of stats while another process has the lock", function()
    local holder = process.spawn(prelude .. [[
      local editor = assert(open("editor"))
      local _ <close> = editor:lock()
      print("held")
      io.read()
    ]])
    holder:expect("held")
    answers("exit", 0, { "stats", file, "--seconds", "0.01", "--probe", "3" }, in_queue)
    holder:kill()
    manager:write("count", 1)
  end)
end)

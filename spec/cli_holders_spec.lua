local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local somebody = require "spec.helper.somebody"
local tmpdir = require "spec.helper.tmpdir"

local PATIENCE <const> = 10 -- seconds that an opening waits for a byte that is held

describe("ipmmap who, about processes that hold bytes of the lock file,", function()
  local dir, file, lock_file, manager

  before_each(function()
    dir = tmpdir()
    file, lock_file = dir .. "/Demo_.mmap", dir .. "/Demo_.lock"
    local _, open = demo(dir)
    manager = assert(open("manager", { create = true }))
  end)

  after_each(function() manager:close() end)

  -- A process that holds these bytes until it is killed, without using the segment.
  local function holder(...)
    local bytes = { ... }
    local child = process.fork(function()
      for _, byte in ipairs(bytes) do posix.lock(lock_file, byte) end
      print("held")
      io.read()
    end)
    child:expect("held")
    return child
  end

  local function row(child, does)
    return ("\n *%d  %%S+ +%s\n"):format(child.pid, does)
  end

  local function who(...)
    local started = ipmmap.now()
    local status, out, err = cli.run { "who", file, ... }
    assert.is_true(ipmmap.now() - started < PATIENCE)
    return status, out, err
  end

  it("names a process that keeps others from opening the segment, without waiting for it", function()
    local child = holder(2)
    local status, out, err = who()
    assert.equal(7, status)
    assert.matches(row(child, "is opening it"), out)
    assert.matches("cannot be opened while its lock file is held so", err)
    child:kill()
    child:wait()
    status, out, err = who()
    assert.same({ 0, "" }, { status, err })
    assert.matches("^nobody holds the lock or waits for it\n", out)
  end)

  it("names a process that initialises the lock file", function()
    manager:close()
    local child = holder(0)
    local status, out = who()
    assert.equal(7, status)
    assert.matches(row(child, "initialises it"), out)
    child:kill()
  end)

  it("names a process that holds the managers' lock, beside the holder of the write lock", function()
    local child = holder(1)
    local _ <close> = manager:lock()
    local status, out, err = who()
    assert.same({ 0, "" }, { status, err })
    assert.matches(row(child, "manages it"), out)
    assert.matches(("\n *%d  lua%%g* +holds the write lock"):format(posix.getpid()), out)
    local entries = json.decode((select(2, who("--json"))))
    assert.equal(2, #entries)
    assert.equal(child.pid, entries[1].pid)
    assert.equal("manages it", entries[1].does)
    assert.same({ posix.getpid(), "write" }, { entries[2].pid, entries[2].lock })
    child:kill()
  end)

  it("names each of several processes, with what each of them does", function()
    local first, second = holder(1), holder(2)
    local other = holder(5000)
    local status, out = who()
    assert.equal(7, status)
    assert.matches(row(first, "manages it"), out)
    assert.matches(row(second, "is opening it"), out)
    assert.matches(row(other, "holds other bytes of it"), out)
    for _, child in ipairs { first, second, other } do child:kill() end
  end)

  it("does not take processes that only have the segment open for such ones", function()
    local child = process.spawn((demo(dir)) .. [[
      local reader = assert(open("reader"))
      print("open")
      io.read()
    ]])
    child:expect("open")
    local status, out = who()
    assert.equal(0, status)
    assert.matches("^nobody holds the lock or waits for it\n", out)
    assert.matches(row(child, "has it open as a reader +%d[%d:%- ]+%(%d+ s%)"), out)
    child:kill()
  end)

  it("reports a held byte even if it may not inspect the process that holds it", function()
    local argv, why = somebody()
    if not argv then return pending(why) end
    os.execute(("chmod 755 '%s'; chmod 666 '%s' '%s'"):format(dir, file, lock_file))
    local child = holder(2)
    table.move({ process.LUA, "bin/ipmmap", "who", file }, 1, 4, #argv + 1, argv)
    local stranger = process.start(argv)
    local lines = {}
    for line in function() return stranger:line() end do lines[#lines + 1] = line end
    local out = table.concat(lines, "\n")
    assert.same({ "exit", 7 }, { stranger:wait() })
    assert.matches("\n *%?  %? +is opening it\n", out)
    assert.matches("ipmmap: %d+ other processes could not be looked into", out)
    child:kill()
  end)
end)

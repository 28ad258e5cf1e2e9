local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local status = require "ipmmap_share.status"
local tmpdir = require "spec.helper.tmpdir"
local uv = require "luv"

describe("the status of a shared segment", function()
  local dir, reader

  before_each(function() dir = tmpdir() end)

  after_each(function()
    if reader then reader:close() end
    reader = nil
  end)

  local function open_reader(name)
    reader = assert(ipmmap.reader(status.Struct, { mmap_dir = dir, tag = name, follow = true }))
    return reader
  end

  it("is a segment beside the other one, which the group may read", function()
    local own <close> = assert(status.open(dir, "Game_left"))
    open_reader("Game_left")
    assert.equal(dir .. "/ShareStatus_Game_left.mmap", status.path(dir, "Game_left"))
    assert.equal("Game_left", status.name_of "ShareStatus_Game_left.mmap")
    assert.is_nil(status.name_of "Game_left.mmap")
    assert.equal(tonumber("640", 8), uv.fs_stat(reader:info().path).mode & 511)
    own:set { role = "home", epoch = 3, lag = 2 }
    local now = reader:snapshot()
    assert.same({ "home", 3, 2 }, { now.role, now.epoch, now.lag })
    assert.is_true(now.pid > 0 and math.abs(now.updated - ipmmap.now()) < 10)
  end)

  it("makes one commit of each call", function()
    local own <close> = assert(status.open(dir, "Game_"))
    local version = open_reader("Game_"):version()
    own:set { role = "replica", version = 7, home_version = 7 }
    assert.equal(version + 1, reader:version())
  end)

  it("keeps the last failure and its time", function()
    local own <close> = assert(status.open(dir, "Game_"))
    open_reader "Game_"
    assert.equal(0, reader:read "error_time")
    own:fail "no server there"
    own:set { role = "waiting" }
    assert.equal("no server there", reader:read "error")
    assert.is_true(reader:read "error_time" > 0)
  end)

  it("cuts texts that are too long between characters, and replaces NULs", function()
    local own <close> = assert(status.open(dir, "Game_"))
    own:set { machine = ("é"):rep(40), home = "x" .. ("é"):rep(40), error = "a\0b" }
    open_reader "Game_"
    assert.equal(("é"):rep(32), reader:read "machine")
    assert.equal("x" .. ("é"):rep(31), reader:read "home")
    assert.equal("a b", reader:read "error")
  end)

  it("does not wait for a reader that holds the lock, and tells the fields later", function()
    local own <close> = assert(status.open(dir, "Game_"))
    local child = process.spawn([[
      require "ipmmap_share.status"
      local reader = assert(require "ipmmap".reader("ShareStatus", { mmap_dir = ..., tag = "Game_" }))
      local _ <close> = reader:lock()
      print("locked")
      io.read()
    ]], dir)
    child:expect "locked"
    open_reader "Game_"
    assert.is_true(own:set { joins = 5 })
    assert.equal(0, reader:read "joins")
    child:send ""
    child:join()
    own:set { edits = 1 }
    assert.equal(5, reader:read "joins")
  end)

  it("is made again if it was destroyed", function()
    local own <close> = assert(status.open(dir, "Game_"))
    open_reader "Game_"
    own:set { joins = 5 }
    assert(ipmmap.manager(status.Struct, { mmap_dir = dir, tag = "Game_" })):destroy()
    assert.is_true(own:set { edits = 1 })
    assert.same({ 5, 1 }, { reader:read "joins", reader:read "edits" })
  end)

  it("starts anew over that of a process that was killed", function()
    local child = process.spawn([[
      local own = assert(require "ipmmap_share.status".open(..., "Game_"))
      own:set { role = "home", joins = 5 }
      print("open")
      io.read()
    ]], dir)
    child:expect "open"
    local message = fails("refused", status.open(dir, "Game_"))
    assert.matches(("process %d shares it already"):format(child.pid), message)
    child:kill()
    child:wait()
    local _ <close> = assert(status.open(dir, "Game_"))
    open_reader "Game_"
    assert.same({ "starting", 0 }, { reader:read "role", reader:read "joins" })
  end)

  it("is refused to a second opening in the same process, which changes nothing", function()
    local own <close> = assert(status.open(dir, "Game_"))
    own:set { role = "home" }
    local version = open_reader("Game_"):version()
    fails("refused", status.open(dir, "Game_"))
    assert.equal(version, reader:version())
  end)

  it("takes the place of one with another layout", function()
    ipmmap.redefine("ShareStatus", ipmmap.base, { { "old", "int8" } })
    assert(ipmmap.manager("ShareStatus", { create = true, mmap_dir = dir, tag = "Game_" })):close()
    local _ <close> = assert(status.open(dir, "Game_"))
    assert.equal("starting", open_reader("Game_"):read "role")
  end)

  it("says stopped after its end", function()
    local own = assert(status.open(dir, "Game_"))
    own:set { role = "home", connected = true }
    own:close()
    own:close()
    open_reader "Game_"
    assert.same({ "stopped", false }, { reader:read "role", reader:read "connected" })
  end)

  it("refuses names that are too long, and a directory that cannot be", function()
    fails("refused", status.open(dir, ("x"):rep(129)))
    fails("system", status.open("/dev/null/none", "Game_"))
  end)
end)

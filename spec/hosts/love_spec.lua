local host = require "spec.hosts.host"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local EXAMPLE <const> = host.root .. "/examples/love"

describe("the game in LÖVE", function()
  local missing = host.missing("love", "Xvfb")
  if missing then return it("runs the example", function() pending(missing) end) end

  local dir
  local running = {}

  local function tune(...)
    return process.start { process.LUA, EXAMPLE .. "/tune.lua", dir, ... }
  end

  local function open(role, name)
    return assert(ipmmap[role](name, { mmap_dir = dir, wait = 120 }))
  end

  -- The colour of a pixel of the screen, as "rrggbb". The X server writes the screen to a file in the
  -- format xwd: a header, the colours of a palette, and the lines.
  local function colour(x, y)
    local image = host.read(dir .. "/Xvfb_screen0")
    local function number(index) return (">I4"):unpack(image, index * 4 + 1) end
    local header, bytes_per_line, colours = number(0), number(12), number(19)
    local lines = header + colours * 12
    local pixel = ("<I4"):unpack(image, lines + y * bytes_per_line + x * 4 + 1)
    return ("%06x"):format(pixel & 0xffffff)
  end

  local function shows(expected)
    host.await("a sky of " .. expected, function() return colour(470, 2) == expected end)
  end

  before_each(function()
    package.path = EXAMPLE .. "/?.lua;" .. package.path
    ipmmap.load { "structs" }
    dir = tmpdir()
    local display
    running[1], display = host.screen(dir)
    running[2] = host.start({ "love", EXAMPLE, dir }, {
      "DISPLAY=" .. display, "LIBGL_ALWAYS_SOFTWARE=1", "HOME=" .. dir,
    })
    shows "8cbfe6"
  end)

  after_each(function()
    host.kill(running)
    running = {}
  end)

  it("draws what a tool has changed, and tells which change it has drawn", function()
    local tuning, state = open("reader", "CatchTuning"), open("reader", "CatchState")
    local before = tuning:version()
    tune("sky=1,0.5,0", "speed=100"):join()
    shows "ff8000"
    assert.equal(before + 1, tuning:version())
    repeat assert(state:wait(state:version(), 30)) until state:read "tuning" == tuning:version()
  end)

  it("is followed by a tool that sleeps until the score changes", function()
    local follower = tune()
    follower:match "^caught %d+, missed %d+$"
    tune("speed=100000", "width=1000"):join()
    local caught = tonumber((follower:match "^caught (%d+), missed %d+$"))
    for _ = 1, 3 do
      local now = tonumber((follower:match "^caught (%d+), missed %d+$"))
      assert.is_true(now >= caught)
      caught = now
    end
    follower:kill()
  end)

  -- Starts a process that holds a lock and has changed a field.
  local function hold(name, field, value)
    local holder = process.fork(function()
      open("editor", name):lock()[field] = value
      print "locked"
      io.read()
    end)
    holder:expect "locked"
    return holder
  end

  it("draws on while another process holds the lock of its state, and publishes after that one's death", function()
    local state = open("reader", "CatchState")
    local holder = hold("CatchState", "frame", -1)
    local frame = state:read "frame"
    tune("sky=0,0,1"):join()
    shows "0000ff"
    assert.equal(frame, state:read "frame")
    holder:kill()
    repeat assert(state:wait(state:version(), 30)) until state:read "frame" > frame + 1
  end)

  it("reads the last tuning while a tool is changing it, and after the tool's death", function()
    local state, tuning = open("reader", "CatchState"), open("reader", "CatchTuning")
    local holder = hold("CatchTuning", "sky", { 1, 0, 0 })
    for _ = 1, 10 do assert(state:wait(state:version(), 30)) end
    assert.equal("8cbfe6", colour(470, 2))
    holder:kill()
    tune("sky=0,1,0"):join()
    shows "00ff00"
    assert.equal(1, tuning:info().recoveries)
  end)
end)

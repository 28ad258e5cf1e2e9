local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local root = posix.getcwd()
package.path = root .. "/examples/game/?.lua;" .. package.path
ipmmap.load { "structs" }

local function play(dir, seconds)
  return process.start {
    root .. "/build/examples/game/game", "--headless", tostring(seconds), root .. "/examples/game/rules.lua", cwd = dir,
  }
end

local function tune(dir, ...)
  return process.start { process.LUA, root .. "/examples/game/tune.lua", cwd = dir, ... }
end

local function storm(dir)
  local tuner = tune(dir, "storm")
  tuner:expect("writing without pause")
  return tuner
end

--- Reads the report until the game ends.
local function report(game)
  local times = "(%d+), median [%d.]+ ms, 99%% [%d.]+ ms, worst ([%d.]+) ms$"
  local it = {}
  game:expect("frames are due every 8.333 ms")
  it.frames, it.worst = game:match("^frames: " .. times)
  local tuned = game:line()
  it.tuned, it.worst_tuned = tuned:match("^frames while the tuning changed: " .. times)
  game:match("^starts after the due time: " .. times)
  it.changes, it.unpublished = game:match("^changes of the tuning: (%d+); frames that could not be published: (%d+)$")
  game:join()
  for name, value in pairs(it) do it[name] = tonumber(value) end
  return it
end

local function open(role, name, dir)
  return assert(ipmmap[role](name, { mmap_dir = dir .. "/.mmap" }))
end

--- Sleeps for a random time of up to a few milliseconds.
local function any_moment()
  ipmmap.sleep(math.random() * 0.005)
end

describe("the game", function()
  it("prints its frame times, even while a tuner writes without a pause", function()
    local dir = tmpdir()
    local game = play(dir, 100)
    game:match("^running from frame 1$")
    local state, tuning = open("reader", "GameState", dir), open("reader", "GameTuning", dir)
    local tuner = storm(dir)
    for _ = 1, 30 do -- frames; the tuning changes in each of them
      assert(tuning:wait(tuning:version(), 10))
      assert(state:wait(state:version(), 10))
    end
    local frame, changed = state:read("frame"), tuning:version()
    game:kill(posix.SIGTERM)
    local it = report(game)
    tuner:kill()
    assert.is_true(it.frames >= frame)
    assert.is_true(it.tuned > 0 and it.tuned <= it.frames)
    assert.is_true(it.changes > 0 and changed >= 30)
    assert.is_true(it.worst_tuned <= it.worst)
    assert.equal(0, it.unpublished)
  end)

  it("takes settings from tune.lua, and tune.lua shows its state", function()
    local dir = tmpdir()
    local game = play(dir, 100)
    game:match("^running")
    tune(dir, "gravity=3", "count=5"):join()
    local state = open("reader", "GameState", dir)
    repeat assert(state:wait(state:version(), 10)) until state:read("count") == 5
    local watcher = tune(dir)
    assert.equal("5", (watcher:match("^frame %d+, (%d+) balls; gravity=3 wind=0 bounce=0.9 count=5$")))
    watcher:kill()
    game:kill(posix.SIGTERM)
    report(game)
  end)

  it("goes on if the tuner is killed at any moment", function()
    local dir = tmpdir()
    local game = play(dir, 100)
    game:match("^running")
    local tuning = open("reader", "GameTuning", dir)
    for _ = 1, 30 do
      local version = tuning:version()
      local tuner = storm(dir)
      assert(tuning:wait(version, 10))
      any_moment()
      tuner:kill()
      assert.equal("signal", (tuner:wait()))
    end
    tune(dir, "wind=0.25"):join()
    assert.equal(0.25, tuning:read("wind"))
    game:kill(posix.SIGTERM)
    local it = report(game)
    assert.is_true(it.changes >= 30)
    assert.equal(0, it.unpublished)
  end)

  it("goes on while the tuner is stopped and holds the lock", function()
    local dir = tmpdir()
    local game = play(dir, 100)
    game:match("^running")
    local tuning, state = open("reader", "GameTuning", dir), open("reader", "GameState", dir)
    local tuner = storm(dir)
    local function is_free()
      local view <close> = tuning:try_lock()
      return view ~= nil
    end
    repeat
      tuner:continue()
      tuner:stop()
    until not is_free()
    local version = state:version()
    for _ = 1, 20 do version = assert(state:wait(version, 10)) end
    game:kill(posix.SIGTERM)
    assert.equal(0, report(game).unpublished)
    tuner:kill()
  end)

  it("can be killed at any moment without disturbing the tuner, and goes on from its last state", function()
    local dir = tmpdir()
    local first = play(dir, 100)
    first:match("^running from frame 1$")
    local tuner = storm(dir)
    first:kill()
    first:wait()
    local state, tuning = open("reader", "GameState", dir), open("reader", "GameTuning", dir)
    for _ = 1, 20 do
      local reached = state:read("frame")
      local game = play(dir, 100)
      assert.equal(reached + 1, tonumber((game:match("^running from frame (%d+)$"))))
      any_moment()
      game:kill()
      game:wait()
      assert(tuning:wait(tuning:version(), 10))
    end
    tuner:kill(0) -- is still alive
    tuner:kill()
  end)
end)

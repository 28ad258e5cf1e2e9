-- What homes and replicas do, with a real server, and processes that stand for machines.
local ipmmap = require "ipmmap"
local machine = require "spec.helper.machine"
local process = require "spec.helper.process"
local redis_server = require "spec.helper.redis_server"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local DEADLINE <const> = 30 -- seconds

local Score = ipmmap.base:extend("Score", {
  { "count", "int64" },
  { "text", "char[256]" },
  { "twin", "int64" },
})
local Picture = ipmmap.base:extend("Picture", {
  { "number", "int64" },
  { "pixels", "uint8[3000000]" },
  { "twin", "int64" },
})

-- Writes without a pause, until its input ends.
local WRITER <const> = [[
local dir, tag = ...
local ipmmap = require "ipmmap"
local S = assert(ipmmap.describe(dir .. "/Score_" .. tag .. ".mmap"))
local editor = assert(ipmmap.editor(S, { mmap_dir = dir, tag = tag }))
print("ready")
for i = 1, tonumber((io.read())) do editor:set { count = i, twin = i, text = "turn " .. i } end
print(editor:version())
]]

describe("a shared segment", function()
  local server, tag, numbers = nil, nil, 0

  setup(function() server = redis_server.start() end)
  before_each(function()
    numbers = numbers + 1
    tag = "t" .. numbers
  end)
  after_each(segment.close)

  -- A segment that a machine of its own is the home of. Returns its directory, an editor there and
  -- the machine.
  local function make_home(S, options)
    options = options or {}
    local dir, _, editor = segment.make(S, { "editor" }, { tag = tag, feed = options.feed })
    editor:touch() -- a replica has the versions of its home from 1 on
    local alpha = machine.start {
      address = server.address, file = ("%s/%s_%s.mmap"):format(dir, S.name, tag),
      machine = options.machine or "alpha", force = options.force,
    }
    alpha:says("is the home")
    return dir, editor, alpha
  end

  local function follow(S, dir, name)
    return machine.start {
      address = server.address, dir = dir, name = S.name .. "_" .. tag, machine = name or "beta",
    }
  end

  -- A replica on another machine, after it has joined. Returns a reader there, the machine and the
  -- directory.
  local function make_replica(S)
    local dir = tmpdir()
    local beta = follow(S, dir)
    beta:says("joined")
    return segment.open("reader", S, { mmap_dir = dir, tag = tag }), beta, dir
  end

  local function wait_for(reader, version)
    while reader:version() < version do assert(reader:wait(reader:version(), DEADLINE)) end
  end

  local function assert_same(reader, editor)
    wait_for(reader, editor:version())
    assert.is_true(ipmmap.bytes(editor:snapshot()) == ipmmap.bytes(reader:snapshot()), "other bytes")
  end

  for name, ring in pairs { ["with a ring"] = 1 << 16, ["without a ring"] = 0 } do
    it("is followed byte for byte beside a fast writer, " .. name, function()
      local dir, editor, alpha = make_home(Score, { feed = ring })
      editor:set { count = -1, twin = -1, text = "first" }
      local reader, beta = make_replica(Score)
      assert.equal("first", reader:read("text"))
      local writer = process.spawn(WRITER, dir, tag)
      writer:expect("ready")
      writer:send("20000")
      local seen, last = reader:version(), -2
      while seen < editor:version() or last < 20000 do
        seen = assert(reader:wait(seen, DEADLINE))
        local state = reader:snapshot()
        assert.equal(state.count, state.twin)
        assert.is_true(state.count >= last)
        last = state.count
      end
      writer:expect("20002")
      assert_same(reader, editor)
      assert.equal(editor:version(), reader:version())
      assert.equal(ring, reader:info().feed)
      alpha:finish()
      beta:finish()
    end)
  end

  it("has commits that need several calls", function()
    local _, editor, alpha = make_home(Picture)
    local reader, beta = make_replica(Picture)
    for turn = 1, 3 do
      editor:with(function(picture)
        picture.number, picture.twin = turn, turn
        ipmmap.setbytes(picture.pixels, (string.char(64 + turn)):rep(2500000), 1)
      end)
      assert_same(reader, editor)
    end
    editor:set { number = 9, twin = 9 }
    assert_same(reader, editor)
    alpha:finish()
    beta:finish()
  end)
end)

-- What homes and replicas do, with a real server, and processes that stand for machines.
local cutting_proxy = require "spec.helper.cutting_proxy"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"
local sharing = require "spec.helper.sharing"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local Score <const> = sharing.Score
local Picture = ipmmap.base:extend("Picture", {
  { "number", "int64" },
  { "pixels", "uint8[3000000]" },
  { "twin", "int64" },
})

-- Writes as fast as it can.
local WRITER <const> = [[
local path, count = ...
local ipmmap = require "ipmmap"
local dir, tag = path:match("^(.*)/Score_(.*)%.mmap$")
local editor = assert(ipmmap.editor(ipmmap.describe(path), { mmap_dir = dir, tag = tag }))
for i = 1, tonumber(count) do editor:set { count = i, twin = i, text = "turn " .. i } end
print(editor:version())
]]

describe("a shared segment", function()
  local share

  setup(function() share = sharing.new() end)
  before_each(function() share:begin() end)
  after_each(segment.close)

  for name, ring in pairs { ["with a ring"] = 65536, ["without a ring"] = 0 } do
    it("is followed byte for byte beside a fast writer, " .. name, function()
      local home = share:home(Score, "alpha", { feed = ring })
      local replica = share:replica(Score)
      local writer = process.spawn(WRITER, home.path, "20000")
      local seen, last = replica.reader:version(), 0
      while last < 20000 do
        seen = assert(replica.reader:wait(seen, 30))
        local state = replica.reader:snapshot()
        assert.equal(state.count, state.twin)
        assert.is_true(state.count >= last)
        last = state.count
      end
      writer:expect("20001")
      sharing.assert_same(home.reader, replica.reader)
      assert.equal(20001, replica.reader:version())
      assert.equal(ring, replica.reader:info().feed)
      home:finish()
      replica:finish()
    end)
  end

  it("is followed commit by commit, each with its time", function()
    local home, replica = share:home(Score), share:replica(Score)
    local feed <close> = replica.reader:feed()
    local before = ipmmap.now()
    for i = 1, 50 do home.editor:set { count = i, twin = i } end
    for i = 1, 50 do
      local value, version, missed = feed:next(30)
      assert.same({ i, i, i + 1, 0 }, { value.count, value.twin, version, missed })
      assert.is_true(math.abs(feed:time() - before) < 30)
    end
    home:finish()
    replica:finish()
  end)

  it("has commits that need several calls", function()
    local home, replica = share:home(Picture, "alpha", { feed = 0 }), share:replica(Picture)
    for turn = 1, 3 do
      home.editor:with(function(picture)
        picture.number, picture.twin = turn, turn
        ipmmap.setbytes(picture.pixels, string.char(64 + turn):rep(2500000), 1)
      end)
      sharing.assert_same(home.reader, replica.reader)
    end
    home.editor:set { number = 9, twin = 9 }
    sharing.assert_same(home.reader, replica.reader)
    home:finish()
    replica:finish()
  end)

  it("is read-only in a replica, whose file is of mode 640", function()
    local home, replica = share:home(Score), share:replica(Score)
    local editor = share:open("editor", Score, replica.dir)
    assert.equal("not_home", sharing.code_of(editor.write, editor, "count", 1))
    assert.equal("640", shell.run("stat -c %a " .. replica.path):match("%d+"))
    assert.equal("replica", replica.reader:share().place)
    home:finish()
    replica:finish()
  end)

  it("is made anew if the files of the replica were removed", function()
    local home, replica = share:home(Score), share:replica(Score)
    assert(os.remove(replica.path))
    assert(os.remove((replica.path:gsub("mmap$", "lock"))))
    home.editor:set { count = 5, twin = 5 }
    replica:says("^joined")
    sharing.assert_same(home.reader, share:open("reader", Score, replica.dir))
    home:finish()
    replica:finish()
  end)

  it("goes on after the follower was away, without a new join", function()
    local home, replica = share:home(Score), share:replica(Score)
    replica:kill()
    home.editor:set { count = 5, twin = 5 }
    local again = share:follow(Score, replica.dir, "beta")
    sharing.assert_same(home.reader, replica.reader)
    assert.same({}, again:finish())
    home:finish()
  end)

  it("goes on after its share process was killed, without a pause for editors or a join", function()
    local home, replica = share:home(Score), share:replica(Score)
    home:kill()
    home.editor:set { count = 6, twin = 6 }
    local token = home.reader:share().token
    local again = share:share(Score, home.dir, "alpha")
    again:says("is the home")
    assert.equal(token, home.reader:share().token) -- the lease of before goes on
    home.editor:set { count = 7, twin = 7 }
    sharing.assert_same(home.reader, replica.reader)
    again:finish()
    assert.same({}, replica:finish())
  end)

  for name, ring in pairs { ["has no ring"] = 0, ["has a ring that is too small"] = 4096 } do
    it("publishes all of its state again if it " .. name .. " to tell what was changed", function()
      local home = share:home(Score, "alpha", { feed = ring })
      local replica = share:replica(Score)
      home:kill()
      process.spawn(WRITER, home.path, "1000"):expect("1001")
      local again = share:share(Score, home.dir, "alpha")
      replica:says("joined")
      sharing.assert_same(home.reader, replica.reader)
      again:finish()
      replica:finish()
    end)
  end

  it("does not publish its state again if the answer to a commit was lost", function()
    local proxy = cutting_proxy.start(share.server.port)
    local address = { host = "127.0.0.1", port = proxy.port, db = 0 }
    local home = share:home(Score, "alpha", { feed = 0, address = address })
    local replica = share:replica(Score)
    proxy:freeze("down")
    home.editor:set { count = 1, twin = 1 }
    sharing.wait_for(replica.reader, "count", 1)
    proxy:cut()
    proxy:pass()
    home.editor:set { count = 2, twin = 2 }
    sharing.assert_same(home.reader, replica.reader)
    home:says("the work goes on")
    home:finish()
    assert.same({}, replica:finish())
  end)

  it("is a replica after it ended in order, and follows another home without a join", function()
    local home, replica = share:home(Score), share:replica(Score)
    home.editor:set { count = 1, twin = 1 }
    home:finish()
    assert.same({ "replica", 1 }, { home.reader:share().place, home.reader:read("count") })
    replica:finish()
    local beta = share:share(Score, replica.dir, "beta")
    beta:says("is the home")
    local alpha = share:follow(Score, home.dir, "alpha")
    share:open("editor", Score, replica.dir):set { count = 2, twin = 2 }
    sharing.wait_for(home.reader, "count", 2)
    assert.same({}, alpha:finish())
    beta:finish()
  end)

  for name, kept in pairs { ["does not go back to the replica's state"] = 10, ["is empty"] = 0 } do
    it("joins anew if the log " .. name, function()
      local home, replica = share:home(Score), share:replica(Score)
      local other = share:replica(Score, "gamma")
      replica:finish()
      for i = 1, 20 do home.editor:set { count = i, twin = i } end
      sharing.assert_same(home.reader, other.reader)
      share.server:connect():call("XTRIM", ("ipm:{Score_%s}:log"):format(share.tag), "MAXLEN", kept)
      local again = share:follow(Score, replica.dir, "beta")
      again:says("joined")
      sharing.assert_same(home.reader, replica.reader)
      for _, one in ipairs { again, other, home } do one:finish() end
    end)
  end

  it("says at the end that commits are not published, and that the lease was not given back", function()
    local home = share:home(Score)
    share.server:stop()
    home.editor:set { count = 5, twin = 5 }
    local said = table.concat(home:finish(), "\n")
    share.server:continue()
    assert.matches("the last commits are not published, and only in " .. home.path, said, 1, true)
    assert.matches("the lease was not given back", said, 1, true)
  end)

  it("can be stopped while a reader holds the lock of the replica", function()
    local home, replica = share:home(Score), share:replica(Score)
    replica.reader:with(function()
      home.editor:set { count = 5, twin = 5 }
      replica:finish()
    end)
    assert.equal(0, tonumber(replica.reader:read "count"))
    local again = share:follow(Score, replica.dir, "beta")
    sharing.assert_same(home.reader, replica.reader)
    again:finish()
    home:finish()
  end)

  it("is not fought for by a copy of the home's files", function()
    local home, copy = share:home(Score, "alpha", { lease = 2 }), tmpdir()
    shell.run(("cp %s/Score_* %s"):format(home.dir, copy))
    local other = share:share(Score, copy, "alpha", { lease = 2 })
    other:says("is the home")
    home:says("joined")
    local editor = share:open("editor", Score, copy)
    for i = 1, 3 do
      editor:set { count = i, twin = i }
      sharing.wait_for(home.reader, "count", i)
    end
    assert.equal("replica", home.reader:share().place)
    assert.same({}, home:finish())
    assert.same({}, other:finish())
  end)

  it("has one home, and names it to others", function()
    local home, replica = share:home(Score), share:replica(Score)
    replica:finish()
    local other = share:share(Score, replica.dir, "beta")
    assert.equal("ended: refused: its home is alpha", other:says("^ended"))
    home:finish()
  end)

  it("is not replaced by another segment of its name, except with force", function()
    local home, replica = share:home(Score), share:replica(Score)
    home:finish()
    local dir, _, editor = segment.make(Score, { "editor" }, { tag = share.tag })
    editor:set { text = "other" }
    local message = share:share(Score, dir, "gamma"):says("^ended")
    assert.truthy(message:find("refused", 1, true) and message:find("--force", 1, true), message)
    local gamma = share:share(Score, dir, "gamma", { force = true })
    gamma:says("is the home")
    sharing.wait_for(replica.reader, "text", "other")
    sharing.assert_same(editor, replica.reader)
    gamma:finish()
    replica:finish()
  end)

  it("does not overwrite a segment that is no replica", function()
    local home = share:home(Score)
    local dir = segment.make(Score, {}, { tag = share.tag })
    assert.truthy(share:follow(Score, dir, "beta"):says("^ended"):find("^ended: refused: .*is no replica"))
    home:finish()
  end)

  it("is refused by a replica of another layout, by the name of the first difference", function()
    local home, replica = share:home(Score), share:replica(Score)
    local other = share:replica(Score, "gamma")
    replica:finish()
    local Changed = ipmmap.parse((tostring(Score):gsub("count: int64", "count: int32")))
    local manager = segment.keep(assert(ipmmap.manager(Changed, {
      create = true, migrate = "lossy", mmap_dir = home.dir, tag = share.tag,
    })))
    home:says("is the home") -- of the new layout
    assert.equal("home", manager:share().place)
    local again = share:follow(Score, replica.dir, "beta")
    assert.truthy(again:says("^ended"):find("^ended: layout: .*count"))
    other:says("count: int64") -- who has followed goes on to
    assert.equal(0, other.reader:read("count"))
    other:finish()
    home:finish()
  end)

  it("is followed beside readers that hold the lock in turns", function()
    local home, replica = share:home(Score), share:replica(Score)
    local readers = {}
    for i = 1, 2 do
      readers[i] = process.spawn([[
        local ipmmap = require "ipmmap"
        local dir, tag = ...
        local S = ipmmap.describe(dir .. "/Score_" .. tag .. ".mmap")
        local reader = assert(ipmmap.reader(S, { mmap_dir = dir, tag = tag }))
        print("begins")
        while true do reader:with(function() ipmmap.sleep(0.003) end) end
      ]], replica.dir, share.tag)
      readers[i]:expect("begins")
    end
    for i = 1, 10 do
      home.editor:set { count = i, twin = i }
      sharing.assert_same(home.reader, replica.reader)
    end
    for _, reader in ipairs(readers) do reader:kill() end
    home:finish()
    replica:finish()
  end)

  it("names damage of the state in the server, which the next commit mends", function()
    local home, replica = share:home(Score), share:replica(Score)
    local connection = share.server:connect()
    assert(connection:call("SETRANGE", ("ipm:{Score_%s}:state"):format(share.tag), Score.size, "x"))
    assert(connection:call("HSET", ("ipm:{Score_%s}:meta"):format(share.tag), "size", Score.size + 2))
    local dir = tmpdir()
    local follower = share:follow(Score, dir, "beta")
    follower:says("the server's state has not the " .. Score.size + 2 .. " bytes")
    home.editor:set { count = 1, twin = 1 } -- finds the damage as well, and replaces the state
    follower:says("joined")
    sharing.assert_same(home.reader, share:open("reader", Score, dir))
    sharing.assert_same(home.reader, replica.reader)
    for _, one in ipairs { follower, replica, home } do one:finish() end
  end)

  it("waits for its home, if the follower comes first", function()
    local dir = tmpdir()
    local early = share:follow(Score, dir, "beta")
    early:says("waiting for a home")
    local home = share:home(Score)
    early:says("joined")
    sharing.assert_same(home.reader, share:open("reader", Score, dir))
    early:finish()
    home:finish()
  end)

  it("is not held up by a reader that was stopped in the lock of a replica", function()
    local home, replica = share:home(Score), share:replica(Score)
    local other = share:replica(Score, "gamma")
    local view = segment.lock(replica.reader)
    home.editor:set { count = 3, twin = 3 }
    sharing.assert_same(home.reader, other.reader)
    assert.equal(0, view.count)
    segment.close()
    replica.reader = share:open("reader", Score, replica.dir)
    sharing.wait_for(replica.reader, "count", 3)
    for _, one in ipairs { other, replica, home } do one:finish() end
  end)
end)

describe("a shared segment whose server fails", function()
  local share, home, replica

  before_each(function()
    share = sharing.new { appendfsync = "always" }
    share:begin()
    home = share:home(Score, "alpha", { lease = 0.5 })
    replica = share:replica(Score)
  end)
  after_each(function()
    home:finish()
    replica:finish()
    segment.close()
  end)

  it("goes on after a restart of the server", function()
    share.server:kill()
    home.editor:set { count = 1, twin = 1 }
    home:says("refused")
    share.server:start()
    sharing.wait_for(replica.reader, "count", 1)
    for _, one in ipairs { home, replica } do
      local _, said = one:says("the work goes on")
      for i, line in ipairs(said) do assert.not_equal(line, said[i + 1]) end
    end
    home.editor:set { count = 2, twin = 2 }
    sharing.assert_same(home.reader, replica.reader)
  end)

  it("publishes its state again if the server was restarted empty", function()
    share.server:kill()
    share.server:forget()
    share.server:start()
    home:says("is the home")
    replica:says("joined")
    home.editor:set { count = 3, twin = 3 }
    sharing.assert_same(home.reader, replica.reader)
  end)

  it("publishes what an old server lacks", function()
    home.editor:set { count = 4, twin = 4 }
    sharing.assert_same(home.reader, replica.reader)
    shell.run(("cp -r %s/appendonlydir %s/old"):format(share.server.dir, share.server.dir))
    for i = 5, 9 do home.editor:set { count = i, twin = i } end
    sharing.assert_same(home.reader, replica.reader)
    share.server:kill()
    share.server:forget()
    shell.run(("mv %s/old %s/appendonlydir"):format(share.server.dir, share.server.dir))
    share.server:start()
    home:says("is the home")
    home.editor:set { count = 10, twin = 10 }
    sharing.wait_for(replica.reader, "count", 10)
    sharing.assert_same(home.reader, replica.reader)
  end)

  it("loads the functions again if the server has lost them", function()
    share.server:connect():call("FUNCTION", "FLUSH")
    home.editor:set { count = 11, twin = 11 }
    sharing.wait_for(replica.reader, "count", 11)
  end)
end)

-- How the home of a segment moves to another machine, with a real server, and processes that stand for
-- machines.
local cli = require "spec.helper.cli"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"
local sharing = require "spec.helper.sharing"
local store = require "ipmmap_share.store"
local tmpdir = require "spec.helper.tmpdir"

local Score <const> = sharing.Score

describe("a segment's home", function()
  local share, home, standby

  setup(function() share = sharing.new() end)
  after_each(segment.close)

  -- Makes a home and a standby. The longer the lease, the slower editors may be, which write after the
  -- home was stopped.
  local function begin(lease)
    share:begin()
    home = share:home(Score, "alpha", { lease = lease })
    standby = share:replica(Score, "beta", { lease = lease, standby = true })
    home.editor:set { count = 1, twin = 1 }
    sharing.assert_same(home.reader, standby.reader)
    standby.editor = share:open("editor", Score, standby.dir)
  end

  local function is_refused(one)
    return sharing.code_of(one.editor.write, one.editor, "count", 0) == "not_home"
  end

  -- Asserts that one machine is the home of the other, by a commit.
  local function assert_follows(replica, of, count)
    of.editor:set { count = count, twin = count }
    sharing.assert_same(of.reader, replica.reader)
    assert.is_true(is_refused(replica))
  end

  it("is a standby after the home's machine died", function()
    begin(1)
    home:kill()
    standby:says("beta is the home")
    standby.editor:set { count = 2, twin = 2 }
    assert.is_true(is_refused(home))
    local again = share:follow(Score, home.dir, "alpha")
    again:says("joined")
    home.reader = share:open("reader", Score, home.dir)
    assert_follows(home, standby, 3)
    assert.same({}, sharing.saved(home.path))
    again:finish()
    standby:finish()
  end)

  it("is a standby at once after the home ended in order, with all that editors committed", function()
    begin(1)
    local writer = process.spawn([[
      local ipmmap = require "ipmmap"
      local dir, tag = ...
      local S = ipmmap.describe(dir .. "/Score_" .. tag .. ".mmap")
      local editor = assert(ipmmap.editor(S, { mmap_dir = dir, tag = tag }))
      local count, ok, problem = 1, true, nil
      while ok do
        ok, problem = pcall(editor.set, editor, { count = count + 1, twin = count + 1 })
        if ok then count = count + 1 end
        if count == 2 then print("begins") end
      end
      print(count, problem.code)
    ]], home.dir, share.tag)
    writer:expect("begins")
    home:finish()
    local last = tonumber((writer:match("^(%d+)\tnot_home$")))
    standby:says("beta is the home")
    assert.equal(last, standby.reader:read("count"))
    assert.is_true(is_refused(home))
    standby.editor:set { count = 6, twin = 6 }
    standby:finish()
  end)

  it("goes to and fro", function()
    begin(1)
    home:finish()
    standby:says("beta is the home")
    standby.editor:set { count = 7, twin = 7 }
    local alpha = share:follow(Score, home.dir, "alpha", { standby = true })
    assert_follows(home, standby, 8)
    standby:finish()
    alpha:says("alpha is the home")
    local beta = share:follow(Score, standby.dir, "beta", { standby = true })
    assert_follows(standby, home, 9)
    assert.equal(home.reader:version(), standby.reader:version())
    beta:finish()
    alpha:finish()
  end)

  it("that was stopped past its lease is a replica when it goes on", function()
    begin(1)
    home:stop()
    standby:says("beta is the home")
    standby.editor:set { count = 2, twin = 2 }
    assert.is_true(is_refused(home))
    home:continue()
    home:says("joined")
    assert_follows(home, standby, 3)
    home:finish()
    standby:finish()
  end)

  it("saves the commits that it could not publish, and becomes a replica", function()
    begin(2)
    home:stop() -- editors go on until the deadline
    for i = 2, 4 do home.editor:set { count = i, twin = i, text = "lost" } end
    local version = home.reader:version()
    standby:says("beta is the home")
    standby.editor:set { count = 10, twin = 10 }
    home:continue()
    local line = home:says("3 commits that were not published are saved in ")
    home:says("joined")
    assert_follows(home, standby, 11)
    local logs = sharing.saved(home.path)
    assert.equal(1, #logs)
    assert.truthy(line:find(logs[1], 1, true))
    assert.is_true(home.reader:version() > version)
    local rows = cli.output { "export", logs[1], "count", "text" }
    assert.truthy(rows:find('2,lost\n.*3,lost\n.*4,lost\n'), rows)
    local dir = tmpdir()
    assert.equal(0, (cli.run { "replay", logs[1], dir, "--speed", "max" }))
    local again = share:open("reader", Score, dir)
    assert.equal(4, again:read("count"))
    home:finish()
    standby:finish()
  end)

  it("saves them also if its share process was killed, when it follows again", function()
    begin(2)
    home:stop()
    for i = 2, 3 do home.editor:set { count = i, twin = i, text = "lost" } end
    home:kill()
    standby:says("beta is the home")
    standby.editor:set { count = 10, twin = 10 }
    local again = share:share(Score, home.dir, "alpha", { lease = 2 })
    again:says("2 commits that were not published are saved in ")
    again:says("joined")
    sharing.assert_same(standby.reader, home.reader)
    again:finish()
    standby:finish()
  end)

  it("saves also what it had published, if the server has lost it, and another has published since", function()
    begin(1)
    standby:stop()
    home.editor:set { count = 2, twin = 2, text = "lost" }
    local remote = assert(store.open(share.server.address, "Score_" .. share.tag, 30))
    local before = { epoch = home.reader:share().epoch, version = home.reader:version() - 1 }
    assert.equal(1, #assert(remote:entries(before, 30)))
    remote:close()
    home:stop()
    assert(share.server:connect():call("FLUSHALL"))
    standby:continue()
    standby:says("beta is the home")
    standby.editor:set { count = 10, twin = 10 }
    home:continue()
    home:says("saved in ")
    home:says("joined")
    local logs = sharing.saved(home.path)
    assert.equal(1, #logs)
    assert.truthy(cli.output({ "export", logs[1], "count", "text" }):find("2,lost\n"))
    home:finish()
    standby:finish()
  end)

  it("that was stopped past its lease goes on if no other machine became the home", function()
    begin(1)
    standby:finish()
    home:stop()
    local deadline = home.reader:share().deadline
    home.editor:set { count = 2, twin = 2 }
    repeat ipmmap.sleep(0.01) until ipmmap.boottime() > deadline + 1
    assert.is_true(is_refused(home))
    home:continue()
    home:says("is the home")
    local follower = share:follow(Score, standby.dir, "beta")
    sharing.wait_for(standby.reader, "count", 2)
    assert_follows(standby, home, 3)
    follower:finish()
    home:finish()
  end)

  it("publishes at last what it could not, if no other machine became the home", function()
    begin(2)
    standby:finish()
    home:stop()
    for i = 2, 4 do home.editor:set { count = i, twin = i } end
    home:kill()
    local token = home.reader:share().token
    repeat ipmmap.sleep(0.01) until ipmmap.boottime() > home.reader:share().deadline
    local again = share:share(Score, home.dir, "alpha", { lease = 2 })
    again:says("is the home")
    assert.not_equal(token, home.reader:share().token) -- a lease that has ended is not gone on with
    local follower = share:follow(Score, standby.dir, "beta")
    sharing.wait_for(standby.reader, "count", 4)
    assert_follows(standby, home, 5)
    assert.same({}, sharing.saved(home.path))
    follower:finish()
    again:finish()
  end)

  it("ends the transaction of an editor that is in its block at the deadline", function()
    begin(1)
    local editor = process.spawn([[
      local ipmmap = require "ipmmap"
      local dir, tag = ...
      local S = ipmmap.describe(dir .. "/Score_" .. tag .. ".mmap")
      local editor = assert(ipmmap.editor(S, { mmap_dir = dir, tag = tag }))
      local ok, problem = pcall(editor.with, editor, function(score)
        score.count = 100
        print("inside")
        io.read()
      end)
      print(ok, problem.code)
    ]], home.dir, share.tag)
    editor:expect("inside")
    home:kill()
    standby:says("beta is the home")
    editor:send("go on")
    editor:expect("false\tnot_home")
    assert.equal(1, home.reader:read("count"))
    standby:finish()
  end)

  it("is the machine that has it though an editor that is stopped holds the lock", function()
    begin(1)
    local editor = process.spawn([[
      local ipmmap = require "ipmmap"
      local dir, tag = ...
      local S = ipmmap.describe(dir .. "/Score_" .. tag .. ".mmap")
      local editor = assert(ipmmap.editor(S, { mmap_dir = dir, tag = tag }))
      editor:with(function(score)
        score.count, score.twin = 100, 100
        print("inside")
        io.read()
      end)
      print(editor:version())
    ]], home.dir, share.tag)
    editor:expect("inside")
    editor:stop()
    local untouched = ipmmap.boottime() + 2 -- leases
    repeat ipmmap.sleep(0.05) until ipmmap.boottime() > untouched
    editor:continue()
    editor:send("go on")
    editor:match("^%d+$")
    sharing.assert_same(home.reader, standby.reader)
    assert.equal(100, standby.reader:read("count"))
    home:finish()
    standby:says("beta is the home")
    standby:finish()
  end)
end)

-- Edits from other machines, as their home makes and answers them.
local patch = require "ipmmap_share.patch"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"
local sharing = require "spec.helper.sharing"
local store = require "ipmmap_share.store"

local Score <const> = sharing.Score
local DEADLINE <const> = 30 -- seconds

-- An editor that takes the lock, and keeps it until it is sent a line.
local HOLDER <const> = [[
  local ipmmap = require "ipmmap"
  local dir, tag = ...
  local S = ipmmap.describe(dir .. "/Score_" .. tag .. ".mmap")
  local editor = assert(ipmmap.editor(S, { mmap_dir = dir, tag = tag }))
  editor:with(function()
    print("inside")
    io.read()
  end)
]]

describe("an edit from another machine", function()
  local share, home, replica, remote, numbers

  setup(function()
    share = sharing.new()
    numbers = 0
  end)
  before_each(function()
    share:begin()
    home = share:home(Score)
    replica = share:replica(Score)
    home.editor:set { count = 1, twin = 1 }
    sharing.assert_same(home.reader, replica.reader)
    remote = assert(store.open(share.server.address, "Score_" .. share.tag, DEADLINE))
  end)
  after_each(function()
    remote:close()
    home:finish()
    replica:finish()
    segment.close()
  end)

  local function number(path, value)
    return patch.pack { { Score:offsetof(path), ("<i8"):pack(value) } }
  end

  -- Sends an edit, and returns it.
  local function send(expect, change)
    numbers = numbers + 1
    local edit = {
      id = ("%032x"):format(numbers), expires = assert(remote:time()) + DEADLINE * 1000,
      server = assert(remote:server()), base = { epoch = 1, version = 1 },
      expect = expect, patch = change,
    }
    assert(remote:send(edit))
    return edit
  end

  -- Waits until an edit is answered. Returns all that was answered.
  local function answers(edit)
    local list, after = {}, "0"
    repeat
      for _, reply in ipairs(assert(remote:replies(edit.id, after, DEADLINE))) do
        list[#list + 1], after = reply, reply.at
      end
    until #list >= 2
    return list
  end

  it("is made, published, and then answered with its version", function()
    local taken, reply = table.unpack(answers(send(number("count", 1), number("count", 2))))
    assert.equal("taken", taken.result)
    assert.equal("applied", reply.result)
    assert.equal(2, home.reader:read("count"))
    assert.equal(home.reader:version(), reply.position.version)
    local meta = assert(remote:meta())
    assert.is_true(meta.version >= reply.position.version)
    sharing.wait_for(replica.reader, "count", 2)
  end)

  it("is not answered while its commit is not published", function()
    local connection, log = share.server:connect(), ("ipm:{Score_%s}:log"):format(share.tag)
    assert(connection:call("RENAME", log, log .. "-away"))
    assert(connection:call("SET", log, "in the way"))
    local edit = send("", number("count", 2))
    home:says("another program's")
    assert.equal(2, home.reader:read("count"))
    assert.equal(1, #assert(remote:replies(edit.id, "0", 0)))
    local taken = assert(remote:replies(edit.id, "0", 0))[1]
    assert.same({}, assert(remote:replies(edit.id, taken.at, 0.2)))
    assert(connection:call("RENAME", log .. "-away", log))
    assert.equal("applied", answers(edit)[2].result)
    sharing.wait_for(replica.reader, "count", 2)
  end)

  it("is a conflict if the bytes are not as it expects", function()
    local _, reply = table.unpack(answers(send(number("count", 7), number("count", 2))))
    assert.same({ "conflict", home.reader:version() }, { reply.result, reply.position.version })
    assert.equal(1, home.reader:read("count"))
  end)

  it("is made all at once", function()
    local change = patch.pack {
      { Score:offsetof("count"), ("<i8"):pack(5) }, { Score:offsetof("twin"), ("<i8"):pack(5) },
    }
    local version = home.reader:version()
    assert.equal("applied", answers(send("", change))[2].result)
    assert.equal(version + 1, home.reader:version())
    assert.same({ 5, 5 }, { home.reader:read("count"), home.reader:read("twin") })
  end)

  it("is refused if the struct cannot have its values", function()
    local version = home.reader:version()
    for _, change in ipairs {
      patch.pack { { 0, "\0\0" } },                           -- the header
      patch.pack { { Score.size - 1, "ab" } },                -- beyond the struct
      patch.pack { { Score:offsetof("text"), "a\0b" } },      -- a text with something after its end
    } do
      local reply = answers(send("", change))[2]
      assert.equal("refused", reply.result)
      assert.is_true(#reply.message > 0)
    end
    assert.equal(version, home.reader:version())
  end)

  it("is made once if it is sent twice", function()
    local edit = send(number("count", 1), number("count", 2))
    assert(remote:send(edit))
    answers(edit)
    assert.equal("applied", answers(send(number("count", 2), number("count", 1)))[2].result)
    assert(remote:send(edit))
    assert.equal("applied", answers(send("", number("twin", 9)))[2].result)
    assert.equal(1, home.reader:read("count"))
    assert.equal(2, #answers(edit))
  end)

  it("is not made twice, and has no answer, if the home died after it was taken", function()
    local holder = process.spawn(HOLDER, home.dir, share.tag)
    holder:expect("inside")
    local edit = send("", number("count", 2))
    assert.equal("taken", assert(remote:replies(edit.id, "0", DEADLINE))[1].result)
    home:kill()
    holder:send("go on")
    holder:join()
    local again = share:share(Score, home.dir, "alpha")
    again:says("is the home")
    home.child = again.child
    assert.equal("applied", answers(send("", number("twin", 3)))[2].result)
    assert.equal(1, home.reader:read("count"))
    assert.equal(1, #assert(remote:replies(edit.id, "0", 0)))
  end)

  it("has no answer if another home published before its commit, although its home is one again", function()
    home:finish()
    replica:finish()
    home.child = share:share(Score, home.dir, "alpha", { standby = true }).child
    home:says("is the home")
    local beta = share:follow(Score, replica.dir, "beta", { standby = true })
    local connection, log = share.server:connect(), ("ipm:{Score_%s}:log"):format(share.tag)
    assert(connection:call("RENAME", log, log .. "-away"))
    assert(connection:call("SET", log, "in the way"))
    local edit = send("", number("count", 2))
    home:says("another program's")
    assert.equal("taken", assert(remote:replies(edit.id, "0", DEADLINE))[1].result)
    assert.equal(2, home.reader:read("count"))
    home:stop()
    assert(connection:call("RENAME", log .. "-away", log))
    beta:says("beta is the home")
    local editor = share:open("editor", Score, replica.dir)
    for i = 10, 14 do editor:set { count = i, twin = i } end
    home:continue()
    home:says("joined")
    sharing.assert_same(replica.reader, home.reader)
    beta:finish()
    home:says("is the home")
    replica = share:follow(Score, replica.dir, "beta")
    assert.equal("applied", answers(send("", number("twin", 3)))[2].result)
    assert.equal(14, home.reader:read("count"))
    assert.equal(1, #assert(remote:replies(edit.id, "0", 0)))
  end)

  it("waits for a lock that an editor holds, and does not hold up commits", function()
    local holder = process.spawn(HOLDER, home.dir, share.tag)
    holder:expect("inside")
    local edit = send("", number("count", 2))
    assert.equal("taken", assert(remote:replies(edit.id, "0", DEADLINE))[1].result)
    holder:send("go on")
    holder:join()
    assert.equal("applied", answers(edit)[2].result)
  end)

  it("gets the lock beside an editor that takes it again at once", function()
    local restless = process.spawn([[
      local ipmmap = require "ipmmap"
      local dir, tag = ...
      local S = ipmmap.describe(dir .. "/Score_" .. tag .. ".mmap")
      local editor = assert(ipmmap.editor(S, { mmap_dir = dir, tag = tag }))
      print("begins")
      while true do
        editor:with(function(score)
          local ending = ipmmap.now() + 0.002
          repeat until ipmmap.now() > ending
          score.twin = score.twin + 1
        end)
      end
    ]], home.dir, share.tag)
    restless:expect("begins")
    for i = 2, 6 do
      assert.equal("applied", answers(send(number("count", i - 1), number("count", i)))[2].result)
    end
    restless:kill()
  end)

  it("goes to the new home when the home has moved", function()
    home:finish()
    replica:finish()
    local edit = send("", number("count", 4))
    local alpha = share:follow(Score, home.dir, "alpha")
    home, replica = share:share(Score, replica.dir, "beta"), alpha
    assert.equal("applied", answers(edit)[2].result)
  end)

  it("is one of many from several machines, each made once", function()
    local program = [[
      local host, port, name, number = ...
      local patch, store = require "ipmmap_share.patch", require "ipmmap_share.store"
      local remote = assert(store.open({ host = host, port = tonumber(port), db = 0 }, name, 30))
      local done, tries, seen = 0, 0, 1
      while done < 20 do
        tries = tries + 1
        local id = ("%016x%016x"):format(number, tries)
        local function bytes(n) return patch.pack { { 16, ("<i8"):pack(n) } } end
        assert(remote:send { id = id, expires = assert(remote:time()) + 30000,
          server = assert(remote:server()), base = { epoch = 1, version = 1 },
          expect = bytes(seen), patch = bytes(seen + 1) })
        local after, result = "0", nil
        repeat
          for _, reply in ipairs(assert(remote:replies(id, after, 30))) do
            after, result = reply.at, reply.result
          end
        until result and result ~= "taken"
        if result == "applied" then done = done + 1 end
        seen = seen + 1
        if result == "conflict" then -- look at the state
          local size = assert(remote:meta()).size
          assert(remote:state(size, function(piece) seen = ("<i8"):unpack(piece, 17) end))
        end
      end
    ]]
    assert.equal(16, Score:offsetof("count"))
    local crew = {}
    for i = 1, 3 do
      crew[i] = process.spawn(program, "127.0.0.1", share.server.port, "Score_" .. share.tag, i)
    end
    for _, one in ipairs(crew) do one:join() end
    assert.equal(61, home.reader:read("count"))
    sharing.wait_for(replica.reader, "count", 61)
  end)
end)

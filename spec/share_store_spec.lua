local cutting_proxy = require "spec.helper.cutting_proxy"
local fails = require "spec.helper.fails"
local patch = require "ipmmap_share.patch"
local redis = require "ipmmap_share.redis"
local redis_server = require "spec.helper.redis_server"
local share = require "spec.helper.share"
local store = require "ipmmap_share.store"

local DEADLINE <const> = 30 -- seconds
local MIB <const> = 2 ^ 20 | 0

local function changed(state, offset, bytes)
  return state:sub(1, offset) .. bytes .. state:sub(offset + #bytes + 1)
end

local function read_state(opened, size)
  local pieces = {}
  local whole, message, code = opened:state(size, function(piece) pieces[#pieces + 1] = piece end)
  if not whole then return whole, message, code end
  return table.concat(pieces), pieces
end

-- Bytes of which no two pieces are equal.
local function some_state(size)
  local parts = {}
  for i = 1, size // 64 do parts[i] = ("%064d"):format(i) end
  parts[#parts + 1] = ("."):rep(size % 64)
  return table.concat(parts)
end

describe("a segment in a server", function()
  local server, opened

  setup(function() server = redis_server.start() end)

  teardown(function() server:kill() end)

  before_each(function() opened = share.open(server) end)

  after_each(function() opened:close() end)

  local function raw(...)
    return assert(opened.connection:call(...))
  end

  local function ids(lease, version)
    return { epoch = lease.epoch, version = version }
  end

  it("has a name without characters that mean something in a key", function()
    for _, name in ipairs { "", "a b", "a{b", "a}", "a:b", "a*", "a\n" } do
      assert.error_matches(function() store.on(opened.connection, name) end, "is no name of a segment")
    end
  end)

  it("is not there at first", function()
    assert.is_false(opened:meta())
    assert.is_false(opened:schema())
    assert.is_false(opened:holder())
    assert.is_false(read_state(opened, 16))
    assert.same({}, opened:entries({ epoch = 0, version = 0 }, 0))
    assert.same({}, opened:edits("0", 0))
  end)

  describe("as a whole", function()
    it("is stored in place of all that was there: another state, size, schema, log", function()
      local lease = share.found(opened, ("old"):rep(1000), 50)
      local commit = { version = 60, time = 1, patch = patch.pack { { 0, "x" } } }
      assert.equal("ok", (opened:commit(lease, ids(lease, 50), { commit })))
      local new = share.lease(opened)
      assert.equal("ok", (opened:commit_fresh(new, {
        version = 3, time = 77, state = "0123456789abcdef", schema = "other", feed = 4096,
      })))
      assert.same({ epoch = new.epoch, version = 3, size = 16, time = 77, feed = 4096 }, opened:meta())
      assert.equal("other", opened:schema())
      assert.equal("0123456789abcdef", read_state(opened, 16))
      assert.same({ { epoch = new.epoch, version = 3, time = 77 } },
                  opened:entries({ epoch = 0, version = 0 }, 0))
      assert.equal(-1, raw("PTTL", opened.keys.state))
      assert.equal(0, raw("EXISTS", opened.keys.next))
    end)

    it("is stored over a log with later entries", function()
      raw("XADD", opened.keys.log, (2 ^ 53 | 0) .. "-1", "t", "1")
      local lease = share.found(opened, "0123456789abcdef", 9)
      assert.same({ { epoch = lease.epoch, version = 9, time = 1000 } },
                  opened:entries({ epoch = 0, version = 0 }, 0))
    end)

    it("is as it was until all pieces are there", function()
      local old = some_state(MIB)
      local lease = share.found(opened, old, 1)
      local calls = 0
      local function between()
        calls = calls + 1
        assert.equal(old, share.state(opened))
        assert.equal(1, opened:meta().version)
        return true
      end
      local new = ("n"):rep(MIB)
      local fresh = { version = 2, time = 1, state = new, schema = "struct", feed = 0 }
      assert.equal("ok", (opened:commit_fresh(lease, fresh, between)))
      assert.equal(new, share.state(opened))
      assert.equal(5, calls)
    end)

    it("is not stored if the home does not go on, or has lost its lease", function()
      local old = some_state(MIB)
      local lease = share.found(opened, old, 1)
      local fresh = { version = 2, time = 1, state = ("n"):rep(MIB), schema = "struct", feed = 0 }
      fails("timeout", opened:commit_fresh(lease, fresh, function() return nil, "too late", "timeout" end))
      local word = opened:commit_fresh(lease, fresh, function() return opened:release(lease) end)
      assert.equal("lost", word)
      assert.equal(old, share.state(opened))
      assert.equal(1, opened:meta().version)
      assert.equal(1, #opened:entries({ epoch = 0, version = 0 }, 0))
    end)

    it("is refused if it is larger than a server takes", function()
      local lease = share.lease(opened)
      local before = share.dump(opened)
      local huge = setmetatable({}, { __len = function() return store.LARGEST_STRUCT + 1 end })
      local fresh = { version = 2, time = 1, state = huge, schema = "struct", feed = 0 }
      fails("no_space", opened:commit_fresh(lease, fresh))
      assert.equal(before, share.dump(opened))
    end)

    it("is read in pieces, and is not if it has another size", function()
      local state = some_state(3 * MIB + 123)
      share.found(opened, state)
      local read, pieces = read_state(opened, #state)
      assert.equal(state, read)
      for i = 1, #pieces - 1 do assert.equal(patch.PIECE, #pieces[i]) end
      assert.is_false(read_state(opened, #state + 1))
      raw("DEL", opened.keys.state)
      assert.is_false(read_state(opened, #state))
    end)

    it("is the same after 64 MiB went there and back in pieces", function()
      local state = some_state(64 * MIB)
      local lease = share.found(opened, state)
      assert.is_true(state == read_state(opened, #state))
      local change = { version = 2, time = 1, patch = patch.pack { { 5, ("c"):rep(2 * MIB) }, { 60 * MIB, "d" } } }
      assert.equal("ok", (opened:commit_large(lease, ids(lease, 1), change, #state)))
      local expected = changed(changed(state, 5, ("c"):rep(2 * MIB)), 60 * MIB, "d")
      assert.is_true(expected == read_state(opened, #state))
    end)
  end)

  describe("after a large commit", function()
    local state, lease

    before_each(function()
      state = some_state(2 * MIB)
      lease = share.found(opened, state, 1)
    end)

    local function large(version)
      return { version = version, time = 5, patch = patch.pack { { 7, ("L"):rep(MIB + 5) } } }
    end

    it("has its bytes, and tells followers to read the whole state", function()
      assert.error_matches(function() opened:commit(lease, ids(lease, 1), { large(3) }) end, "bytes of patches")
      assert.equal("ok", (opened:commit_large(lease, ids(lease, 1), large(3), #state)))
      assert.is_true(changed(state, 7, ("L"):rep(MIB + 5)) == share.state(opened))
      assert.same({ { epoch = lease.epoch, version = 3, time = 5 } }, opened:entries(ids(lease, 1), 0))
      assert.equal(3, opened:meta().version)
      assert.equal(-1, raw("PTTL", opened.keys.state))
      assert.equal("ok", (opened:commit(lease, ids(lease, 3), { { version = 4, time = 1, patch = "" } })))
      assert.equal("again", (opened:commit_large(lease, ids(lease, 1), large(3), #state)))
    end)

    it("still counts the bytes of the commits before it", function()
      local small = { version = 2, time = 1, patch = patch.pack { { 0, "abc" } } }
      assert.equal("ok", (opened:commit(lease, ids(lease, 1), { small })))
      assert.equal("ok", (opened:commit_large(lease, ids(lease, 2), large(3), #state)))
      assert.equal(tostring(#small.patch), raw("HGET", opened.keys.meta, "log_bytes"))
    end)

    it("is unchanged if the commit does not follow the stored one, or has another size", function()
      local before = share.dump(opened)
      local word, position = opened:commit_large(lease, ids(lease, 2), large(3), #state)
      assert.equal("behind", word)
      assert.same(ids(lease, 1), position)
      assert.equal("lost", (opened:commit_large({ token = 1, epoch = lease.epoch }, ids(lease, 1), large(3), #state)))
      assert.equal(before, share.dump(opened))
      fails("timeout", opened:commit_large(lease, ids(lease, 1), large(3), #state - 8))
      fails("system", opened:commit_large(lease, ids(lease, 1), large(3), MIB))
      local longer = { version = 3, time = 5, patch = patch.pack { { #state, "12345678" } } }
      fails("timeout", opened:commit_large(lease, ids(lease, 1), longer, #state + 8))
      assert.is_true(state == share.state(opened))
      assert.equal(1, opened:meta().version)
    end)

    -- The calls of a home, one by one.
    local function begin(by, stage, before)
      return opened:ask("begin", { "lease", "epoch", "meta", "state", "next" },
                        { ("%016x"):format(by.token), by.epoch, before, stage, 2 })
    end
    local function piece(by, stage, bytes)
      return opened:ask("stage", { "lease", "epoch", "next" },
                        { ("%016x"):format(by.token), by.epoch, stage, #state, patch.pack { { 0, bytes } } })
    end
    local function finish(by, stage, before)
      return opened:ask("finish", { "lease", "epoch", "meta", "state", "log", "next", "schema" },
                        { ("%016x"):format(by.token), by.epoch, before, stage, 2, 1, #state })
    end
    local ONE <const>, TWO <const> = ("1"):rep(16), ("2"):rep(16)

    it("has nothing of an attempt that was given up, though its calls come late", function()
      local where = lease.epoch .. "-1"
      assert.equal("ok", (begin(lease, ONE, where)))
      assert.equal("ok", (piece(lease, ONE, "first")))
      assert.equal("ok", (begin(lease, TWO, where)))
      assert.equal("ok", (piece(lease, TWO, "2")))
      assert.equal("gone", (piece(lease, ONE, "late")))
      assert.equal("gone", (finish(lease, ONE, where)))
      assert.equal("ok", (finish(lease, TWO, where)))
      assert.is_true(changed(state, 0, "2") == share.state(opened))
      assert.equal("gone", (piece(lease, TWO, "late")))
      assert.equal("again", (finish(lease, TWO, where)))
    end)

    it("has nothing of the pieces that a dead home left", function()
      local where = lease.epoch .. "-1"
      assert.equal("ok", (begin(lease, ONE, where)))
      assert.equal("ok", (piece(lease, ONE, "dead")))
      local new = share.lease(opened)
      assert.equal("lost", (piece(lease, ONE, "dead")))
      assert.equal("lost", (finish(lease, ONE, where)))
      assert.equal("ok", (opened:commit_large(new, ids(lease, 1), { version = 2, time = 1,
        patch = patch.pack { { 100, "new" } } }, #state)))
      assert.is_true(changed(state, 100, "new") == share.state(opened))
    end)

    it("has no pieces for longer than a minute", function()
      local where = lease.epoch .. "-1"
      assert.equal("ok", (begin(lease, ONE, where)))
      local left = raw("PTTL", opened.keys.next)
      assert.is_true(left > 0 and left <= 60000)
      raw("PEXPIRE", opened.keys.next, 20000)
      assert.equal("ok", (piece(lease, ONE, "a")))
      assert.is_true(raw("PTTL", opened.keys.next) > 20000)
      raw("PEXPIRE", opened.keys.next, 0)
      assert.equal("gone", (piece(lease, ONE, "b")))
      assert.equal("gone", (finish(lease, ONE, where)))
      assert.equal(0, raw("EXISTS", opened.keys.next))
    end)

    it("does not lose a commit that was stored between its pieces", function()
      local where = lease.epoch .. "-1"
      assert.equal("ok", (begin(lease, ONE, where)))
      assert.equal("ok", (opened:commit(lease, ids(lease, 1), { { version = 2, time = 1, patch = "" } })))
      assert.equal("again", (finish(lease, ONE, where)))
      assert.equal("again", (begin(lease, ONE, where)))
    end)

    for _, key in ipairs { "next", "epoch", "schema" } do
      it(("is unchanged if the key %s is another program's, which is named"):format(key), function()
        raw("DEL", opened.keys[key])
        raw("RPUSH", opened.keys[key], "something")
        local message = fails("corrupt", opened:commit_large(lease, ids(lease, 1), large(3), #state))
        assert.matches(opened.keys[key] .. " holds a list", message, 1, true)
        assert.is_true(state == share.state(opened))
        assert.equal(1, opened:meta().version)
        assert.equal(1, #opened:entries({ epoch = 0, version = 0 }, 0))
      end)
    end
  end)

  describe("is followed", function()
    it("by waiting for the next commit", function()
      local lease = share.found(opened, ("."):rep(16), 1)
      assert.same({}, opened:entries(ids(lease, 1), 0.01))
      local other = share.open(server, opened.name)
      local change = { version = 2, time = 9, patch = patch.pack { { 3, "a" } } }
      assert.equal("ok", (opened:commit(lease, ids(lease, 1), { change })))
      change.epoch, change.before = lease.epoch, ids(lease, 1)
      assert.same({ change }, other:entries(ids(lease, 1), DEADLINE))
      other:close()
    end)

    it("by 100 commits at a time", function()
      local lease = share.found(opened, ("."):rep(16), 0)
      local commits = {}
      for i = 1, 150 do commits[i] = { version = i, time = i, patch = "" } end
      assert.equal("ok", (opened:commit(lease, ids(lease, 0), commits)))
      local first = opened:entries(ids(lease, 0), 0)
      assert.equal(100, #first)
      assert.equal(50, #opened:entries(first[100], 0))
    end)

    local forged = {
      ["without a time"] = { { "5-1", "p", "5-0", "d", "" } },
      ["with a malformed time"] = { { "5-1", "p", "5-0", "t", "-1", "d", "" } },
      ["with a patch and without what it follows"] = { { "5-1", "t", "1", "d", "" } },
      ["with a malformed position"] = { { "5-1", "t", "1", "p", "5", "d", "" } },
      ["with a field twice"] = { { "5-1", "t", "1", "t", "2" } },
      ["with an epoch that is too large"] = { { "9007199254740992-1", "t", "1" } },
      ["with a version that is too large"] = { { "5-9007199254740992", "t", "1" } },
    }
    for what, entries in pairs(forged) do
      it("and refuses an entry of the log " .. what, function()
        for _, entry in ipairs(entries) do raw("XADD", opened.keys.log, table.unpack(entry)) end
        local message = fails("corrupt", opened:entries({ epoch = 0, version = 0 }, 0))
        assert.matches(opened.keys.log, message, 1, true)
      end)
    end

    local metas = {
      { "epoch", "1.5" }, { "epoch", "0" }, { "epoch", "" }, { "version", "9007199254740992" },
      { "size", "0" }, { "size", "536870913" }, { "time", "9223372036854775808" }, { "feed", "-4096" },
    }
    for _, meta in ipairs(metas) do
      it(("and refuses '%s' as its %s"):format(meta[2], meta[1]), function()
        share.found(opened, ("."):rep(16))
        raw("HSET", opened.keys.meta, table.unpack(meta))
        assert.matches("malformed " .. meta[1], (fails("corrupt", opened:meta())))
      end)
    end

    it("and refuses keys of another type, which are named", function()
      for key, command in pairs { schema = "RPUSH", lease = "RPUSH", meta = "SET", state = "RPUSH", log = "SET",
                                  edits = "SET" } do
        raw(command, opened.keys[key], "x")
      end
      local where = { epoch = 0, version = 0 }
      for key, call in pairs {
        schema = function() return opened:schema() end, lease = function() return opened:holder() end,
        meta = function() return opened:meta() end, state = function() return read_state(opened, 16) end,
        log = function() return opened:entries(where, 0) end, edits = function() return opened:edits("0", 0) end,
      } do
        local message = fails("corrupt", call())
        assert.matches(opened.keys[key] .. ": a key is another program's", message, 1, true)
      end
    end)
  end)

  describe("is edited from elsewhere", function()
    local lease, run_id

    before_each(function()
      lease = share.found(opened, ("."):rep(16))
      run_id = assert(opened:server())
    end)

    local function edit(id, more)
      local wanted = { id = id:rep(32), expires = opened:time() + 60000, server = run_id, base = ids(lease, 1),
                       expect = patch.pack { { 0, "." } }, patch = patch.pack { { 0, id } } }
      for name, value in pairs(more or {}) do wanted[name] = value end
      return wanted
    end

    it("by what the home finds as it was sent", function()
      local sent = { edit "a", edit "b" }
      for _, each in ipairs(sent) do assert.is_true(opened:send(each)) end
      local got = opened:edits("0", DEADLINE)
      assert.equal(2, #got)
      assert.same({}, opened:edits(got[2].at, 0))
      assert.equal(1, #opened:edits(got[1].at, 0))
      for i, each in ipairs(got) do
        each.at = nil
        assert.same(sent[i], each)
      end
    end)

    it("once, even if it was sent twice and taken twice after a lost answer", function()
      assert.is_true(opened:send(edit "a"))
      assert.is_true(opened:send(edit "a"))
      local first, second = table.unpack(opened:edits("0", 0))
      assert.equal("taken", (opened:take(lease, first)))
      assert.equal("taken", (opened:take(lease, first)))
      assert.equal("gone", (opened:take(lease, second)))
      assert.same({}, opened:edits("0", 0))
      local replies = opened:replies(first.id, "0", DEADLINE)
      assert.equal("taken", replies[1].result)
      assert.equal(1, #replies)
      assert.is_true(opened:reply(first.id, "applied", ids(lease, 7)))
      assert.is_true(opened:reply(first.id, "refused", "too late"))
      assert.equal("gone", (opened:take(lease, first)))
      local rest = opened:replies(first.id, replies[1].at, DEADLINE)
      assert.equal(1, #rest)
      assert.same({ at = rest[1].at, result = "applied", position = ids(lease, 7) }, rest[1])
      local left = raw("PTTL", opened.prefix .. "replies:" .. first.id)
      assert.is_true(left > 3500000 and left <= 3600000)
    end)

    it("by one home: what a former one took, another does not", function()
      assert.is_true(opened:send(edit "a"))
      local sent = opened:edits("0", 0)[1]
      assert.equal("taken", (opened:take(lease, sent)))
      local new = share.lease(opened)
      assert.equal("lost", (opened:take(lease, sent)))
      assert.equal("gone", (opened:take(new, sent)))
      assert.is_true(opened:reply(sent.id, "refused", "the lease is lost"))
      assert.equal("the lease is lost", opened:replies(sent.id, "0", 0)[2].message)
    end)

    it("in time only, and only on the server that it was sent to", function()
      assert.is_true(opened:send(edit("a", { expires = opened:time() - 1 })))
      assert.is_true(opened:send(edit("b", { server = ("0"):rep(40) })))
      for _, sent in ipairs(opened:edits("0", 0)) do
        assert.equal("gone", (opened:take(lease, sent)))
        assert.same({}, opened:replies(sent.id, "0", 0))
      end
      assert.same({}, opened:edits("0", 0))
    end)

    it("and is answered with each result", function()
      for id, result in pairs { a = "applied", b = "conflict" } do
        opened:reply(id:rep(32), result, ids(lease, 3))
        local reply = opened:replies(id:rep(32), "0", 0)[1]
        assert.same({ result, ids(lease, 3) }, { reply.result, reply.position })
      end
    end)

    it("and refuses malformed replies", function()
      for i, fields in ipairs { { "r", "what" }, { "v", "1-1" }, { "r", "applied" }, { "r", "refused" },
                                { "r", "conflict", "v", "1" } } do
        local id = ("%032x"):format(i)
        raw("XADD", opened.prefix .. "replies:" .. id, "*", table.unpack(fields))
        fails("corrupt", opened:replies(id, "0", 0))
      end
    end)

    it("and tells which edits are malformed, which can be dropped", function()
      local ID <const> = ("a"):rep(32)
      local good = { "id", ID, "expires", "5", "server", run_id, "base", "1-1", "expect", "", "d", "" }
      local function send(i, value)
        local fields = table.move(good, 1, #good, 1, {})
        fields[i] = value
        raw("XADD", opened.keys.edits, "*", table.unpack(fields))
      end
      for _, id in ipairs { "", "a", ("A"):rep(32), ("a"):rep(33) } do send(2, id) end
      for i = 1, 11, 2 do send(i, "other") end
      local problems = {}
      local seen = "0"
      repeat
        local got = opened:edits(seen, 0)
        for _, each in ipairs(got) do
          problems[#problems + 1] = each
          seen = each.at
          assert.is_string(each.problem)
          assert.is_true(opened:drop(each))
        end
      until #got == 0
      assert.equal(10, #problems)
      for i, each in ipairs(problems) do assert.equal(i > 5 and ID or nil, each.id) end
      assert.same({}, opened:edits("0", 0))
      for i, value in pairs { [4] = "-1", [6] = "x", [8] = "1" } do
        send(i, value)
        local each = opened:edits("0", 0)[1]
        assert.same({ at = each.at, id = ID, problem = "an edit without all its fields" }, each)
        opened:drop(each)
      end
      send(12, ("x"):rep(MIB + 1))
      assert.matches("more than", opened:edits("0", 0)[1].problem)
    end)

    it("by at most a MiB at once", function()
      local too_large = edit("a", { patch = patch.pack { { 0, ("x"):rep(MIB) } } })
      assert.error_matches(function() opened:send(too_large) end, "an edit of")
    end)
  end)
end)

describe("a connection to a server", function()
  local server

  before_each(function() server = redis_server.start() end)

  after_each(function() server:kill() end)

  it("that ends before the answer loses no commit and makes none twice", function()
    local proxy = cutting_proxy.start(server.port)
    local direct = share.open(server)
    local lease = share.found(direct, ("."):rep(16), 1)
    local connection = assert(redis.connect({ host = "127.0.0.1", port = proxy.port, db = 0 }, 0.2))
    local through = store.on(connection, direct.name)
    assert.is_truthy(through:meta())
    proxy:freeze "down"
    local commits = { { version = 2, time = 1, patch = patch.pack { { 0, "a" } } } }
    fails("timeout", through:commit(lease, { epoch = lease.epoch, version = 1 }, commits))
    assert.is_string(through:closed())
    fails("system", through:meta())
    assert.equal("again", (direct:commit(lease, { epoch = lease.epoch, version = 1 }, commits)))
    assert.equal("a" .. ("."):rep(15), share.state(direct))
    direct:close()
  end)

  it("loads the functions when they are missing, and newer ones over older ones", function()
    local opened = share.open(server)
    local lease = share.found(opened, ("."):rep(16), 1)
    assert(opened.connection:call("FUNCTION", "FLUSH"))
    assert.is_true(opened:renew(lease, DEADLINE))
    assert(opened.connection:call("FUNCTION", "LOAD", "REPLACE", [[#!lua name=ipmmap1
      redis.register_function("ipmmap1_acquire", function() return { err = "OLD revision 0" } end)]]))
    assert.is_true(share.lease(opened).epoch > lease.epoch)
    opened:close()
  end)

  it("is refused with the server's reason: a password, a user", function()
    assert(server:connect():call("CONFIG", "SET", "requirepass", "secret"))
    assert.matches("wants a password", (fails("permission", store.open(server.address, "Game_x", DEADLINE))))
    local wrong = setmetatable({ password = "wrong" }, { __index = server.address })
    assert.matches("refused the user or the password",
                   (fails("permission", store.open(wrong, "Game_x", DEADLINE))))
    local right = setmetatable({ password = "secret" }, { __index = server.address })
    assert(store.open(right, "Game_x", DEADLINE)):close()
  end)
end)

local fails = require "spec.helper.fails"
local functions = require "ipmmap_share.functions"
local patch = require "ipmmap_share.patch"
local redis_server = require "spec.helper.redis_server"
local share = require "spec.helper.share"

local SIZE <const> = 1000
local MOST_ENTRIES <const> = 10000
local MOST_BYTES <const> = 16 * 2 ^ 20 | 0
local LAST <const> = 2 ^ 53 - 1 | 0

local function changed(state, offset, bytes)
  return state:sub(1, offset) .. bytes .. state:sub(offset + #bytes + 1)
end

local function one(version, offset, bytes)
  return { version = version, time = version * 10, patch = bytes and patch.pack { { offset, bytes } } or "" }
end

describe("the commits of a home", function()
  local server, opened, lease, state

  setup(function() server = redis_server.start() end)

  teardown(function() server:kill() end)

  before_each(function()
    opened = share.open(server)
    state = ("."):rep(SIZE)
    lease = share.found(opened, state, 5)
  end)

  after_each(function() opened:close() end)

  local function at(version)
    return { epoch = lease.epoch, version = version }
  end

  it("change the state, and are in the log in order", function()
    assert.equal("ok", (opened:commit(lease, at(5), { one(6, 3, "abc") })))
    assert.equal("ok", (opened:commit(lease, at(6), { one(7, 0, "x"), one(9), one(12, 998, "yz") })))
    assert.equal(changed(changed(changed(state, 3, "abc"), 0, "x"), 998, "yz"), share.state(opened))
    assert.same({ epoch = lease.epoch, version = 12, size = SIZE, time = 120, feed = 0 }, opened:meta())
    local entries = opened:entries(at(5), 0)
    local expected = {}
    for i, commit in ipairs { one(6, 3, "abc"), one(7, 0, "x"), one(9), one(12, 998, "yz") } do
      commit.epoch, commit.before = lease.epoch, at(({ 5, 6, 7, 9 })[i])
      expected[i] = commit
    end
    assert.same(expected, entries)
  end)

  it("go on in a new epoch, whose first one may have the version that is there", function()
    local new = share.lease(opened)
    assert.equal("ok", (opened:commit(new, at(5), { one(5) })))
    assert.equal("ok", (opened:commit(new, { epoch = new.epoch, version = 5 }, { one(6, 1, "a") })))
    assert.equal(changed(state, 1, "a"), share.state(opened))
    local entries = opened:entries(at(5), 0)
    assert.same({ 5, 6 }, { entries[1].version, entries[2].version })
    assert.same({ epoch = new.epoch, version = 6 }, { epoch = entries[2].epoch, version = entries[2].version })
    assert.same(at(5), entries[1].before)
  end)

  it("are made once, even if they are sent again after a lost answer", function()
    local commits = { one(6, 0, "a"), one(7, 1, "b") }
    assert.equal("ok", (opened:commit(lease, at(5), commits)))
    local before = share.dump(opened)
    assert.equal("again", (opened:commit(lease, at(5), commits)))
    assert.equal("again", (opened:commit(lease, at(5), { commits[1] })))
    assert.equal("again", (opened:commit_large(lease, at(5), commits[1], SIZE)))
    local fresh = { version = 7, time = 1, state = ("f"):rep(SIZE), schema = "struct", feed = 0 }
    assert.equal("again", (opened:commit_fresh(lease, fresh)))
    local answer, position = opened:commit(lease, at(5), { commits[1], commits[2], one(8, 2, "c") })
    assert.equal("behind", answer)
    assert.same(at(7), position)
    assert(opened.connection:call("DEL", opened.keys.next))
    assert(opened.connection:call("HDEL", opened.keys.epoch, "stage"))
    assert.equal(before, share.dump(opened))
  end)

  local function refused(answer, position, commits, by)
    local before = share.dump(opened)
    local got, where = opened:commit(by or lease, position, commits)
    assert.equal(answer, got)
    assert.equal(before, share.dump(opened))
    return where
  end

  it("are refused without the lease", function()
    refused("lost", at(5), { one(6, 0, "a") }, { token = lease.token + 1, epoch = lease.epoch })
    refused("lost", at(5), { one(6, 0, "a") }, { token = lease.token, epoch = lease.epoch + 1 })
    refused("lost", at(5), { one(6, 0, "a") }, { token = lease.token, epoch = lease.epoch - 1 })
    assert(opened:release(lease))
    refused("lost", at(5), { one(6, 0, "a") })
  end)

  it("are refused after another position than the stored one, which is told", function()
    for _, version in ipairs { 4, 6, 0, LAST - 1 } do
      assert.same(at(5), refused("behind", at(version), { one(LAST, 0, "a") }))
    end
    local older = { epoch = lease.epoch - 1, version = 5 }
    assert.same(at(5), refused("behind", older, { one(6, 0, "a") }))
  end)

  it("are refused where nothing is stored, or the state is gone or has another size", function()
    assert(opened.connection:call("APPEND", opened.keys.state, "!"))
    assert.is_nil(refused("behind", at(5), { one(6, 0, "a") }))
    assert(opened.connection:call("DEL", opened.keys.state))
    assert.is_nil(refused("behind", at(5), { one(6, 0, "a") }))
    assert(opened.connection:call("DEL", opened.keys.meta))
    assert.is_nil(refused("behind", at(5), { one(6, 0, "a") }))
  end)

  it("are refused if the log has later entries, which only a fresh commit replaces", function()
    assert(opened.connection:call("XADD", opened.keys.log, lease.epoch .. "-9", "t", "1"))
    assert.is_nil(refused("behind", at(5), { one(6, 0, "a"), one(10, 1, "b") }))
    assert.equal("behind", (opened:commit_large(lease, at(5), one(7, 0, "a"), SIZE)))
    local fresh = { version = 6, time = 1, state = ("f"):rep(SIZE), schema = "struct", feed = 0 }
    assert.equal("ok", (opened:commit_fresh(lease, fresh)))
  end)

  local function head(offset, count) return ("<I8I4"):pack(offset, count) end
  local bad = {
    ["a run behind the struct"] = { one(6, 0, "a"), one(7, SIZE - 1, "ab") },
    ["a run far behind the struct"] = { { version = 6, time = 1, patch = head(2 ^ 32 | 0, 1) .. "a" } },
    ["an empty run"] = { { version = 6, time = 1, patch = head(0, 0) .. head(0, 1) .. "a" } },
    ["the stored version again"] = { one(5), one(6, 0, "a") },
    ["runs out of order"] = { { version = 6, time = 1, patch = head(9, 1) .. "a" .. head(0, 1) .. "a" } },
    ["runs that overlap"] = { { version = 6, time = 1, patch = head(0, 2) .. "ab" .. head(1, 1) .. "a" } },
    ["a patch that ends within a run"] = { one(6, 0, "a"), { version = 7, time = 1, patch = head(0, 3) .. "ab" } },
    ["a patch that ends within a head"] = { { version = 6, time = 1, patch = head(0, 1) .. "a" .. "\0\0\0" } },
    ["versions that do not rise"] = { one(6, 0, "a"), one(8, 0, "b"), one(8, 0, "c") },
    ["versions that go back"] = { one(7, 0, "a"), one(6, 0, "b"), one(8, 0, "c") },
    ["a negative time"] = { { version = 6, time = -1, patch = "" } },
  }
  for what, commits in pairs(bad) do
    it("are refused with " .. what, function()
      local before = share.dump(opened)
      assert.matches("ERR ", (fails("system", opened:commit(lease, at(5), commits))))
      assert.equal(before, share.dump(opened))
    end)
  end

  it("are refused beyond the greatest version, before they are sent", function()
    fails("corrupt", opened:commit(lease, at(5), { one(LAST + 1) }))
    fails("corrupt", opened:commit(lease, at(5), { one(-1) }))
    assert.equal("ok", (opened:commit(lease, at(5), { one(LAST, 0, "a") })))
    assert.equal(LAST, opened:meta().version)
  end)

  it("are refused if arguments are missing or are no numbers", function()
    local before = share.dump(opened)
    local token = ("%016x"):format(lease.token)
    local keys = { opened.keys.lease, opened.keys.meta, opened.keys.state, opened.keys.log }
    local where = ("%d-5"):format(lease.epoch)
    local good = { token, lease.epoch, where, 6, 1, "" }
    local odd = { false, "", "x", "-1", "1.5", "06", "1e3", "0x6", " 6", "9223372036854775808", "99999999999999999999",
                  "1\n" }
    for i = 1, 5 do
      for _, value in ipairs(odd) do
        local arguments = table.move(good, 1, #good, 1, {})
        if value then arguments[i] = value else table.remove(arguments, i) end
        local answer, message = functions.call(opened.connection, "commit", keys, arguments)
        assert.is_true(answer == nil and message:find("^ERR ") ~= nil or answer[1] ~= "ok",
                       ("%d: %s"):format(i, value))
      end
    end
    assert.equal(before, share.dump(opened))
  end)

  for key, command in pairs { lease = "RPUSH", meta = "SET", state = "RPUSH", log = "SET" } do
    it(("are refused if the key %s is another program's, which is named"):format(key), function()
      assert(opened.connection:call("DEL", opened.keys[key]))
      assert(opened.connection:call(command, opened.keys[key], "something"))
      local before = share.dump(opened)
      local message = fails("corrupt", opened:commit(lease, at(5), { one(6, 0, "a") }))
      assert.matches(opened.keys[key] .. " holds a ", message, 1, true)
      assert.equal(before, share.dump(opened))
    end)
  end

  for field, value in pairs { epoch = "x", version = "-1", size = "1e3", log_bytes = "05" } do
    it(("are refused if the stored %s is malformed"):format(field), function()
      assert(opened.connection:call("HSET", opened.keys.meta, field, value))
      local before = share.dump(opened)
      assert.matches("malformed " .. field,
                     (fails("corrupt", opened:commit(lease, at(5), { one(6, 0, "a") }))))
      assert.equal(before, share.dump(opened))
    end)
  end

  local unwilling = {
    { "its memory is full", { "maxmemory", "1" }, { "maxmemory", "0" }, "no_space", "OOM" },
    { "it has too few replicas", { "min-replicas-to-write", "1" }, { "min-replicas-to-write", "0" }, "system",
      "NOREPLICAS" },
  }
  for _, case in ipairs(unwilling) do
    it("are refused by a server whose owner says so by name: " .. case[1], function()
      local before = share.dump(opened)
      assert(opened.connection:call("CONFIG", "SET", table.unpack(case[2])))
      local message = fails(case[4], opened:commit(lease, at(5), { one(6, 0, "a") }))
      assert(opened.connection:call("CONFIG", "SET", table.unpack(case[3])))
      assert.matches(case[5], message, 1, true)
      assert.equal(before, share.dump(opened))
      assert.equal("ok", (opened:commit(lease, at(5), { one(6, 0, "a") })))
    end)
  end

  it("are counted anew if somebody removed the log", function()
    assert.equal("ok", (opened:commit(lease, at(5), { one(6, 0, ("x"):rep(500)) })))
    assert(opened.connection:call("DEL", opened.keys.log))
    local commit = one(7, 0, "abc")
    assert.equal("ok", (opened:commit(lease, at(6), { commit })))
    assert.equal(tostring(#commit.patch), opened.connection:call("HGET", opened.keys.meta, "log_bytes"))
  end)

  it("are kept in the log up to a number, exactly", function()
    local version = 5
    while version < 5 + MOST_ENTRIES + 7 do
      local commits = {}
      for i = 1, math.min(1000, 5 + MOST_ENTRIES + 7 - version) do
        commits[i] = one(version + i, i % SIZE, "abc" .. i % 10)
        commits[i].patch = patch.pack { { i % 900, ("x"):rep(1 + i % 50) } }
      end
      assert.equal("ok", (opened:commit(lease, at(version), commits)))
      version = version + #commits
    end
    local all = assert(opened.connection:call("XRANGE", opened.keys.log, "-", "+"))
    assert.equal(MOST_ENTRIES, #all)
    assert.equal(lease.epoch .. "-" .. version, all[#all][1])
    assert.equal(lease.epoch .. "-" .. version - MOST_ENTRIES + 1, all[1][1])
    local bytes = 0
    for _, entry in ipairs(all) do bytes = bytes + #entry[2][6] end
    assert.equal(tostring(bytes), opened.connection:call("HGET", opened.keys.meta, "log_bytes"))
  end)
end)

describe("the log of large commits", function()
  it("is kept up to a number of bytes, exactly", function()
    local server = redis_server.start()
    local opened = share.open(server)
    local size = 2 ^ 20 | 0
    local lease = share.found(opened, ("."):rep(size), 0)
    local sizes = {}
    for version = 1, 40 do
      local bytes = ("%d"):format(version % 10):rep(size - 12 - version * 20000 % 300000)
      local commit = one(version, 0, bytes)
      sizes[version] = #commit.patch
      assert.equal("ok", (opened:commit(lease, { epoch = lease.epoch, version = version - 1 }, { commit })))
      local kept, from = 0, version + 1
      while from > 1 and kept + sizes[from - 1] <= MOST_BYTES do
        from = from - 1
        kept = kept + sizes[from]
      end
      local oldest = assert(opened.connection:call("XRANGE", opened.keys.log, "-", "+", "COUNT", 1))[1][1]
      assert.equal(("%d-%d"):format(lease.epoch, from == 1 and 0 or from), oldest)
      assert.equal(tostring(kept), opened.connection:call("HGET", opened.keys.meta, "log_bytes"))
    end
    opened:close()
    server:kill()
  end)
end)

local acl = require "spec.helper.share_acl"
local fails = require "spec.helper.fails"
local patch = require "ipmmap_share.patch"
local redis_server = require "spec.helper.redis_server"
local share = require "spec.helper.share"

describe("the users of a server", function()
  local server, admin, lease, run_id

  local function user(name, rules)
    local words = {}
    for word in rules:gmatch("%b()") do words[#words + 1] = word end
    for word in rules:gsub("%b()", ""):gmatch("%S+") do words[#words + 1] = word end
    assert(admin.connection:call("ACL", "SETUSER", name, "reset", "nopass", table.unpack(words)))
    return share.open(server, admin.name, name)
  end

  setup(function() server = redis_server.start() end)

  teardown(function() server:kill() end)

  before_each(function()
    admin = share.open(server)
    lease = share.found(admin, ("."):rep(16))
    run_id = admin:server()
  end)

  after_each(function() admin:close() end)

  local function edit(id)
    return { id = id:rep(32), expires = admin:time() + 60000, server = run_id,
             base = { epoch = lease.epoch, version = 1 }, expect = "", patch = patch.pack { { 0, id } } }
  end

  -- Asserts that the server refuses all of these, and that nothing has changed.
  local function forbidden(opened, calls)
    local before = share.dump(admin)
    for _, call in ipairs(calls) do
      local reply, message, code = opened.connection:call(table.unpack(call))
      assert.is_true(reply == nil and code == "server" and message:find("^NOPERM") ~= nil,
                     table.concat(call, " ") .. ": " .. tostring(message))
    end
    assert.equal(before, share.dump(admin))
  end

  local ADMINISTRATION <const> = {
    { "FLUSHALL" }, { "FLUSHDB" }, { "KEYS", "*" }, { "SCAN", "0" }, { "CONFIG", "GET", "*" },
    { "CONFIG", "SET", "save", "" }, { "ACL", "LIST" }, { "ACL", "SETUSER", "default", "off" }, { "SHUTDOWN" },
    { "REPLICAOF", "NO", "ONE" }, { "EVAL", "return 1", "0" }, { "SCRIPT", "FLUSH" },
    { "FUNCTION", "FLUSH" }, { "FUNCTION", "DELETE", "ipmmap1" }, { "FUNCTION", "KILL" }, { "FUNCTION", "DUMP" },
    { "CLIENT", "LIST" }, { "CLIENT", "KILL", "TYPE", "normal" }, { "MONITOR" }, { "SUBSCRIBE", "a" },
    { "PUBLISH", "a", "b" }, { "SAVE" }, { "BGSAVE" }, { "MIGRATE", "h", "1", "k", "0", "1" }, { "WAIT", "0", "0" },
    { "SWAPDB", "0", "1" }, { "GET", "another" }, { "SET", "another", "x" }, { "XREAD", "STREAMS", "another", "0" },
  }

  -- All that would change a segment, with and without functions.
  local function changes(keys)
    return {
      { "SET", keys.state, "x" }, { "SETRANGE", keys.state, 0, "x" }, { "APPEND", keys.state, "x" },
      { "DEL", keys.state }, { "UNLINK", keys.log }, { "RENAME", keys.state, keys.next },
      { "COPY", keys.state, keys.next }, { "PEXPIRE", keys.state, 1 }, { "EXPIRE", keys.state, 1 },
      { "PERSIST", keys.lease }, { "GETDEL", keys.state }, { "GETEX", keys.state, "PX", 1 },
      { "SET", keys.lease, "x" }, { "HSET", keys.meta, "version", 1 }, { "HDEL", keys.meta, "version" },
      { "HINCRBY", keys.meta, "version", 1 }, { "XADD", keys.log, "*", "t", "1" }, { "XDEL", keys.log, "1-1" },
      { "XTRIM", keys.log, "MAXLEN", 0 }, { "XTRIM", keys.edits, "MAXLEN", 0 }, { "XDEL", keys.edits, "1-1" },
      { "XSETID", keys.edits, "9-9" }, { "XGROUP", "CREATE", keys.edits, "g", "0" }, { "RESTORE", keys.next, 0, "x" },
      { "FCALL", "ipmmap1_release", 1, keys.lease, ("%016x"):format(lease.token), lease.epoch },
      { "FCALL_RO", "ipmmap1_release", 1, keys.lease }, { "FUNCTION", "LOAD", "REPLACE", "#!lua name=ipmmap1\n" },
      { "SORT", keys.log, "STORE", keys.next }, { "OBJECT", "FREQ", keys.state }, { "DUMP", keys.state },
    }
  end

  describe("a home's", function()
    it("can do all that a home and a follower do", function()
      local home = user("home", acl.home)
      assert(home.connection:call("SELECT", 0))
      assert(admin:release(lease))
      local mine = share.found(home, ("."):rep(16), 2)
      local here = { epoch = mine.epoch, version = 2 }
      assert.equal("ok", (home:commit(mine, here, { { version = 3, time = 1, patch = patch.pack { { 0, "a" } } } })))
      here.version = 3
      assert.equal("ok", (home:commit_large(mine, here, { version = 4, time = 1, patch = "" }, 16)))
      assert.equal(4, home:meta().version)
      assert.equal("struct", home:schema())
      assert.is_table(home:holder())
      assert.is_true(home:state(16, function() end))
      assert.equal(3, #home:entries({ epoch = 0, version = 0 }, 0))
      assert(home:send(edit "a"))
      local sent = home:edits("0", 0)[1]
      assert.equal("taken", (home:take(mine, sent)))
      assert(home:reply(sent.id, "applied", here))
      assert.equal(2, #home:replies(sent.id, "0", 0))
      assert(home:drop(sent))
      assert(home:renew(mine, 30))
      assert(home:release(mine))
      home:close()
    end)

    it("cannot administer the server, or see what else it has", function()
      local home = user("home", acl.home)
      forbidden(home, ADMINISTRATION)
      home:close()
    end)

    it("can be bound to one segment", function()
      local home = user("home", (acl.home:gsub("ipm:%*", "ipm:{" .. admin.name .. "}:*")))
      assert.is_true(home:renew(lease, 30))
      local other = share.open(server, "Other_x", "home")
      fails("permission", other:meta())
      fails("permission", other:renew(lease, 30))
      home:close()
      other:close()
    end)

    it("needs somebody who loads the functions if it may not", function()
      assert(admin.connection:call("FUNCTION", "FLUSH"))
      local home = user("home", acl.home .. " -function|load")
      local message = fails("permission", home:renew(lease, 30))
      assert.matches("redis%-cli %-x FUNCTION LOAD REPLACE <%S+/server%.lua", message)
      assert(admin:renew(lease, 30))
      assert(home:renew(lease, 30))
      home:close()
    end)

    local needed = { "set", "setrange", "copy", "rename", "persist", "pexpire", "hset", "hdel", "xadd", "xdel", "del",
                     "type", "get", "hget", "hmget", "strlen", "exists", "xlen", "xrange", "info", "time", "pttl" }
    for _, command in ipairs(needed) do
      it(("changes nothing by half if it may not call %s"):format(command), function()
        local home = user("home", acl.home .. " -" .. command)
        local here = { epoch = lease.epoch, version = 1 }
        assert(admin:send(edit "a"))
        local sent = admin:edits("0", 0)[1]
        local function whole(call)
          local before = share.dump(admin)
          local done, message, code = call()
          if done == nil then
            assert.equal(before, share.dump(admin))
            assert.equal("permission", code, message)
          end
          return done
        end
        local commit = { version = 2, time = 1, patch = patch.pack { { 0, "a" } } }
        local fresh = { version = 3, time = 1, state = ("f"):rep(32), schema = "struct", feed = 0 }
        local all = whole(function() return home:commit(lease, here, { commit }) end)
        assert.is_true(all == nil or all == "ok")
        local large = { version = 2, time = 1, patch = patch.pack { { 1, "b" } } }
        for _, by in ipairs {
          function() return home:renew(lease, 30) end,
          function() return home:take(lease, sent) end,
          function() return home:reply(sent.id, "applied", here) end,
          function() return home:drop(sent) end,
          function()
            return home:acquire { token = lease.token, machine = "m", ttl = 30, min_epoch = 0, claim = "held" }
          end,
        } do all = whole(by) and all end
        lease = share.lease(admin, lease.token)
        local state, meta = share.state(admin), admin:meta()
        local answer = home:commit_large(lease, { epoch = meta.epoch, version = meta.version }, large, 16)
        if not answer then assert.same({ state, meta }, { share.state(admin), admin:meta() }) end
        state, meta = share.state(admin), admin:meta()
        local replaced = home:commit_fresh(lease, fresh)
        if not replaced then assert.same({ state, meta }, { share.state(admin), admin:meta() }) end
        assert.is_nil(all and answer and replaced)
        home:close()
      end)
    end
  end)

  describe("a follower's", function()
    it("can read a segment, and send edits", function()
      local follower = user("follower", acl.follower)
      assert(follower.connection:call("SELECT", 0))
      assert.equal(1, follower:meta().version)
      assert.equal("struct", follower:schema())
      assert.is_table(follower:holder())
      assert.is_true(follower:state(16, function() end))
      assert.equal(1, #follower:entries({ epoch = 0, version = 0 }, 0))
      assert.same({}, follower:entries({ epoch = lease.epoch, version = 1 }, 0.01))
      assert.equal(run_id, follower:server())
      assert.is_true(follower:send(edit "a"))
      assert.same({}, follower:replies(("a"):rep(32), "0", 0))
      assert.is_true(follower:time() > 0)
      follower:close()
    end)

    it("can do nothing else", function()
      local follower = user("follower", acl.follower)
      forbidden(follower, ADMINISTRATION)
      forbidden(follower, changes(follower.keys))
      fails("permission", follower:commit(lease, { epoch = lease.epoch, version = 1 },
                                          { { version = 2, time = 1, patch = "" } }))
      fails("permission", follower:acquire { token = 1, machine = "m", ttl = 1, min_epoch = 0 })
      follower:close()
    end)
  end)

  describe("an editor's", function()
    it("can send edits and read what became of them", function()
      local editor = user("editor", acl.editor)
      assert.equal("struct", editor:schema())
      assert.equal(run_id, editor:server())
      assert.is_true(editor:time() > 0)
      assert.is_true(editor:send(edit "a"))
      assert(admin:take(lease, admin:edits("0", 0)[1]))
      assert.equal("taken", editor:replies(("a"):rep(32), "0", 0)[1].result)
      editor:close()
    end)

    it("can do nothing else, and not read the segment", function()
      local editor = user("editor", acl.editor)
      forbidden(editor, ADMINISTRATION)
      forbidden(editor, changes(editor.keys))
      forbidden(editor, {
        { "GET", editor.keys.state }, { "GETRANGE", editor.keys.state, 0, 1 }, { "GET", editor.keys.lease },
        { "HMGET", editor.keys.meta, "version" }, { "XREAD", "STREAMS", editor.keys.log, "0" },
        { "XREAD", "STREAMS", editor.keys.edits, "0" },
      })
      editor:close()
    end)
  end)
end)

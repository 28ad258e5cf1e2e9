local fails = require "spec.helper.fails"
local redis_server = require "spec.helper.redis_server"
local share = require "spec.helper.share"

local LONG <const> = 60 -- seconds: no test takes as long

local function ask(opened, token, more)
  local wanted = { token = token, machine = "machine " .. token, ttl = LONG, min_epoch = 0 }
  for name, value in pairs(more or {}) do wanted[name] = value end
  return opened:acquire(wanted)
end

-- Waits for the server's grace, and asks again.
local function ask_in_time(opened, token, more)
  local word, second = ask(opened, token, more)
  while word == "grace" do
    share.wait(opened, second)
    word, second = ask(opened, token, more)
  end
  return word, second
end

describe("the lease of a segment", function()
  local server, replica, opened

  setup(function()
    server = redis_server.start()
    replica = redis_server.start { config = { "replicaof 127.0.0.1 " .. server.port } }
  end)

  before_each(function() opened = share.open(server) end)

  after_each(function() opened:close() end)

  it("is one machine's, and the server names it", function()
    assert.is_false(opened:holder())
    local word, epoch = ask(opened, 1, { claim = "held" })
    assert.equal("granted", word)
    assert.same({ machine = "machine 1", epoch = epoch }, opened:holder())
    local held, holder = ask(opened, 2, { claim = "held" })
    assert.equal("held", held)
    assert.is_true(holder.seconds > 0 and holder.seconds <= LONG)
    holder.seconds = nil
    assert.same({ machine = "machine 1", epoch = epoch }, holder)
  end)

  it("may have any token of 64 bits but 0, and is another's if one bit differs", function()
    local word, epoch = ask(opened, math.mininteger, { claim = "held" })
    assert.equal("granted", word)
    for _, token in ipairs { math.mininteger + 1, -1, math.maxinteger, 1 } do
      assert.equal("held", (ask(opened, token)))
      assert.is_false(opened:renew({ token = token, epoch = epoch }, LONG))
    end
    assert.is_true(opened:renew({ token = math.mininteger, epoch = epoch }, LONG))
  end)

  it("is not given to another machine that has a copy of the token", function()
    ask(opened, 5, { claim = "held" })
    local word, holder = ask(opened, 5, { claim = "held", machine = "copy" })
    assert.same({ "held", "machine 5" }, { word, holder.machine })
    assert.equal("granted", (ask(opened, 5, { claim = "held" })))
  end)

  it("ends by itself, and then another machine gets it", function()
    ask(opened, 1, { claim = "held", ttl = 0.05 })
    local word, holder = ask(opened, 2, { ttl = 0.01 })
    assert.equal("held", word)
    share.wait(opened, holder.seconds)
    assert.equal("granted", (ask_in_time(opened, 2, { ttl = 0.01 })))
  end)

  it("lasts as long as it is renewed", function()
    local lease = share.lease(opened, 1, 0.2)
    assert.is_true(opened:renew(lease, LONG))
    share.wait(opened, 0.2)
    assert.equal("held", (ask(opened, 2)))
    assert.is_true(opened:renew(lease, 0.01))
    share.wait(opened, 0.01)
    assert.is_false(opened:renew(lease, LONG))
    assert.is_false(opened:holder())
  end)

  it("is given back by its holder alone", function()
    local lease = share.lease(opened, 1)
    for _, other in ipairs { { token = 2, epoch = lease.epoch }, { token = 1, epoch = lease.epoch + 1 } } do
      local before = share.dump(opened)
      assert.is_false(opened:release(other))
      assert.is_false(opened:renew(other, 0.001))
      assert.equal(before, share.dump(opened))
    end
    assert.is_true(opened:renew(lease, LONG))
    assert.is_true(opened:release(lease))
    assert.is_false(opened:release(lease))
    assert.equal("granted", (ask(opened, 2, { claim = "held" })))
  end)

  it("has a new epoch each time, greater than all that anybody has seen", function()
    local _, first = ask(opened, 1, { claim = "held" })
    local _, second = ask(opened, 1, { claim = "held" })
    assert.is_true(second > first)
    assert.is_false(opened:renew({ token = 1, epoch = first }, LONG))
    local far = 2 ^ 52 | 0
    local _, third = ask(opened, 1, { claim = "held", min_epoch = far })
    assert.equal(far + 1, third)
    local _, fourth = ask(opened, 1, { claim = "held" })
    assert.equal(far + 2, fourth)
  end)

  it("has a greater epoch than what is stored, if the server has lost all but that", function()
    local lease = share.found(opened, ("x"):rep(16))
    local later = opened:time() + 10 ^ 9 | 0
    assert(opened.connection:call("HSET", opened.keys.meta, "epoch", later))
    assert(opened.connection:call("DEL", opened.keys.epoch))
    local _, epoch = ask(opened, lease.token, { claim = "held", machine = "here" })
    assert.equal(later + 1, epoch)
  end)

  it("is not granted beyond the greatest epoch", function()
    local last = 2 ^ 53 - 1 | 0
    fails("corrupt", ask(opened, 1, { claim = "held", min_epoch = last }))
    fails("corrupt", ask(opened, 1, { claim = "held", min_epoch = last + 1 }))
    fails("corrupt", ask(opened, 1, { claim = "held", min_epoch = -1 }))
    assert.equal("", share.dump(opened))
  end)

  for key, value in pairs { lease = "RPUSH", epoch = "RPUSH", meta = "SET" } do
    it(("is not granted if the key %s is another program's, which is named"):format(key), function()
      assert(opened.connection:call(value, opened.keys[key], "something"))
      local before = share.dump(opened)
      local message = fails("corrupt", ask(opened, 1))
      assert.matches(opened.keys[key] .. " holds a " .. (value == "SET" and "string" or "list"), message, 1, true)
      assert.equal(before, share.dump(opened))
    end)
  end

  it("is not granted if the key of the lease has another text", function()
    for _, text in ipairs { "somebody's", "0000000000000001 5", "0000000000000001 05 me", "01 5 me" } do
      assert(opened.connection:call("SET", opened.keys.lease, text, "PX", 60000))
      fails("corrupt", ask(opened, 2, { claim = "held" }))
      fails("corrupt", opened:holder())
    end
    assert(opened.connection:call("SET", opened.keys.lease, "0000000000000001 5 me"))
    fails("corrupt", ask(opened, 2, { claim = "held" })) -- it would never end
  end)

  it("is not granted by a server that may forget it when its memory is full", function()
    local full = redis_server.start { config = { "maxmemory 100mb", "maxmemory-policy volatile-lru" } }
    local at = share.open(full)
    local message = fails("system", ask(at, 1, { claim = "held" }))
    assert.matches("maxmemory%-policy volatile%-lru", message)
    assert.equal("", share.dump(at))
    assert(at.connection:call("CONFIG", "SET", "maxmemory-policy", "noeviction"))
    assert.equal("granted", (ask(at, 1, { claim = "held" })))
    at:close()
    full:kill()
  end)

  it("can be renewed and given back while the server's memory is full", function()
    local full = redis_server.start()
    local at = share.open(full)
    local lease = share.found(at, ("x"):rep(16))
    assert(at.connection:call("CONFIG", "SET", "maxmemory", 1))
    fails("no_space", ask(at, 1))
    assert.is_true(at:renew(lease, LONG))
    assert.is_true(at:release(lease))
    at:close()
    full:kill()
  end)

  describe("after a restart of the server", function()
    local restarted, at

    -- Restarts a server on which a lease of a minute was granted, and is not held any more.
    local function restart(forget)
      restarted = redis_server.start { appendfsync = "always" }
      at = share.open(restarted)
      local lease = share.lease(at, 1, LONG)
      assert.is_true(at:release(lease))
      assert(at.connection:call("HSET", at.keys.epoch, "since", 0))
      local name = at.name
      at:close()
      restarted:kill()
      if forget then restarted:forget() end
      restarted:start()
      at = share.open(restarted, name)
      return lease.epoch
    end

    after_each(function()
      at:close()
      restarted:kill()
    end)

    it("is kept from others for twice its time, and from the last home for its time", function()
      restart(true)
      local word, seconds = ask(at, 2)
      assert.equal("grace", word)
      assert.is_true(seconds > LONG and seconds <= 2 * LONG)
      word, seconds = ask(at, 1, { claim = "last" })
      assert.equal("grace", word)
      assert.is_true(seconds > 0 and seconds <= LONG)
      assert.is_false(at:holder())
    end)

    it("is granted at once to a machine that has it, with a greater epoch than before", function()
      local epoch = restart(true)
      local word, again = ask(at, 1, { claim = "held" })
      assert.equal("granted", word)
      assert.is_true(again > epoch)
    end)

    it("is kept for the time of the longest lease that was granted", function()
      restart()
      local word, seconds = ask(at, 2, { ttl = 0.01 })
      assert.equal("grace", word)
      assert.is_true(seconds > LONG)
    end)

    it("is granted when the time has passed", function()
      restart(true)
      assert.equal("grace", (ask(at, 2, { ttl = 0.05 })))
      assert.equal("granted", (ask_in_time(at, 2, { ttl = 0.05 })))
    end)

    it("is kept no longer if the clock is set back", function()
      restart(true)
      ask(at, 2)
      assert(at.connection:call("HSET", at.keys.epoch, "since", at:time() + 10 ^ 10 | 0))
      local word, seconds = ask(at, 2)
      assert.equal("grace", word)
      assert.is_true(seconds <= 2 * LONG)
    end)
  end)

  local function wait_until_old(of)
    local connection = of:connect()
    repeat
      share.wait({ connection = connection, prefix = "" }, 0.05)
      local uptime = tonumber(connection:call("INFO", "server"):match("uptime_in_seconds:(%d+)"))
    until uptime >= 2
    connection:close()
  end

  it("is granted at once by a server that runs for longer than a lease", function()
    wait_until_old(server)
    assert.equal("granted", (ask(opened, 1, { ttl = 0.4 })))
    assert.equal("grace", (ask(share.open(server), 1, { ttl = LONG })))
  end)

  it("is kept by a server that runs for long and knows nothing of a segment that was shared before", function()
    wait_until_old(server)
    local word, seconds = ask(opened, 1, { ttl = 0.4, min_epoch = 5 })
    assert.equal("grace", word)
    assert.is_true(seconds > 0 and seconds <= 0.8)
  end)

  it("is kept by a replica that became the server, however long it runs", function()
    wait_until_old(replica)
    local at = share.open(replica)
    fails("system", ask(at, 1))
    assert(at.connection:call("REPLICAOF", "NO", "ONE"))
    assert.equal("grace", (ask(at, 1, { ttl = 0.4 })))
    at:close()
  end)
end)

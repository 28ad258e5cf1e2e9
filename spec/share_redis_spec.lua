local cqueues = require "cqueues"
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local fake_redis = require "spec.helper.fake_redis"
local cutting_proxy = require "spec.helper.cutting_proxy"
local process = require "spec.helper.process"
local redis = require "ipmmap_share.redis"
local redis_server = require "spec.helper.redis_server"

local together = fake_redis.together

local function changed(address, changes)
  local copy = {}
  for key, value in pairs(address) do copy[key] = value end
  for key, value in pairs(changes) do copy[key] = value end
  return copy
end

-- A coroutine that pauses until a server has a client in a blocking call, and then calls `act`.
local function when_blocked(server, act)
  return function()
    local admin = server:connect()
    fake_redis.until_blocked(admin)
    act(admin)
  end
end

describe("a connection", function()
  local server = redis_server.start {
    config = { "user reader on >r3ad ~* +get +client|setname", "user silent on >s1lent ~* +get", "user off off" },
  }
  local c = server:connect()

  before_each(function() assert.equal("OK", c:call "FLUSHALL") end)

  it("sends calls, and returns strings, integers, lists and false for null", function()
    assert.equal("OK", c:call("SET", "key", "a\r\n\0\255"))
    assert.equal("a\r\n\0\255", c:call("GET", "key"))
    assert.equal(5, c:call("INCRBY", "number", 5))
    assert.is_false(c:call("GET", "nothing"))
    assert.same({ 1, "two", { false } }, c:call("EVAL", "return { 1, 'two', { false } }", 0))
  end)

  it("returns the server's errors, those in lists too, and goes on", function()
    assert.matches("^ERR unknown command 'NOTHING'", fails("server", c:call("NOTHING", 1)))
    assert.equal("BAD part", fails("server", c:call("EVAL", "return { 1, redis.error_reply 'BAD part' }", 0)))
    assert.equal("PONG", c:call "PING")
  end)

  it("carries strings of many megabytes", function()
    local text = ("0123456789abcdef"):rep(2 ^ 19)
    assert.equal("OK", c:call("SET", "large", text))
    assert.is_true(c:call("GET", "large") == text)
  end)

  it("sends several calls at once", function()
    assert.same({ "OK", 2, "2", false },
                c:pipeline { { "SET", "n", 1 }, { "INCR", "n" }, { "GET", "n" }, { "GET", "m" } })
    assert.same({}, c:pipeline {})
  end)

  it("makes all calls that were sent at once, and tells which was refused first", function()
    local _, message, code, which =
      c:pipeline { { "SET", "n", "x" }, { "INCR", "n" }, { "LPOP" }, { "APPEND", "n", "y" } }
    assert.same({ "ERR value is not an integer or out of range", "server", 2 }, { message, code, which })
    assert.equal("xy", c:call("GET", "n"))
  end)

  it("waits longer for a call that may block", function()
    local d = server:connect()
    d.timeout = 0.1
    assert.is_false(d:block(30, "XREAD", "BLOCK", 300, "STREAMS", "stream", "$"))
    assert.matches("the server did not answer in time$",
                   fails("timeout", d:call("XREAD", "BLOCK", 30000, "STREAMS", "stream", "$")))
  end)

  it("gets what comes while it blocks", function()
    local got
    together(function() got = c:block(30, "XREAD", "BLOCK", 0, "STREAMS", "stream", "$") end,
             when_blocked(server, function(admin) admin:call("XADD", "stream", "1-1", "a", "b") end))
    assert.same({ { "stream", { { "1-1", { "a", "b" } } } } }, got)
  end)

  it("has a name, and uses the database of its address", function()
    local d = assert(redis.connect(changed(server.address, { db = 3 }), 30))
    d:call("SET", "here", 1)
    assert.is_false(c:call("GET", "here"))
    assert.matches("name=ipmmap ", d:call("CLIENT", "INFO"))
    assert.matches(" db=3 ", d:call("CLIENT", "INFO"))
    assert.matches("^redis://127%.0%.0%.1:%d+/99: ERR DB index is out of range$",
                   fails("server", redis.connect(changed(server.address, { db = 99 }), 30)))
  end)

  it("logs a user in, whose rights are those of the ACL", function()
    local reader = assert(redis.connect(changed(server.address, { user = "reader", password = "r3ad" }), 30))
    assert.is_false(reader:call("GET", "key"))
    assert.matches("^NOPERM .*'set' command", fails("server", reader:call("SET", "key", 1)))
    local silent = assert(redis.connect(changed(server.address, { user = "silent", password = "s1lent" }), 30))
    assert.is_false(silent:call("GET", "key"))
  end)

  it("is refused with a wrong password, or by a user that is off or not there", function()
    for user, password in pairs { reader = "wr0ng", off = "wr0ng", nobody = "wr0ng" } do
      local message = fails("server", redis.connect(changed(server.address, { user = user, password = password }), 30))
      assert.matches("^redis://" .. user .. "@127%.0%.0%.1:%d+: WRONGPASS ", message)
      assert.is_nil(message:find(password, 1, true))
    end
  end)

  it("is used no more after it was closed", function()
    local d = server:connect()
    d:close()
    d:close()
    assert.matches("the connection was closed$", fails("system", d:call "PING"))
  end)

  it("refuses an argument that is no string, as the caller's bug", function()
    for _, bug in ipairs { function() c:call("GET", nil) end, function() c:block(1, "GET", true) end,
                           function() c:pipeline { { "GET", {} } } end } do
      assert.matches("share_redis_spec%.lua:%d+: argument 2 of a call is neither", select(2, pcall(bug)))
    end
    assert.equal("PONG", c:call "PING")
  end)
end)

describe("a machine without the packages", function()
  it("has no client, and the message names them", function()
    local child = process.spawn([[
      local gone = ...
      package.preload[gone] = function() error("module '" .. gone .. "' not found") end
      local c, message = require "ipmmap_share.redis".connect({ host = "127.0.0.1", port = 1, db = 0, tls = false }, 1)
      print(message)
    ]], "cqueues")
    child:expect "no Lua module cqueues: it is in Debian's package lua-cqueues, and in the rock cqueues"
    child:join()
    local tls = process.spawn([[
      package.preload["openssl.ssl"] = function() error "module 'openssl.ssl' not found" end
      local address = { host = "127.0.0.1", port = tonumber(...), db = 0, tls = true }
      local c, message = require "ipmmap_share.redis".connect(address, 30)
      print(message)
    ]], tostring(redis_server.start().port))
    tls:match "^rediss://.*: no Lua module openssl%.ssl: it is in Debian's package lua%-luaossl, and in the rock luao"
    tls:join()
  end)
end)

describe("a server with a password", function()
  it("lets nobody in without it", function()
    local server = redis_server.start { password = "s3cret" }
    assert.equal("PONG", server:connect():call "PING")
    local function message(password)
      return fails("server", redis.connect(changed(server.address, { password = password }), 30))
    end
    assert.matches(": NOAUTH ", fails("server", redis.connect({ host = "127.0.0.1", port = server.port, db = 0 }, 30)))
    assert.matches(": WRONGPASS ", message "wr0ng")
    assert.is_nil(message("wr0ng"):find("wr0ng", 1, true))
  end)
end)

describe("a call on a connection", function()
  local server = redis_server.start { appendfsync = "always" }
  local proxy = cutting_proxy.start(server.port)
  local through = changed(server.address, { port = proxy.port })

  after_each(function() proxy:pass() end)

  it("fails if the server is killed within it, and so do all later ones", function()
    local c = server:connect()
    local message
    together(function() message = fails("system", c:block(30, "BLPOP", "list", 0)) end,
             when_blocked(server, function() server:kill() end))
    assert.matches("^redis://127%.0%.0%.1:%d+: the server closed the connection$", message)
    assert.equal(message, c.closed)
    assert.equal(message, fails("system", c:call "PING"))
    assert.matches("Connection refused$", fails("system", redis.connect(server.address, 30)))
    server:start()
    assert.equal(message, fails("system", c:call "PING"))
    assert.equal("PONG", server:connect():call "PING")
  end)

  it("is not sent if the server was restarted before", function()
    local c = server:connect()
    server:kill()
    server:start()
    assert.matches("the server closed the connection$", fails("system", c:call("INCR", "n")))
    assert.is_false(server:connect():call("GET", "n"))
  end)

  it("fails in time if nothing goes through, and no later call gets its reply", function()
    for _, direction in ipairs { "up", "down", "both" } do
      local c = assert(redis.connect(through, 30))
      proxy:freeze(direction)
      c.timeout = 0.05
      local message = fails("timeout", c:call("ECHO", "late"))
      assert.matches("the server did not answer in time$", message)
      proxy:pass()
      c.timeout = 30
      assert.equal(message, fails("system", c:call("ECHO", "next")))
    end
  end)

  it("fails in time if the server's side has ended, and this side was not told", function()
    local c = assert(redis.connect(through, 30))
    proxy:cut "server"
    c.timeout = 0.05
    assert.matches("the server did not answer in time$", fails("timeout", c:call "PING"))
  end)

  it("fails if the connection is cut, and a new one works", function()
    local c = assert(redis.connect(through, 30))
    proxy:cut()
    assert.matches("the server closed the connection$", fails("system", c:call "PING"))
    assert.equal("PONG", assert(redis.connect(through, 30)):call "PING")
  end)

  it("fails in time if the server takes only a part of it", function()
    local c = assert(redis.connect(through, 30))
    proxy:freeze "up"
    c.timeout = 0.05
    assert.matches("the server did not take the call in time$",
                   fails("timeout", c:call("SET", "large", ("x"):rep(2 ^ 25))))
    assert.truthy(c.closed)
  end)

  it("may have been made though its reply was lost", function()
    local c = assert(redis.connect(through, 30))
    proxy:freeze "down"
    local admin = server:connect()
    together(function() assert.matches("closed the connection$", fails("system", c:call("SET", "made", 1))) end,
             function()
               repeat cqueues.sleep(0.001) until admin:call("GET", "made") == "1"
               proxy:cut()
             end)
  end)

  it("fails in time if the server's process is stopped", function()
    local c = server:connect()
    server:stop()
    c.timeout = 0.05
    fails("timeout", c:call "PING")
    fails("timeout", redis.connect(server.address, 0.05))
    server:continue()
    assert.equal("PONG", server:connect():call "PING")
  end)

  it("needs a host that is there", function()
    local name = "no-such-host.invalid"
    assert.matches("^redis://no%-such%-host%.invalid:%d+: ",
                   fails("system", redis.connect(changed(server.address, { host = name }), 30)))
    proxy:refuse()
    assert.matches(": Connection refused$", fails("system", redis.connect(through, 30)))
  end)
end)

describe("coroutines", function()
  local server = redis_server.start()

  it("go on while one waits for a reply", function()
    local turns, got = 0, nil
    local c = server:connect()
    together(function() got = c:block(30, "BLPOP", "list", 0) end,
             when_blocked(server, function(admin)
               for _ = 1, 10 do
                 cqueues.sleep(0)
                 turns = turns + 1
               end
               admin:call("RPUSH", "list", "item")
             end))
    assert.same({ { "list", "item" }, 10 }, { got, turns })
  end)

  it("share a connection, and each gets its own replies", function()
    local c = server:connect()
    local open, calls = 20, 0
    local function echo(name)
      return function()
        for i = 1, 20 do
          local text = ("%s %d"):format(name, i)
          assert.equal(text, c:call("ECHO", text))
          calls = calls + 1
        end
        open = open - 1
      end
    end
    local others = {}
    for i = 1, 20 do others[i] = echo(tostring(i)) end
    together(function() while open > 0 do cqueues.sleep(0.001) end end, either.unpack(others))
    assert.equal(400, calls)
  end)

  it("do not wait for their turn longer than for a reply; the connection stays open", function()
    local c = server:connect()
    together(function() assert.same({ "list", "item" }, c:block(60, "BLPOP", "list", 0)) end,
             when_blocked(server, function(admin)
               c.timeout = 0.05
               assert.matches("other calls took too long, and this one was not sent$",
                              fails("timeout", c:call("SET", "not", "sent")))
               assert.falsy(c.closed)
               admin:call("RPUSH", "list", "item")
             end))
    c.timeout = 30
    assert.is_false(c:call("GET", "not"))
  end)

  it("may close a connection on which another one waits", function()
    local c = server:connect()
    together(function()
               assert.matches("the connection was closed$", fails("system", c:block(30, "BLPOP", "list", 0)))
             end,
             when_blocked(server, function() c:close() end))
    assert.matches("the connection was closed$", fails("system", c:call "PING"))
  end)
end)

describe("a hostile server", function()
  local run = fake_redis.run

  local function expect(code, bytes, is_last, prepare)
    run(function() return bytes, is_last end, function(address)
      local c = assert(redis.connect(address, 30))
      if prepare then prepare(c) end
      local message = fails(code, c:call("GET", "key"))
      assert.equal(message, c.closed)
      assert.equal(message, fails("system", c:call("GET", "other")))
    end)
  end

  it("that sends a malformed reply is left", function()
    for _, bytes in ipairs { "!\r\n", "$x\r\n", ":\r\n", "*1\r\n$-5\r\n", "$1\r\nxyz", "\r\n", "+a\n",
                             "HTTP/1.1 400 Bad\r\n", ("*1\r\n"):rep(1000),
                             ":99999999999999999999999\r\n", ("x"):rep(10 ^ 6) } do
      expect("corrupt", bytes)
    end
  end)

  it("that sends half a reply is left when the time is over, or when it ends", function()
    for _, bytes in ipairs { "", "+O", "$5\r\nab", "*2\r\n:1\r\n", "$5\r\nabcde\r",
                             "$400000\r\n" .. ("x"):rep(300000) } do
      expect("timeout", bytes, false, function(c) c.timeout = 0.02 end)
      expect("system", bytes, true)
    end
  end)

  it("that sends a reply byte by byte does not get more time", function()
    run(function(_, _, connection)
      connection:xwrite("*1000000\r\n", "bn")
      while connection:xwrite(":1\r\n", "bn") do cqueues.sleep(0.005) end
    end, function(address)
      local c = assert(redis.connect(address, 30))
      c.timeout = 0.1
      fails("timeout", c:call("GET", "key"))
    end)
  end)

  it("that sends a reply beyond the limit is left before it is read", function()
    for _, bytes in ipairs { "$1001\r\n", "*1000\r\n" .. ("*0\r\n"):rep(20), "$536870912\r\nabc" } do
      expect("corrupt", bytes, false, function(c) c.limit = 1000 end)
    end
  end)

  it("that sends two replies for one call is left at the next call", function()
    run(function() return "+one\r\n+two\r\n" end, function(address)
      local c = assert(redis.connect(address, 30))
      assert.equal("one", c:call("GET", "key"))
      assert.matches("the server sent more than it was asked for$", fails("corrupt", c:call("GET", "key")))
      fails("system", c:call("GET", "key"))
    end)
  end)

  it("that does not greet as Redis does is left", function()
    for _, greeting in ipairs { "+FINE\r\n", ":1\r\n", "$-1\r\n", "220 smtp.example ESMTP\r\n" } do
      run(nil, function(address) fails("corrupt", redis.connect(address, 30)) end, greeting)
    end
    run(nil, function(address) fails("server", redis.connect(address, 30)) end, "-ERR max number of clients\r\n")
  end)

  it("that repeats the password is not repeated", function()
    run(function(call) return "-ERR unknown command, with args beginning with: " .. call[3] .. "\r\n" end,
        function(address)
          local message = fails("server", redis.connect(changed(address, { password = "s3cret" }), 30))
          assert.matches("the server refused the password, in a message that contains it$", message)
        end)
  end)

  it("that garbles a reply never makes a wrong reply of the next call", function()
    local replies = { "+OK\r\n", "$5\r\nfirst\r\n", "*2\r\n$1\r\na\r\n:1\r\n", "$-1\r\n", "-ERR no\r\n",
                      "*2\r\n*1\r\n+x\r\n*0\r\n" }
    local bytes = "+-:$*0123456789\r\nx"
    local function garble(text)
      local at, from = math.random(#text), math.random(#bytes)
      local kind = math.random(3)
      local byte = kind == 3 and "" or bytes:sub(from, from)
      return text:sub(1, kind == 1 and at or at - 1) .. byte .. text:sub(at + 1)
    end
    local outcomes = {}
    run(function(call, count)
      if count == 1 then return garble(replies[math.random(#replies)]) end
      return "+" .. call[2] .. "\r\n"
    end, function(address)
      for i = 1, 2000 do
        local c = assert(redis.connect(address, 30))
        c.timeout = 0.002
        local _, _, code = c:call("ECHO", "first")
        c.timeout = 30
        local reply, _, next_code = c:call("ECHO", "next " .. i)
        assert.is_true(reply == "next " .. i or reply == nil)
        if code and code ~= "server" then assert.equal("system", next_code) end
        outcomes[code or "reply"], outcomes["next " .. (next_code or "reply")] = true, true
        c:close()
      end
    end)
    assert.same({ reply = true, server = true, corrupt = true, timeout = true, ["next reply"] = true,
                  ["next corrupt"] = true, ["next system"] = true }, outcomes)
  end)
end)

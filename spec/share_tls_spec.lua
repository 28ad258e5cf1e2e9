local exists = require "spec.helper.exists"
local fails = require "spec.helper.fails"
local fake_redis = require "spec.helper.fake_redis"
local posix = require "spec.helper.posix"
local redis = require "ipmmap_share.redis"
local redis_server = require "spec.helper.redis_server"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local at = redis_server.certificates()

describe("TLS", function()
  local server = redis_server.start { tls = true }

  -- The server's address with the changes; `false` removes a field.
  local function changed(changes)
    local copy = {}
    for key, value in pairs(server.address) do copy[key] = value end
    for key, value in pairs(changes) do copy[key] = value or nil end
    return copy
  end

  local function works(changes)
    return assert.equal("PONG", assert(redis.connect(changed(changes), 30)):call "PING")
  end

  local function refusal(changes)
    local message = fails("system", redis.connect(changed(changes), 30))
    return message:match("^rediss://[%w.]+:%d+: (.*)$") or message
  end

  local UNKNOWN_CA = "TLS: its certificate is not from a CA that is known here (--ca)"

  it("carries calls and large strings", function()
    local c = server:connect()
    local text = ("0123456789abcdef"):rep(2 ^ 19)
    assert.equal("OK", c:call("SET", "large", text))
    assert.is_true(c:call("GET", "large") == text)
    assert.is_false(c:block(30, "XREAD", "BLOCK", 20, "STREAMS", "stream", "$"))
  end)

  for what, host in pairs { name = "localhost", ["IP address"] = "127.0.0.1" } do
    it("verifies the " .. what .. " of the server", function()
      if what == "name" and not exists "/etc/hosts" then return pending("needs /etc/hosts") end
      works { host = host }
      local elsewhere = redis_server.start { tls = "elsewhere" }
      assert.equal("TLS: its certificate is for another host", refusal { host = host, port = elsewhere.port })
    end)
  end

  it("refuses a certificate that has expired", function()
    local expired = redis_server.start { tls = "expired" }
    assert.equal("TLS: its certificate has expired", refusal { port = expired.port })
  end)

  it("refuses a certificate of a client as that of a server", function()
    local client = redis_server.start { tls = "client" }
    assert.equal("TLS: its certificate is not one for servers", refusal { port = client.port })
  end)

  it("refuses a CA that is not in the file, or not in the system", function()
    assert.equal(UNKNOWN_CA, refusal { ca = at .. "/other-ca.pem" })
    assert.equal(UNKNOWN_CA, refusal { ca = false })
  end)

  it("takes one of several CAs in a file, or one of the system's", function()
    local both = tmpdir() .. "/both.pem"
    shell.run(("cat %s/other-ca.pem %s/ca.pem >%s"):format(at, at, both))
    works { ca = both }
    posix.setenv("SSL_CERT_FILE", at .. "/ca.pem")
    works { ca = false }
    posix.setenv("SSL_CERT_FILE", "")
    assert.equal(UNKNOWN_CA, refusal { ca = false })
  end)

  it("reads files again that were changed since the last connection", function()
    local dir = tmpdir()
    local address = changed { ca = dir .. "/ca.pem" }
    shell.run(("cp %s/ca.pem %s/ca.pem"):format(at, dir))
    for _ = 1, 3 do assert(redis.connect(address, 30)) end
    shell.run(("cp %s/other-ca.pem %s/ca.pem"):format(at, dir))
    assert.matches("not from a CA that is known", fails("system", redis.connect(address, 30)))
    shell.run(("cp %s/ca.pem %s/ca.pem"):format(at, dir))
    assert(redis.connect(address, 30))
  end)

  -- They take a megabyte, which Lua's collector takes for a few bytes.
  it("reads the system's CAs once for an address", function()
    local address = changed { ca = false }
    posix.setenv("SSL_CERT_FILE", at .. "/ca.pem")
    assert(redis.connect(address, 30))
    posix.setenv("SSL_CERT_FILE", "")
    assert(redis.connect(address, 30))
  end)

  it("says what may be wrong if a server wants a client's certificate", function()
    local hint = "it may want a client's certificate (--cert, --key) from a CA that it knows"
    for _, changes in ipairs { { cert = false, key = false },
                               { cert = at .. "/stranger.pem", key = at .. "/stranger.key" } } do
      local message = refusal(changes)
      assert.truthy(message:find(hint, 1, true), message)
    end
  end)

  it("shows the certificates between the client's and the CA", function()
    local dir = tmpdir()
    shell.run(([[set -e; cd %s; exec 2>&1
      new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
      openssl req $new -keyout middle.key -out middle.csr -subj "/CN=middle"
      echo "basicConstraints=critical,CA:true" >middle.ext
      openssl x509 -req -in middle.csr -CA %s/ca.pem -CAkey %s/ca.key -set_serial 100 -out middle.pem -days 2 \
        -extfile middle.ext
      openssl req $new -keyout leaf.key -out leaf.csr -subj "/CN=leaf"
      openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -set_serial 101 -out leaf.pem -days 2
      cat leaf.pem middle.pem >chain.pem]]):format(dir, at, at))
    works { cert = dir .. "/chain.pem", key = dir .. "/leaf.key" }
    assert.matches("client's certificate", refusal { cert = dir .. "/leaf.pem", key = dir .. "/leaf.key" })
  end)

  it("names a file that is not what it should be", function()
    local dir = tmpdir()
    local damaged, locked = dir .. "/damaged.pem", dir .. "/locked.key"
    shell.run(("sed '3s/^..../!!!!/' %s/ca.pem >%s"):format(at, damaged))
    shell.run(("openssl ec -in %s/client.key -out %s -aes256 -passout pass:s3cret 2>&1"):format(at, locked))
    local key = at .. "/client.key"
    assert.matches("^/nowhere/ca.pem: No such file", refusal { ca = "/nowhere/ca.pem" })
    assert.equal(key .. " has no certificate in PEM format", refusal { ca = key })
    assert.equal(damaged .. " has a certificate that is damaged", refusal { ca = damaged })
    assert.matches("^/nowhere/c.pem: No such file", refusal { cert = "/nowhere/c.pem" })
    assert.equal(key .. " has no certificate in PEM format", refusal { cert = key })
    assert.matches("^/nowhere/k.pem: No such file", refusal { key = "/nowhere/k.pem" })
    assert.equal(at .. "/ca.pem has no private key in PEM format", refusal { key = at .. "/ca.pem" })
    assert.equal(locked .. " is protected by a passphrase, which nobody is there to type", refusal { key = locked })
    assert.equal(("%s/stranger.key is not the key of %s/client.pem"):format(at, at),
                 refusal { key = at .. "/stranger.key" })
    assert.matches("Is a directory", refusal { ca = dir })
  end)

  it("is not spoken with a server that does not speak it, and the message says so", function()
    local plain = redis_server.start()
    local _, message, code = redis.connect(changed { port = plain.port }, 0.1)
    assert.matches(": no TLS in time; it may not speak TLS on that port$", message)
    assert.equal("timeout", code)
    fake_redis.accept(function(connection)
      connection:xwrite("220 smtp.example ESMTP\r\n", "bn")
      connection:xread("*L", "b")
    end, function(address)
      assert.equal("TLS: it does not speak TLS on that port", refusal { port = address.port })
    end)
    fake_redis.accept(function() end, function(address)
      assert.matches("^TLS: ", refusal { port = address.port })
    end)
  end)

  it("is what a server may want that ends a connection without it", function()
    assert.matches("; it may want TLS, which is rediss://$",
                   fails("system", redis.connect({ host = "127.0.0.1", port = server.port, db = 0 }, 30)))
  end)

  it("works again after any failure in the same process", function()
    refusal { ca = at .. "/other-ca.pem" }
    local c = server:connect()
    refusal { ca = at .. "/other-ca.pem" }
    assert.equal("PONG", c:call "PING")
  end)

  it("ends when another coroutine closes the connection", function()
    local c, admin = server:connect(), server:connect()
    fake_redis.together(function()
      assert.matches("the connection was closed$", fails("system", c:block(30, "BLPOP", "list", 0)))
    end, function()
      fake_redis.until_blocked(admin)
      c:close()
    end)
  end)
end)

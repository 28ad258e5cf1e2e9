local fails = require "spec.helper.fails"
local tmpdir = require "spec.helper.tmpdir"
local url = require "ipmmap_share.url"

local function parsed(text)
  local address, message = url.parse(text)
  return address or error(message)
end

local function refusal(text)
  local address, message = url.parse(text)
  assert.is_nil(address, text)
  assert.equal("string", type(message))
  return message
end

local FORM = "a server is written as redis://[USER@]HOST[:PORT][/DB], with rediss:// for TLS"

describe("url.parse", function()
  it("reads host, port, user and database", function()
    assert.same({ host = "red.example", port = 6379, db = 0, tls = false }, parsed "redis://red.example")
    assert.same({ host = "red", port = 1, db = 12, tls = true, user = "bob" }, parsed "rediss://bob@red:1/12")
    assert.same({ host = "10.0.0.1", port = 65535, db = 0, tls = true }, parsed "rediss://10.0.0.1:65535/")
  end)

  it("reads an IPv6 address in brackets", function()
    assert.same({ host = "::1", port = 6379, db = 3, tls = false }, parsed "redis://[::1]/3")
    assert.same({ host = "2001:db8::7", port = 7000, db = 0, tls = false, user = "a" },
                parsed "redis://a@[2001:db8::7]:7000")
  end)

  it("reads percent signs in a user's name", function()
    assert.equal("a@b:c/d", parsed "redis://a%40b%3ac%2Fd@h".user)
    for _, name in ipairs { "%", "%4", "%zz", "a%00b", "a%20b", "a%0Ab", "" } do
      assert.equal("the user's name in the server's URL is malformed", refusal("redis://" .. name .. "@h"))
    end
  end)

  it("refuses a password, and does not repeat it", function()
    for _, text in ipairs { "redis://:s3cret@h", "redis://bob:s3cret@h", "rediss://bob:s3/cr@et@h:1/2",
                            "redis://bob:s3cret@[::1]", "redis://s3cret:@h" } do
      local message = refusal(text)
      assert.matches("^a password is never given on the command line, .* IPMMAP_REDIS_PASSWORD, .* %-%-password%-file$",
                     message)
      assert.is_nil(message:find("s3", 1, true))
    end
  end)

  it("refuses a port or a database that is none", function()
    for _, port in ipairs { "0", "65536", "x", "6379x", "99999999999999999999" } do
      assert.equal("the port in the server's URL is not one of 1 to 65535", refusal("redis://h:" .. port))
    end
    for _, db in ipairs { "x", "1x", "0x1", "99999999999999999999" } do
      assert.equal("the database in the server's URL is not a number", refusal("redis://h/" .. db))
    end
  end)

  it("refuses all else, and says how a server is written", function()
    for _, text in ipairs {
      "", "h", "redis:", "redis:/h", "redis://", "redis:///1", "http://h", "redisss://h", "REDIS://h", "unix:///tmp/x",
      "redis://h h", "redis://h\n", "redis://h:1:2", "redis://h/1/2", "redis://h?db=1", "redis://h#1", "redis://h:",
      "redis://::1", "redis://[::1", "redis://[::1]x", "redis://[h]", "redis://[]", "redis://u@", "redis://h/-1",
      "redis://" .. ("h"):rep(254),
    } do
      assert.equal(FORM, refusal(text))
    end
  end)
end)

describe("url.show", function()
  it("is the URL, without secrets", function()
    for text, shown in pairs {
      ["redis://h"] = "redis://h:6379", ["redis://h:6379/0"] = "redis://h:6379",
      ["rediss://a%40b@h:1/2"] = "rediss://a%40b@h:1/2", ["redis://u@[::1]:5"] = "redis://u@[::1]:5",
    } do
      local address = parsed(text)
      address.password = "s3cret"
      assert.equal(shown, url.show(address))
      assert.same(parsed(text), parsed(shown))
    end
  end)
end)

describe("url.options", function()
  local dir = tmpdir()

  local function file(text)
    local path = dir .. "/password"
    local handle = assert(io.open(path, "wb"))
    handle:write(text)
    handle:close()
    return path
  end

  it("adds the paths of the files for TLS", function()
    local address = assert(url.options("rediss://h", { ca = "a", cert = "c", key = "k" }))
    assert.same({ "a", "c", "k" }, { address.ca, address.cert, address.key })
    assert.is_true(address.tls)
  end)

  it("refuses files for TLS without TLS, and a certificate without its key", function()
    for _, name in ipairs { "ca", "cert", "key" } do
      assert.equal("--ca, --cert and --key are for TLS, which is rediss://",
                   fails("invalid", url.options("redis://localhost", { [name] = "x" })))
    end
    assert.equal("--cert and --key belong together", fails("invalid", url.options("rediss://h", { cert = "c" })))
    assert.equal("--cert and --key belong together", fails("invalid", url.options("rediss://h", { key = "k" })))
  end)

  it("takes another machine without TLS only if that is asked for", function()
    for _, host in ipairs { "localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "[::1]" } do
      assert(url.options("redis://" .. host))
    end
    for _, host in ipairs { "h", "10.0.0.1", "127.example", "localhost.example", "[::2]", "[::ffff:10.0.0.1]" } do
      assert.matches("^redis://[^ ]*:6379: without TLS anybody in the network can read and change what is sent: use "
                     .. "rediss://, or %-%-insecure", fails("invalid", url.options("redis://" .. host)))
      assert(url.options("redis://" .. host, { insecure = true }))
      assert(url.options("rediss://" .. host))
    end
  end)

  it("reads the password in a file, with or without the line's end", function()
    for _, ending in ipairs { "", "\n", "\r\n" } do
      local address = assert(url.options("redis://localhost", { password_file = file("pass word" .. ending) }))
      assert.equal("pass word", address.password)
    end
  end)

  it("refuses a file that has no password, several lines or too much, and does not show it", function()
    for _, text in ipairs { "", "\n", "s3cret\ns3cret\n", "s3cret\0", ("s3cret"):rep(1000) } do
      local message = fails("invalid", url.options("redis://localhost", { password_file = file(text) }))
      assert.equal(dir .. "/password does not hold one password, on one line", message)
    end
  end)

  it("names a file that cannot be read", function()
    assert.matches("^/nowhere/x: No such file",
                   fails("system", url.options("redis://localhost", { password_file = "/nowhere/x" })))
    assert.equal(dir .. ": Is a directory",
                 fails("system", url.options("redis://localhost", { password_file = dir })))
  end)

  it("refuses a URL as url.parse does", function()
    assert.equal(FORM, fails("invalid", url.options "h"))
  end)
end)

describe("the environment variable IPMMAP_REDIS_PASSWORD", function()
  local posix = require "spec.helper.posix"
  local PASSWORD = "IPMMAP_REDIS_PASSWORD"

  after_each(function() posix.setenv(PASSWORD, "") end)

  it("gives the password, unless it is empty or there is a file", function()
    posix.setenv(PASSWORD, "of the environment")
    assert.equal("of the environment", assert(url.options "redis://localhost").password)
    local path = tmpdir() .. "/password"
    local handle = assert(io.open(path, "w"))
    handle:write("of the file\n")
    handle:close()
    assert.equal("of the file", assert(url.options("redis://localhost", { password_file = path })).password)
    posix.setenv(PASSWORD, "")
    assert.is_nil(assert(url.options "redis://localhost").password)
  end)
end)

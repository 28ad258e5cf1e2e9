local fails = require "spec.helper.fails"
local refused = require "spec.helper.refused"
local resp = require "ipmmap_share.resp"

local LIMIT = 4096

-- A function that hands out a text, as a connection does whose longest line has 100 bytes.
local function from(text, limit)
  local at = 1
  local function receive(what)
    local last = at + 99
    if what == "*L" then
      last = math.min(last, text:find("\n", at, true) or last)
    else
      assert.is_true(what <= limit + 2)
      last = at + what - 1
    end
    if last > #text then return nil, "ended", "system" end
    local data = text:sub(at, last)
    at = last + 1
    return data
  end
  return receive, function() return at - 1 end
end

local function read(text, limit)
  return resp.read(from(text, limit or LIMIT), limit or LIMIT)
end

local function corrupt(text, limit)
  return fails("corrupt", read(text, limit))
end

describe("a call", function()
  it("is an array of strings; integers are written in decimal", function()
    assert.equal("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n", resp.encode { "SET", "k", "a\r\nb" })
    assert.equal("*2\r\n$1\r\nx\r\n$16\r\n1000000000000000\r\n", resp.encode { "x", 1e15 })
    assert.equal("*1\r\n$0\r\n\r\n", resp.encode { "" })
  end)

  it("has no other arguments", function()
    for _, argument in ipairs { 0.5, true, {}, math.huge, print } do
      refused("argument 2 of a call is neither a string nor an integer", resp.encode, { "x", argument })
    end
    refused("argument 2 of a call", resp.encode, { n = 3, "x", nil, "y" })
  end)
end)

describe("a reply", function()
  it("is a string, an integer, an array, or false for null", function()
    assert.equal("OK", (read "+OK\r\n"))
    assert.equal("", (read "+\r\n"))
    assert.equal("a\r\nb", (read "$4\r\na\r\nb\r\n"))
    assert.equal("", (read "$0\r\n\r\n"))
    assert.equal(-12, (read ":-12\r\n"))
    assert.equal(2 ^ 53 - 1, (read(":9007199254740991\r\n")))
    assert.is_false((read "$-1\r\n"))
    assert.is_false((read "*-1\r\n"))
    assert.same({}, (read "*0\r\n"))
    assert.same({ "a", { 1, false, "b" }, {} }, (read "*3\r\n+a\r\n*3\r\n:1\r\n$-1\r\n$1\r\nb\r\n*0\r\n"))
  end)

  it("may be an error, or have errors in it, of which the first is told", function()
    local reply, message = read "-ERR no\r\n"
    assert.same({ false, "ERR no" }, { reply, message })
    reply, message = read "*3\r\n+a\r\n*1\r\n-ERR 1\r\n-ERR 2\r\n"
    assert.same({ { "a", { false }, false }, "ERR 1" }, { reply, message })
  end)

  it("has no control characters in an error's message", function()
    assert.equal("ERR ?[2J?", select(2, read "-ERR \27[2J\1\r\n"))
  end)

  it("leaves what comes after it", function()
    local receive, taken = from("*1\r\n$1\r\na\r\n+next\r\n", LIMIT)
    resp.read(receive, LIMIT)
    assert.equal(11, taken())
    assert.equal("next", (resp.read(receive, LIMIT)))
  end)

  it("tells what is left of the limit", function()
    assert.equal(LIMIT - 64 - 5, select(3, read "+OK\r\n"))
    assert.equal(LIMIT - 64 - 5 - 10, select(3, read("$10\r\n0123456789\r\n")))
  end)
end)

-- Malformed replies, each with what is wrong.
local MALFORMED = {
  { "a line's end", "+OK\n", "$1\n", "+" .. ("x"):rep(200) .. "\r\n", "\n", "*1\r\n:1\n" },
  { "neither a string nor an array", "!1\r\n", "%1\r\n", "~1\r\n", ">1\r\n", "$-2\r\n", "*-2\r\n", "111\r\n",
    "*1\r\n?1\r\n", "$-9007199254740991\r\n" },
  { "not a number", "_\r\n", "#t\r\n", ",1.5\r\n", "\r\n", ":\r\n", ":1.0\r\n", ":+1\r\n", ": 1\r\n", ":1 \r\n",
    ":0x10\r\n", ":1e3\r\n", ":--1\r\n", ":-\r\n", ":99999999999999999999\r\n", ":9223372036854775808\r\n", "$\r\n",
    "$x\r\n", "$1x\r\n", "*\r\n", "*a\r\n", "$99999999999999999999\r\n", "*99999999999999999999\r\n", "OK\r\n",
    "*1\r\n\r\n", "1\r\n", ":inf\r\n", ":nan\r\n", ":" .. ("0"):rep(20) .. "1\r\n" },
  { "a string's end", "$1\r\nab\r\n", "$0\r\nab\r\n", "$2\r\nab\r\r", "$2\r\nab\n\r", "*1\r\n$1\r\nabc" },
  { "arrays too deep", ("*1\r\n"):rep(20) .. "+a\r\n" },
}

describe("a malformed reply", function()
  it("is refused", function()
    for _, list in ipairs(MALFORMED) do
      for i = 2, #list do
        assert.equal("the server sent a malformed reply: " .. list[1], corrupt(list[i]), list[i])
      end
    end
  end)

  it("is refused if it ends too early, at any byte", function()
    local whole = "*4\r\n$3\r\nabc\r\n:12\r\n*1\r\n+x\r\n-E\r\n"
    assert(read(whole))
    for length = 0, #whole - 1 do fails("system", read(whole:sub(1, length))) end
  end)
end)

describe("a reply that is too large", function()
  local TOO_LARGE = "the server sent a reply that is too large"

  it("is refused before its bytes are waited for", function()
    assert.equal(TOO_LARGE, corrupt("$4097\r\n"))
    assert.equal(TOO_LARGE, corrupt("$536870912\r\n"))
    assert.equal(TOO_LARGE, corrupt("$9007199254740991\r\n"))
    assert.equal(TOO_LARGE, corrupt("*2\r\n$2000\r\n" .. ("x"):rep(2000) .. "\r\n$2000\r\n"))
  end)

  it("is refused if it has too many parts, empty ones as well", function()
    assert.equal(TOO_LARGE, corrupt("*9007199254740991\r\n" .. ("*0\r\n"):rep(100)))
    assert.equal(TOO_LARGE, corrupt("*1000\r\n" .. ("$-1\r\n"):rep(100)))
    assert.equal(TOO_LARGE, corrupt("*100\r\n" .. ("-E\r\n"):rep(100)))
  end)

  it("is taken with a higher limit", function()
    assert.equal(5000, #read("$5000\r\n" .. ("x"):rep(5000) .. "\r\n", 10000))
  end)
end)

describe("random bytes in a reply", function()
  local seeds = {
    "+OK\r\n", "$-1\r\n", ":123\r\n", "-ERR unknown\r\n", "*0\r\n",
    "*1\r\n*2\r\n$3\r\nlog\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$1\r\np\r\n$3\r\n1-0\r\n$1\r\nd\r\n$5\r\nabcde\r\n"
      .. "*2\r\n$3\r\n1-2\r\n*0\r\n",
    "*3\r\n$5\r\nheld?\r\n:5000\r\n$-1\r\n",
  }
  local BYTES = "+-:$*0123456789\r\n \0x\255"

  local function mutate(text)
    for _ = 1, math.random(3) do
      local at, kind = math.random(#text + 1), math.random(4)
      local random = math.random(#BYTES)
      local byte = BYTES:sub(random, random)
      if kind == 1 then
        text = text:sub(1, at - 1) .. byte .. text:sub(at + 1)
      elseif kind == 2 then
        text = text:sub(1, at - 1) .. byte .. text:sub(at)
      elseif kind == 3 then
        text = text:sub(1, at - 1) .. text:sub(at + math.random(4))
      else
        text = text:sub(1, at - 1) .. text:sub(math.random(#text + 1))
      end
    end
    return text
  end

  local function is_reply(value, depth)
    if type(value) ~= "table" then return value ~= nil and value ~= true end
    for _, part in ipairs(value) do
      if not is_reply(part, depth + 1) then return false end
    end
    return depth < 20
  end

  it("give a reply within the limit, or an error", function()
    local outcomes = {}
    for _ = 1, 10000 do
      local text = mutate(seeds[math.random(#seeds)])
      local receive, taken = from(text, LIMIT)
      local reply, message, code = resp.read(receive, LIMIT)
      local outcome = reply == nil and code or "reply"
      outcomes[outcome] = true
      if reply == nil then
        assert.equal("string", type(message))
      else
        assert.is_true(is_reply(reply, 0), text)
        assert.is_true(taken() <= LIMIT)
      end
    end
    assert.same({ reply = true, corrupt = true, system = true }, outcomes)
  end)
end)

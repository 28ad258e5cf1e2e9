local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local tmpdir = require "spec.helper.tmpdir"

local SEED <const> = 20240229

describe("a log that was damaged or forged", function()
  local dir, path, open, S, whole, count

  local function write(bytes)
    local out <close> = assert(io.open(path, "wb"))
    out:write(bytes)
  end

  -- Makes a log of that many states. Each of `contents` is the raw content of one more frame.
  local function make(states, contents)
    local header, sum = log.header(tostring(S), "")
    local parts, old = { header }, ("\0"):rep(S.size)
    local value = S:new()
    for i = 1, states do
      value.count, value.twin, value.text = i, i, ("%d "):format(i):rep(i)
      local new = ipmmap.bytes(value)
      parts[#parts + 1], sum = log.frame(1e9 + i / 1000, i, old, new, sum)
      old = new
    end
    for _, content in ipairs(contents or {}) do parts[#parts + 1], sum = log.seal(content, sum) end
    return table.concat(parts)
  end

  setup(function()
    dir = tmpdir()
    path = dir .. "/demo.log"
    open = select(2, demo(dir))
    S = ipmmap.lookup("Demo")
    count = 20
    whole = make(count)
    math.randomseed(SEED)
  end)

  -- Returns the frames that can be read, as texts, and why reading ended.
  local function frames()
    local file <close> = assert(io.open(path, "rb"))
    local reader = log.reader(file)
    if not reader:header() then return {}, "no log" end
    local list = {}
    while true do
      local frame, why = reader:frame(S.size)
      if not frame then return list, why end
      local runs = { frame.time }
      for _, run in ipairs(frame.runs) do runs[#runs + 1] = run[1] .. ":" .. run[2] end
      list[#list + 1] = table.concat(runs, ";")
    end
  end

  local function byte() return string.char(math.random(0, 255)) end

  -- Changes to a log. The result of each is not a beginning of the log.
  local mutations = {
    function(text)
      local at = math.random(#text)
      return text:sub(1, at - 1) .. string.char(text:byte(at) ~ 1 << math.random(0, 7))
        .. text:sub(at + 1)
    end,
    function(text)
      local from = math.random(#text)
      local to = math.min(#text, from + math.random(0, 40))
      return text:sub(1, from - 1) .. text:sub(from, to):gsub(".", byte) .. text:sub(to + 1)
    end,
    function(text)
      local at = math.random(#text)
      return text:sub(1, at - 1) .. byte():rep(math.random(1, 30)) .. text:sub(at)
    end,
    function(text)
      local from = math.random(#text - 1)
      return text:sub(1, from - 1) .. text:sub(from + math.random(1, #text - from))
    end,
    function(text)
      local from, to = math.random(#text), math.random(#text)
      from, to = math.min(from, to), math.max(from, to)
      local at = math.random(#text)
      return text:sub(1, at) .. text:sub(from, to) .. text:sub(at + 1)
    end,
  }

  local function mutate()
    local text
    repeat text = mutations[math.random(#mutations)](whole) until text ~= whole:sub(1, #text)
    return text
  end

  -- Asserts that a replay of the log fails and leaves no segment.
  local function is_refused(bytes, pattern, what)
    write(bytes)
    local status, out, err = cli.run { "replay", path, dir .. "/new", "--speed", "max" }
    assert.same({ 5, "" }, { status, out }, what .. ": " .. err)
    assert.matches("^ipmmap: [^\n]+\n$", err, 1, false, what)
    assert.matches(pattern, err, 1, false, what)
    assert.is_nil(io.open(dir .. "/new/Demo_.mmap"), what)
  end

  it("yields only frames that were recorded, wherever it is damaged", function()
    write(whole)
    local recorded, why = frames()
    assert.same({ count, "end" }, { #recorded, why })
    for round = 1, 1500 do
      write(mutate())
      local read, ending = frames()
      for i, frame in ipairs(read) do
        assert.equal(recorded[i], frame, ("round %d of seed %d"):format(round, SEED))
      end
      assert.are_not.equal("end", ending, ("round %d of seed %d"):format(round, SEED))
    end
  end)

  it("is replayed up to the place where it was cut off, or not at all", function()
    for round = 1, 40 do
      write(mutate())
      local read, ending = frames()
      local status, out, err = cli.run { "replay", path, dir .. "/fuzz", "--speed", "max" }
      local what = ("round %d of seed %d: %s"):format(round, SEED, err)
      if ending == "cut" and #read > 0 then
        assert.equal(0, status, what)
      else
        assert.same({ 5, "" }, { status, out }, what)
        assert.matches("^ipmmap: [^\n]+\n$", err, 1, false, what)
        assert.is_nil(io.open(dir .. "/fuzz/Demo_.mmap"), what)
      end
      os.execute(("rm -rf '%s/fuzz'"):format(dir))
    end
  end)

  local function frame(time, ...)
    local parts = { string.pack("<dI8", time, 1) }
    for _, run in ipairs { ... } do parts[#parts + 1] = string.pack("<i8s4", run[1], run[2]) end
    return table.concat(parts)
  end

  it("is refused as a whole if a frame contains what no recording contains", function()
    for what, content in pairs {
      ["an offset that wraps"] = frame(2e9, { math.maxinteger, "x" }),
      ["an offset below 0"] = frame(2e9, { -1, "xx" }),
      ["a run past the end"] = frame(2e9, { S.size - 1, "xx" }),
      ["runs that overlap"] = frame(2e9, { 100, "xxxx" }, { 103, "y" }),
      ["runs that go down"] = frame(2e9, { 200, "x" }, { 100, "y" }),
      ["a run of nothing"] = frame(2e9, { 100, "" }),
      ["half a run"] = frame(2e9) .. "half",
      ["a run that is longer than its frame"] = frame(2e9) .. string.pack("<i8I4", 16, 100),
      ["no time"] = "short",
      ["a time that is no number"] = frame(0 / 0),
      ["an endless time"] = frame(math.huge),
      ["a time long ago"] = frame(-1),
      ["more than the struct can need"] = frame(2e9) .. ("\0"):rep(3 * S.size),
    } do
      is_refused(make(3, { content }), "demo.log is damaged: the frame at byte %d+; nothing was replayed",
        what)
    end
  end)

  it("is refused if a frame's length is impossible, although both copies of the length agree", function()
    for _, length in ipairs { math.maxinteger, -1, 1 << 31, 0 } do
      is_refused(whole .. string.pack("<i8i8i8", length, ~length, 0) .. ("x"):rep(100),
        "demo.log is damaged", tostring(length))
    end
  end)

  it("is refused if its struct cannot be shared or recorded, or if its tag is invalid", function()
    local content = frame(2e9, { 0, "x" })
    local huge = tostring(S):gsub("char%[256%]", "char[1099511620000]")
    for pattern, header in pairs {
      ["'%.%./x' is no tag"] = { tostring(S), "../x" },
      ["a struct of 1099511620%d+ bytes"] = { huge, "" },
      ["Plain"] = { "struct Plain { x: double }", "" },
      ["its schema: .*unknown type"] = { "struct Plain { x: nope }", "" },
    } do
      local text, sum = log.header(header[1], header[2])
      is_refused(text .. log.seal(content, sum), "demo.log is damaged: .*" .. pattern
        .. ".*; nothing was replayed", pattern)
    end
  end)

  it("is refused with a message if it comes from a pipe", function()
    write(whole)
    local status, _, err = cli.run { "replay", "/dev/stdin" }
    assert.equal(2, status)
    assert.matches("/dev/stdin cannot be read twice", err)
  end)

  it("does not change an existing segment when it is refused", function()
    local manager <close> = assert(open("manager", { create = true }))
    manager:set { text = "before" }
    write(make(3, { frame(2e9, { math.maxinteger, "x" }) }))
    assert.equal(5, (cli.run { "replay", path, dir, "--speed", "max" }))
    assert.same({ 1, "before" }, { manager:version(), manager:read("text") })
  end)
end)

local fails = require "spec.helper.fails"
local patch = require "ipmmap_share.patch"

local SEED <const> = 20261130

local function head(offset, count)
  return ("<I8I4"):pack(offset, count)
end

-- What a patch makes of a state, byte by byte, without the functions under test.
local function patched(state, runs)
  local bytes = { state:byte(1, -1) }
  for _, run in ipairs(runs) do
    for i = 1, #run[2] do bytes[run[1] + i] = run[2]:byte(i) end
  end
  return string.char(table.unpack(bytes))
end

-- Ascending runs in a struct of that size, with equal distances now and then, and none in between.
local function random_runs(size)
  local runs, at = {}, math.random(0, 8)
  while at < size and #runs < 12 do
    local count = math.random(1, math.min(size - at, math.random(1, 40)))
    local bytes = {}
    for i = 1, count do bytes[i] = string.char(math.random(0, 255)) end
    runs[#runs + 1] = { at, table.concat(bytes) }
    at = at + count + math.random(0, 3) * math.random(0, 12)
  end
  return runs
end

local function random_state(size)
  local bytes = {}
  for i = 1, size do bytes[i] = string.char(math.random(0, 2)) end
  return table.concat(bytes)
end

local function cut(state)
  local pieces = {}
  for at = 1, #state, patch.PIECE do pieces[#pieces + 1] = state:sub(at, at + patch.PIECE - 1) end
  return pieces
end

local function collect(iterator)
  local list = {}
  for piece in iterator do list[#list + 1] = piece end
  return list
end

describe("a patch", function()
  setup(function() math.randomseed(SEED) end)

  it("is its runs, little-endian and without padding", function()
    local text = patch.pack { { 0, "ab" }, { 258, "c" } }
    assert.equal("\0\0\0\0\0\0\0\0\2\0\0\0ab\2\1\0\0\0\0\0\0\1\0\0\0c", text)
    assert.same({ { 0, "ab" }, { 258, "c" } }, patch.unpack(text, 259))
    assert.same({}, patch.unpack("", 16))
  end)

  it("may have runs without a gap, and one of the whole struct", function()
    for _, runs in ipairs { { { 0, "ab" }, { 2, "cd" } }, { { 0, "abcd" } } } do
      assert.same(runs, patch.unpack(patch.pack(runs), 4))
    end
  end)

  it("is not made of runs that overlap, go back or are empty", function()
    assert.error_matches(function() patch.pack { { 0, "ab" }, { 1, "c" } } end, "run 2, of 1 bytes at 1")
    assert.error_matches(function() patch.pack { { 4, "ab" }, { 0, "c" } } end, "run 2")
    assert.error_matches(function() patch.pack { { 0, "" } } end, "run 1")
  end)

  local malformed = {
    ["that ends within a head"] = { head(0, 1) .. "a" .. head(4, 1):sub(1, 11) },
    ["that ends within its bytes"] = { head(0, 3) .. "ab" },
    ["with a head and no bytes"] = { head(0, 1) },
    ["with an empty run"] = { head(0, 0) .. head(0, 1) .. "a" },
    ["with runs that overlap"] = { head(0, 2) .. "ab" .. head(1, 1) .. "c" },
    ["with runs that go back"] = { head(8, 2) .. "ab" .. head(0, 1) .. "c" },
    ["with a run that ends behind the struct"] = { head(14, 3) .. "abc" },
    ["with a run that begins behind the struct"] = { head(17, 1) .. "a" },
    ["with a run at the struct's end"] = { head(16, 1) .. "a" },
    ["with an offset of 2^63 or more"] = { head(-1, 1) .. "a" },
    ["with an offset whose end is beyond 2^63"] = { head(math.maxinteger, 1) .. "a" },
    ["with a size of 2^32 - 1"] = { head(0, 2 ^ 32 - 1 | 0) .. "a" },
  }
  for what, case in pairs(malformed) do
    it("is refused " .. what, function()
      local text = case[1]
      fails("corrupt", patch.unpack(text, 16))
      local pieces = { ("s"):rep(16) }
      fails("corrupt", patch.apply(pieces, 16, text))
      assert.same({ ("s"):rep(16) }, pieces)
    end)
  end

  it("is refused or is inside the struct, whatever was done to its bytes", function()
    local refused, accepted = 0, 0
    for _ = 1, 8000 do
      local size = math.random(1, 200)
      local text = patch.pack(random_runs(size))
      for _ = 1, math.random(1, 4) do
        local at, kind = math.random(1, #text + 1), math.random(1, 4)
        local byte = string.char(math.random(1, 4) == 1 and math.random(0, 255) or math.random(0, 2))
        text = kind == 1 and text:sub(1, at - 1) .. byte .. text:sub(at + 1)
          or kind == 2 and text:sub(1, at - 1)
          or kind == 3 and text:sub(1, at - 1) .. byte .. text:sub(at)
          or text:sub(1, at - 1) .. text:sub(at + math.random(1, 12))
      end
      local runs, message, code = patch.unpack(text, size)
      if runs then
        accepted = accepted + 1
        local free = 0
        for _, run in ipairs(runs) do
          assert.is_true(run[1] >= free and #run[2] > 0)
          free = run[1] + #run[2]
        end
        assert.is_true(free <= size)
        assert.equal(text, patch.pack(runs))
      else
        refused = refused + 1
        fails("corrupt", runs, message, code)
      end
    end
    assert.is_true(refused > 300 and accepted > 300)
  end)
end)

describe("the difference of two states", function()
  setup(function() math.randomseed(SEED) end)

  it("has a run for each change, without the equal bytes around it", function()
    local old = ("."):rep(100)
    local new = patched(old, { { 3, "a" }, { 40, "bcd" }, { 99, "e" } })
    assert.same({ { 3, "a" }, { 40, "bcd" }, { 99, "e" } }, patch.unpack(patch.diff(old, new), 100))
    assert.equal("", patch.diff(old, old))
  end)

  it("joins changes with 16 equal bytes or fewer between them", function()
    local old = ("."):rep(100)
    assert.equal(1, #patch.unpack(patch.diff(old, patched(old, { { 10, "a" }, { 27, "b" } })), 100))
    assert.equal(2, #patch.unpack(patch.diff(old, patched(old, { { 10, "a" }, { 28, "b" } })), 100))
  end)

  it("leads from one to the other", function()
    for _ = 1, 500 do
      local size = math.random(1, 300)
      local old = random_state(size)
      local new = math.random(1, 2) == 1 and random_state(size) or patched(old, random_runs(size))
      assert.equal(new, patched(old, patch.unpack(patch.diff(old, new), size)))
    end
  end)

  it("is found in large states, over the borders of what is compared at once", function()
    local old = ("0123456789abcdef"):rep(20000)
    local runs = { { 0, "x" }, { 4090, ("y"):rep(12) }, { 8191, "z" }, { 8192, "z" }, { #old - 1, "x" } }
    local diff = patch.diff(old, patched(old:sub(1, 9000), { runs[1], runs[2], runs[3], runs[4] })
                                 .. old:sub(9001, -2) .. "x")
    assert.same({ { 0, "x" }, { 4090, ("y"):rep(12) }, { 8191, "zz" }, { #old - 1, "x" } },
                patch.unpack(diff, #old))
  end)

  it("is not asked of states of two sizes", function()
    assert.error_matches(function() patch.diff("ab", "abc") end, "states of 2 and 3 bytes")
  end)
end)

describe("a state in pieces", function()
  setup(function() math.randomseed(SEED) end)

  it("is changed by runs within a piece, over a border, and over whole pieces", function()
    local P = patch.PIECE
    local state = ("0123456789abcdef"):rep(P // 16 * 3) .. "end"
    local long = ("L"):rep(P + 100)
    local runs = { { 0, "a" }, { 7, "b" }, { P - 1, "cd" }, { P + 50, long }, { 3 * P - 1, "wxyz" } }
    local pieces = cut(state)
    assert.equal(4, #pieces)
    assert.is_true(patch.apply(pieces, #state, patch.pack(runs)))
    local expected = { "a", state:sub(2, 7), "b", state:sub(9, P - 1), "cd", state:sub(P + 2, P + 50), long,
                       state:sub(2 * P + 151, 3 * P - 1), "wxyz" }
    assert.equal(table.concat(expected), table.concat(pieces))
    for i = 1, 3 do assert.equal(P, #pieces[i]) end
  end)

  it("is unchanged by an empty patch", function()
    local pieces = { "abc" }
    assert.is_true(patch.apply(pieces, 3, ""))
    assert.same({ "abc" }, pieces)
  end)
end)

describe("a patch that is cut", function()
  local P <const> = patch.PIECE

  local function check_cut(runs, size)
    local pieces = collect(patch.pieces(patch.pack(runs)))
    local whole = {}
    for _, piece in ipairs(pieces) do
      assert.is_true(#piece <= P)
      for _, run in ipairs(assert(patch.unpack(piece, size))) do
        local before = whole[#whole]
        if before and before[1] + #before[2] == run[1] then
          before[2] = before[2] .. run[2]
        else
          whole[#whole + 1] = run
        end
      end
    end
    assert.same(runs, whole)
    return #pieces
  end

  it("is itself if it is small, and nothing if it is empty", function()
    assert.equal(1, check_cut({ { 3, "abc" }, { 9, "d" } }, 100))
    assert.same({}, collect(patch.pieces("")))
  end)

  it("has pieces of whole runs, and of parts of a run that is larger than a piece", function()
    assert.equal(2, check_cut({ { 0, ("a"):rep(P - 24) }, { P, ("b"):rep(100) } }, 4 * P))
    assert.equal(5, check_cut({ { 0, "a" }, { 10, ("b"):rep(3 * P - 36) }, { 3 * P, "c" }, { 3 * P + 5, "d" } }, 4 * P))
    assert.equal(1, check_cut({ { 0, ("a"):rep(P - 12) } }, P))
    assert.equal(2, check_cut({ { 0, ("a"):rep(P - 11) } }, P))
  end)

  it("is made of the bytes of a whole state", function()
    local state = ("0123456789"):rep(P // 5)
    local read = {}
    for piece in patch.pieces_of(state) do
      assert.is_true(#piece <= P)
      local runs = assert(patch.unpack(piece, #state))
      assert.equal(1, #runs)
      assert.equal(#table.concat(read), runs[1][1])
      read[#read + 1] = runs[1][2]
    end
    assert.equal(state, table.concat(read))
  end)
end)

-- Lists and optional fields in views and values.
local ipmmap = require "ipmmap"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.enum("MeaningListMode", "uint8", { "idle", "walk" })
ipmmap.struct("MeaningListItem", {
  { "id", "int32", default = 7, min = 0 }, { "name", "char[8]" }, { "tags", "int16[<=3]" }, { "left", "double?" },
})
ipmmap.struct("MeaningListPair", { { "a", "int8" }, { "b", "int8" } })
local S = ipmmap.base:extend("MeaningList", {
  { "items", "MeaningListItem[<=4]" }, { "numbers", "int32[<=3]", max = 10 }, { "names", "char[4][<=2]" },
  { "modes", "MeaningListMode[<=2]" }, { "rows", "int8[2][<=3]" }, { "flags", "bool[<=5]" },
  { "left", "int32?", min = 0 }, { "mode", "MeaningListMode?" }, { "title", "char[8]?" }, { "wide", "char16[4]?" },
  { "item", "MeaningListItem?" }, { "pair", "MeaningListPair?" }, { "three", "int16[3]?" }, { "on", "bool?" },
  { "grid", "MeaningListPair[2]" },
})

local function describe_both(what, body)
  describe(what .. " of a detached value", function() body(function() return S:new() end) end)
  describe(what .. " of a view", function()
    after_each(segment.close)
    body(function()
      local _, manager = segment.make(S)
      return segment.lock(manager)
    end)
  end)
end

local function numbers(list)
  local found = {}
  for _, number in ipmmap.ipairs(list) do found[#found + 1] = number end
  return found
end

describe_both("a list", function(make)
  local v
  before_each(function() v = make() end)

  it("is empty at first", function()
    assert.equal(0, #v.items)
    assert.is_nil(v.items[1])
    assert.same({}, numbers(v.numbers))
  end)

  it("grows at its end, by one", function()
    v.numbers[#v.numbers + 1] = 5
    v.numbers[#v.numbers + 1] = 6
    assert.same({ 5, 6 }, numbers(v.numbers))
    assert.is_nil(v.numbers[3])
    v.numbers[1] = 4
    assert.same({ 4, 6 }, numbers(v.numbers))
    v.names[1] = "abcd"
    v.modes[1] = "walk"
    v.flags[1] = true
    v.rows[1] = { 1 }
    assert.same({ "abcd", "walk", true }, { v.names[1], v.modes[1], v.flags[1] })
    assert.same({ { 1, 0 } }, ipmmap.totable(v.rows))
  end)

  it("loses its last element by nil", function()
    v.numbers = { 1, 2 }
    v.numbers[3] = nil
    assert.equal(2, #v.numbers)
    v.numbers[#v.numbers] = nil
    assert.same({ 1 }, numbers(v.numbers))
    refused("MeaningList.items: only the last element can be removed, 2, not 1", function()
      v.items = { {}, {} }
      v.items[1] = nil
    end)
    assert.equal(2, #v.items)
  end)

  it("takes a table for an element that is a struct, which has defaults otherwise", function()
    v.items = { { id = 1, name = "old", tags = { 1, 2 }, left = 5 } }
    v.items = {}
    v.items[1] = { name = "a" }
    assert.same({ id = 7, name = "a", tags = {} }, ipmmap.totable(v.items[1]))
    v.items[2] = v.items[1]
    v.items[1] = { id = 2 }
    assert.same({ { id = 2, name = "a", tags = {} }, { id = 7, name = "a", tags = {} } }, ipmmap.totable(v.items))
  end)

  it("is set by a table, whose length it has then", function()
    v.numbers = { 1, 2, 3 }
    v.numbers = { 4 }
    assert.same({ 4 }, numbers(v.numbers))
    v.numbers = {}
    assert.equal(0, #v.numbers)
    v.items = { { id = 1, tags = { 5 } }, {} }
    v.items = { {}, {}, { tags = { 1, 2, 3 } } }
    assert.same({ { id = 7, name = "", tags = {} }, { id = 7, name = "", tags = {} },
      { id = 7, name = "", tags = { 1, 2, 3 } } }, ipmmap.totable(v.items))
  end)

  it("is set by a view or value of the same type", function()
    v.items = S:new({ items = { { id = 3 }, { id = 4 } } }).items
    assert.equal(4, v.items[2].id)
    v.items[1].tags = { 1, 2 }
    v.items[2].tags = v.items[1].tags
    assert.same({ 1, 2 }, numbers(v.items[2].tags))
    refused("MeaningList.numbers: a int16[<=3] is not a int32[<=3] of the same layout",
      function() v.numbers = v.items[1].tags end)
  end)

  it("refuses more elements than it holds", function()
    v.numbers = { 1, 2, 3 }
    refused("MeaningList.numbers: the list is full: int32[<=3]", function() v.numbers[4] = 5 end)
    refused("MeaningList.numbers: a list of 4 values is too long: int32[<=3] holds 3",
      function() v.numbers = { 1, 2, 3, 4 } end)
    v.items = { {}, {}, {}, {} }
    refused("MeaningList.items: the list is full", function() v.items[5] = {} end)
    assert.same({ 1, 2, 3 }, numbers(v.numbers))
  end)

  it("refuses more bytes than it holds, and names the index that was given", function()
    v.numbers = { 1, 2, 3 }
    refused("MeaningList.numbers: 2 elements given from index 3 on, int32[<=3] has 3", ipmmap.setbytes, v.numbers,
      ("\0"):rep(8), 3)
  end)

  it("refuses an index beyond its end", function()
    v.numbers = { 1 }
    refused("MeaningList.numbers: index 3 is out of range (1 to 1)", function() return v.numbers[3] end)
    refused("MeaningList.numbers: index 3 is out of range (1 to 1)", function() v.numbers[3] = 1 end)
    refused("MeaningList.items: index 2 is out of range: the list is empty", function() return v.items[2] end)
    for _, index in ipairs { 0, -1, 1.5, 2 ^ 40 } do
      assert.is_false(pcall(function() return v.numbers[index] end))
      assert.is_false(pcall(function() v.numbers[index] = 1 end))
    end
    refused("MeaningList.numbers: 'x' is not an index", function() return v.numbers.x end)
    assert.equal(1, #v.numbers)
  end)

  it("changes nothing if a value is refused", function()
    v.numbers, v.items = { 1, 2 }, { { id = 1 } }
    local before = ipmmap.bytes(v)
    refused("MeaningList.numbers[3]: 11 is above the limit of 10", function() v.numbers[3] = 11 end)
    refused("MeaningList.numbers[2]: 11 is above the limit of 10", function() v.numbers = { 5, 11 } end)
    refused("MeaningList.numbers: a table for a list has the keys 1 to n: 2 is there, but not 1",
      function() v.numbers = { [2] = 1 } end)
    refused("MeaningList.numbers: 'n' is not an index", function() v.numbers = { 1, n = 2 } end)
    refused("MeaningList.items[2].id: -1 is below the limit of 0", function() v.items[2] = { id = -1 } end)
    refused("MeaningList.items[2]: no field 'x'", function() v.items = { {}, { x = 1 } } end)
    refused("MeaningList.items[1].tags: a list of 4 values is too long",
      function() v.items = { { tags = { 1, 2, 3, 4 } } } end)
    refused("MeaningList.numbers: 5 is neither a table nor a int32[<=3]", function() v.numbers = 5 end)
    assert.equal(before, ipmmap.bytes(v))
  end)

  it("is visited by pairs and ipairs up to its end", function()
    v.items = { { id = 5 }, { id = 6 } }
    local seen = {}
    for i, item in ipmmap.pairs(v.items) do seen[i] = item.id end
    assert.same({ 5, 6 }, seen)
    seen = {}
    for i, item in ipmmap.ipairs(v.items) do seen[i] = item.id end
    assert.same({ 5, 6 }, seen)
    assert.equal(2, ipmmap.len(v.items))
  end)

  it("leaves the view of an element usable if it gets shorter", function()
    v.items = { { id = 1 }, { id = 2 } }
    local second = v.items[2]
    v.items[2] = nil
    assert.equal(2, second.id)
    v.items[2] = {}
    assert.equal(7, second.id)
  end)

  it("has its count and all its bytes in memory as C has them", function()
    v.numbers = { 5, 6 }
    local at = S:offsetof "numbers"
    assert.equal("\2\0\0\0\5\0\0\0\6\0\0\0\0\0\0\0", ipmmap.bytes(v):sub(at + 1, at + 16))
    ipmmap.setbytes(v.numbers, "\1\0\0\0" .. "\9\0\0\0" .. ("\0"):rep(8))
    assert.same({ 9 }, numbers(v.numbers))
    refused("MeaningList.numbers: 4 elements are more than its 3",
      function() ipmmap.setbytes(v.numbers, "\4" .. ("\0"):rep(15)) end)
  end)

  it("checks those elements that it has", function()
    ipmmap.setbytes(v.numbers, "\1\0\0\0" .. "\9\0\0\0" .. "\99\0\0\0" .. ("\0"):rep(4))
    assert.is_true(ipmmap.check(v))
    ipmmap.setbytes(v.numbers, "\2\0\0\0" .. "\9\0\0\0" .. "\99\0\0\0" .. ("\0"):rep(4))
    local is_valid, message = ipmmap.check(v)
    assert.same({ nil, "MeaningList.numbers[2]: 99 is above the limit of 10" }, { is_valid, message })
  end)

  it("may be in the elements of another list", function()
    v.items = { {}, { tags = { 1 } } }
    local tags = v.items[2].tags
    tags[#tags + 1] = 5
    assert.same({ 1, 5 }, numbers(v.items[2].tags))
    v.items[1] = v.items[2]
    v.items[2].tags[2] = nil
    assert.same({ 1, 5 }, numbers(v.items[1].tags))
    assert.same({ 1 }, numbers(tags))
  end)

  it("shows its path", function()
    assert.has_match("^MeaningList%.items %(MeaningListItem%[<=4%]%)", tostring(v.items))
    v.items[1] = {}
    assert.has_match("^MeaningList%.items%[1%] %(MeaningListItem%)", tostring(v.items[1]))
  end)
end)

describe_both("an optional field", function(make)
  local v
  before_each(function() v = make() end)

  it("is nil when it is absent", function()
    for _, name in ipairs { "left", "mode", "title", "wide", "item", "pair", "three", "on" } do
      assert.is_nil(v[name])
    end
  end)

  it("takes a value of its type, and nil to make it absent", function()
    local values = { left = 0, mode = "idle", title = "", wide = "é", on = false }
    for name, value in pairs(values) do
      v[name] = value
      assert.equal(value, v[name])
      v[name] = nil
      assert.is_nil(v[name])
    end
    v.three = { 1, 2 }
    assert.same({ 1, 2, 0 }, ipmmap.totable(v.three))
    v.three = nil
    assert.is_nil(v.three)
  end)

  it("may be a struct, which has its defaults where a table gives nothing", function()
    v.item = { name = "a", tags = { 4 } }
    assert.same({ id = 7, name = "a", tags = { 4 } }, ipmmap.totable(v.item))
    v.item.id = 3
    v.item.left = 0.5
    v.item = { name = "b" }
    assert.same({ id = 7, name = "b", tags = {} }, ipmmap.totable(v.item))
    v.pair = { 1, 2 }
    assert.same({ a = 1, b = 2 }, ipmmap.totable(v.pair))
    v.grid[1] = v.pair
    assert.equal(2, v.grid[1].b)
    v.grid[2] = { 5, 6 }
    v.pair = v.grid[2]
    assert.equal(5, v.pair.a)
    v.item, v.pair = nil, nil
    assert.is_nil(v.item)
    v.pair = v.pair
    assert.is_nil(v.pair)
  end)

  it("refuses other values, and stays as it was", function()
    v.left, v.title, v.item = 3, "a", { id = 1 }
    local before = ipmmap.bytes(v)
    refused("MeaningList.left: -1 is below the limit of 0", function() v.left = -1 end)
    refused("MeaningList.left: 'x' is not an integer (int32)", function() v.left = "x" end)
    refused("MeaningList.mode: 'run' is not a name of MeaningListMode (idle, walk)", function() v.mode = "run" end)
    refused("MeaningList.title: 'abcdefghi' has 9 bytes, char[8] holds 8", function() v.title = "abcdefghi" end)
    refused("MeaningList.item.id: -1 is below the limit of 0", function() v.item = { id = -1 } end)
    refused("MeaningList.item: no field 'x'", function() v.item = { x = 1 } end)
    refused("MeaningList.item: 5 is neither a table nor a MeaningListItem", function() v.item = 5 end)
    refused("MeaningList.three: index 4 is out of range (1 to 3)", function() v.three = { 1, 2, 3, 4 } end)
    assert.equal(before, ipmmap.bytes(v))
  end)

  it("is missing in totable when it is absent, and nil in pairs", function()
    v.left, v.item = 3, { left = 4 }
    local t = ipmmap.totable(v)
    assert.same({ 3, { id = 7, name = "", tags = {}, left = 4 } }, { t.left, t.item })
    assert.is_nil(t.title)
    v.left = nil
    local seen = {}
    for name, value in ipmmap.pairs(v) do seen[name] = value == nil and "absent" or "there" end
    assert.same({ "absent", "absent", "there", "there" }, { seen.left, seen.title, seen.item, seen.items })
  end)

  it("is zero in memory when it is absent", function()
    v.left = 3
    local at = S:offsetof "left"
    assert.equal("\1\0\0\0\3\0\0\0", ipmmap.bytes(v):sub(at + 1, at + 8))
    v.left = nil
    assert.equal(("\0"):rep(8), ipmmap.bytes(v):sub(at + 1, at + 8))
    local before = ipmmap.bytes(v)
    refused("MeaningList.left: the byte 2 is not a bool",
      function() ipmmap.setbytes(v, before:sub(1, at) .. "\2" .. before:sub(at + 2)) end)
  end)
end)

describe("a list that a feed tells of", function()
  after_each(segment.close)

  local function changes(feed)
    local found = {}
    for path, value in feed:changes() do
      found[#found + 1] = path
      found[path] = value
    end
    return found
  end

  it("is listed itself when its count changes, with the elements that changed", function()
    local _, manager = segment.make(S, {}, { feed = 1048576 })
    local feed = manager:feed()
    manager:write("numbers", { 1, 2 })
    assert(feed:next(1))
    local found = changes(feed)
    assert.same({ "numbers", "numbers[1]", "numbers[2]" }, { found[1], found[2], found[3], found[4] })
    assert.equal(2, #found.numbers)
    assert.equal(2, found["numbers[2]"])
    manager:write("numbers[2]", 3)
    assert(feed:next(1))
    assert.same({ "numbers[2]" }, { changes(feed)[1], changes(feed)[2] })
    manager:with(function(v) v.numbers[2] = nil end)
    assert(feed:next(1))
    found = changes(feed)
    assert.same({ "numbers" }, { found[1], found[2] })
    assert.equal(1, #found.numbers)
  end)

  it("is followed by optional fields", function()
    local _, manager = segment.make(S, {}, { feed = 1048576 })
    local feed = manager:feed()
    manager:set { left = 5, item = { name = "a" } }
    assert(feed:next(1))
    local found = changes(feed)
    assert.same({ "left", "item", "item.id", "item.name" }, { found[1], found[2], found[3], found[4] })
    assert.equal(5, found.left)
    assert.equal("a", found.item.name)
    manager:write("item", nil)
    manager:write("left", nil)
    assert(feed:next(1))
    assert(feed:next(1))
    found = changes(feed)
    assert.same({ "left" }, { found[1], found[2] })
    assert.is_nil(found.left)
  end)
end)

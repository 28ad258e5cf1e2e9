-- What changed in a commit: feed:changes().
local either = require "spec.helper.either"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.struct("ChangesPart", { { "kind", "uint8" }, { "at", "double[2]" }, { "name", "char[6]" } })
local S = ipmmap.base:extend("ChangesSpec", {
  { "on", "bool" }, { "off", "bool" }, { "short", "int16" }, { "count", "int32" },
  { "text", "char[20]" }, { "texts", "char[3][4]" }, { "part", "ChangesPart" },
  { "parts", "ChangesPart[3]" }, { "grid", "float[3][2]" }, { "big", "uint64" },
})

describe("the changes of a feed", function()
  local dir, manager, reader, feed
  before_each(function()
    dir, manager, reader = segment.make(S, { "reader" }, { feed = 0x100000 })
    feed = reader:feed()
  end)
  after_each(segment.close)

  -- The changes of a feed's present commit: "path = value" of each.
  local function changes(of)
    local list = {}
    for path, value in (of or feed):changes() do
      list[#list + 1] = ("%s = %s"):format(path, tostring(value):gsub("%.0$", ""))
    end
    return list
  end

  -- Those of one transaction.
  local function changed(fields)
    manager:set(fields)
    assert(feed:next(0))
    return changes()
  end

  it("are the fields that a commit changed and their values, in memory order", function()
    assert.same({ "on = true", "count = 7" }, changed { count = 7, on = true })
    assert.same({ "big = 5" }, changed { big = 5 })
    assert.same({ "text = a longer text", "texts[2] = two" },
      changed { texts = { "", "two" }, text = "a longer text" })
    assert.same({
      "part.kind = 1", "part.at[2] = 2.5", "part.name = six", "parts[3].at[1] = -1", "grid[1][2] = 0.5",
      "grid[2][1] = 0.25",
    }, changed {
      part = { kind = 1, at = { 0, 2.5 }, name = "six" }, parts = { {}, {}, { at = { -1 } } },
      grid = { { 0, 0.5 }, { 0.25 } },
    })
  end)

  it("have no field that was set to what it was, nor one beside a changed one", function()
    changed { on = true, short = 1, count = 1, text = "text", part = { at = { 1, 2 } } }
    assert.same({ "off = true" }, changed { on = true, off = true, short = 1, count = 1 })
    assert.same({ "short = 2" }, changed { short = 2, text = "text" })
    assert.same({ "count = 0" }, changed { count = 0 })
    assert.same({ "part.at[1] = 3" }, changed { part = { at = { 3, 2 } } })
    assert.same({}, changed { count = 0 })
  end)

  it("have a text that became shorter, and each that changed in one byte", function()
    changed { text = "twenty bytes in here", texts = { "aaaa", "bbbb", "cccc" } }
    assert.same({ "text = " }, changed { text = "" })
    assert.same({ "texts[1] = aaab", "texts[3] = cccd" }, changed { texts = { "aaab", "bbbb", "cccd" } })
  end)

  it("have the whole struct if all of it changed", function()
    local all = {}
    for i = 1, 3 do all[i] = { kind = i, at = { i, i }, name = "n" .. i } end
    local list = changed {
      on = true, off = true, short = 1, count = 1, text = "t", texts = { "1", "2", "3" }, part = all[1], parts = all,
      grid = { { 1, 2 }, { 3, 4 }, { 5, 6 } }, big = 1,
    }
    assert.same({
      "on = true", "off = true", "short = 1", "count = 1", "text = t", "texts[1] = 1", "texts[2] = 2",
      "texts[3] = 3",
    }, { either.unpack(list, 1, 8) })
    assert.equal(8 + 4 * 4 + 6 + 1, #list)
    assert.equal("big = 1", list[#list])
  end)

  it("have the header's time stamp after touch, and what clear zeroed", function()
    changed { count = 1 }
    manager:touch()
    feed:next(0)
    assert.same({ ("header.time_stamp = %s"):format(tostring(reader:last_update())) }, changes())
    manager:clear()
    feed:next(0)
    assert.same({ "header.time_stamp = 0", "count = 0" }, changes())
  end)

  it("are none before the first commit, and stay those of the commit when none comes", function()
    assert.same({}, changes())
    changed { count = 1 }
    feed:next(0)
    assert.same({ "count = 1" }, changes())
    assert.same({ "count = 1" }, changes())
  end)

  it("after missed commits are the fields in which the value differs from before", function()
    local _, without, follower = segment.make(S, { "reader" })
    local other = follower:feed()
    without:write("count", 1)
    without:write("short", 5)
    without:write("count", 0)
    without:write("parts[2].kind", 9)
    assert.equal(3, select(3, other:next(0)))
    assert.same({ "short = 5", "parts[2].kind = 9" }, changes(other))
  end)

  it("leave out what lies between fields", function()
    local path = reader:info().path
    local padding = S:offsetof "part" + 1 -- after the uint8, before the doubles
    manager:with(function(view)
      view.part.kind = 1
      local file = assert(io.open(path, "r+b"))
      file:seek("set", padding)
      file:write "\1\2\3\4\5\6\7"
      file:close()
    end)
    feed:next(0)
    assert.same({ "part.kind = 1" }, changes())
  end)

  it("are of another process's commits too, each of its own", function()
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      local path, dir = ...
      local editor = assert(ipmmap.editor(ipmmap.describe(path), { mmap_dir = dir }))
      for i = 1, 3 do editor:write(("parts[%d].at[1]"):format(i), i) end
    ]], reader:info().path, dir)
    for i = 1, 3 do
      assert(feed:next(20))
      assert.same({ ("parts[%d].at[1] = %d"):format(i, i) }, changes())
    end
    child:join()
  end)

  it("can be left off, and asked for again, while the feed stays where it is", function()
    manager:set { on = true, count = 1, big = 1 }
    feed:next(0)
    for path in feed:changes() do
      if path == "count" then break end
    end
    local first, second = feed:changes(), feed:changes()
    assert.same({ "on", true }, { first() })
    assert.same({ "on", true }, { second() })
    assert.same({ "count", 1 }, { first() })
    manager:write("count", 2)
    feed:next(0)
    refused("ChangesSpec: the feed went on while its changes were listed", first)
    assert.same({ "count = 2" }, changes())
  end)

  it("are few of a large struct at the cost of the few", function()
    local Large = ipmmap.base:extend("ChangesLarge", { { "list", "double[100000]" }, { "last", "int8" } })
    local _, writer, follower = segment.make(Large, { "reader" }, { feed = 0x400000 })
    local other = follower:feed()
    writer:with(function(view)
      view.list[1], view.list[100000], view.last = 1, 2, 3
    end)
    other:next(0)
    assert.same({ "list[1] = 1", "list[100000] = 2", "last = 3" }, changes(other))
  end)
end)

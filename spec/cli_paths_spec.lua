local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local json = require "dkjson"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

describe("the command", function()
  local dir, file, prelude, open, manager

  before_each(function()
    dir = tmpdir()
    file = dir .. "/Demo_.mmap"
    prelude, open = demo(dir)
    manager = assert(open("manager", { create = true }))
    manager:set { count = 7, text = "hello", points = { { x = 0.1, y = 4 }, { x = 0.2 }, { x = 0.3 } } }
  end)

  after_each(function() manager:close() end)

  local function fails(pattern, ...)
    local version = manager:version()
    local status, out, err = cli.run { ... }
    assert.same({ 2, "" }, { status, out })
    assert.matches(pattern, err)
    assert.matches("^ipmmap: [^\n]+\n$", err)
    assert.equal(version, manager:version())
  end

  describe("get", function()
    it("prints a value a line, in the order of the paths", function()
      assert.equal("hello\n7\n0.2\n{\"x\":0.1,\"y\":4.0}\n7\n",
        cli.output { "get", file, "text", "count", "points[2].x", "points[1]", "count" })
    end)

    it("prints JSON by path if there are several paths, and the value itself if there is one", function()
      assert.equal('{\n  "count":7,\n  "points[1]":{\n    "x":0.1,\n    "y":4.0\n  }\n}\n',
        cli.output { "get", "--json", file, "count", "points[1]", "count" })
      assert.equal("7\n", cli.output { "get", "--json", file, "count" })
      assert.same({ ["points[2].x"] = 0.2 },
        json.decode(cli.output { "get", "--json", file, "points[2..2].x" }))
    end)

    it("reads all values of one commit", function()
      local writer = process.spawn(prelude .. [[
        local editor = assert(open("editor"))
        for i = 1, math.huge do
          editor:set { count = i, twin = i }
          if i == 100 then print("busy") end
        end
      ]])
      writer:expect("busy")
      for _ = 1, 5 do
        local count, twin = cli.output { "get", file, "count", "twin" }:match("^(%d+)\n(%d+)\n$")
        assert.equal(count, twin)
      end
      writer:kill()
    end)
  end)

  it("reads wildcards in the paths of get and show", function()
    assert.equal("0.1\n0.2\n0.3\n", cli.output { "get", file, "points[1..3].x" })
    assert.equal("0.1\n0.2\n0.3\n" .. ("0.0\n"):rep(21), cli.output { "get", file, "points[*].x" })
    assert.equal("count = 7\npoints[2] = { x = 0.2, y = 0.0 }\npoints[3] = { x = 0.3, y = 0.0 }\n",
      cli.output { "show", file, "count", "points[2..3]" })
    assert.same({ ["points[2].x"] = 0.2, ["points[3].x"] = 0.3 },
      json.decode(cli.output { "show", "--json", file, "points[2..3].x" }))
  end)

  it("names a wildcard that is misspelt or matches nothing", function()
    for path, pattern in pairs {
      ["point[*].x"] = "no field 'point' in 'point%[%*%]%.x'",
      ["points[*].z"] = "no field 'z' in 'points%[%*%]%.z'",
      ["count[*]"] = "'count' is int64 and has no elements, in 'count%[%*%]'",
      ["points[20..25].x"] = "index 25 is outside 1%.%.24 in 'points%[20%.%.25%]%.x'",
      ["points[0..2].x"] = "index 0 is outside 1%.%.24 in 'points%[0%.%.2%]%.x'",
      ["points[3..2].x"] = "'%[3%.%.2%]' matches no element, in 'points%[3%.%.2%]%.x'",
      ["points[**].x"] = "'%[%*%*%]' is neither '%[%*%]' nor like '%[2%.%.4%]', in 'points%[%*%*%]%.x'",
      ["points[2..].x"] = "'%[2%.%.%]' is neither",
      ["points[1..99999999999999999999].x"] = "is neither",
      ["points[*"] = "']' is missing after 'points%[%*'",
      ["points.*"] = "has no fields, in 'points%.%*'",
      ["*"] = "no field '%*'",
    } do
      for _, name in ipairs { "get", "show", "watch" } do fails(pattern, name, file, path) end
    end
  end)

  describe("set", function()
    it("adds to numbers and subtracts from them, in one transaction with the other assignments", function()
      local version = manager:version()
      assert.equal("", cli.output { "set", file, "count+=3", "text=new", "points[1].x-=0.1", "twin=-1" })
      assert.equal(version + 1, manager:version())
      assert.equal("10\nnew\n0.0\n-1\n", cli.output { "get", file, "count", "text", "points[1].x", "twin" })
      cli.output { "set", "--json", file, "count-=-5" }
      assert.equal(15, manager:read("count"))
    end)

    it("sets each element that a wildcard matches, in one transaction", function()
      local version = manager:version()
      cli.output { "set", file, "points[*].x=2", "points[2..3].x+=1", "points[1].x=9" }
      assert.equal(version + 1, manager:version())
      assert.equal("9.0\n3.0\n3.0\n2.0\n", cli.output { "get", file, "points[1..4].x" })
      fails("index 25 is outside 1%.%.24 in 'points%[1%.%.25%]%.x'", "set", file, "points[1..25].x=0")
    end)

    it("loses no addition of several processes", function()
      local adders = {}
      for i = 1, 8 do adders[i] = cli.start { "set", file, "count+=1", "twin-=2" } end
      for _, adder in ipairs(adders) do assert.equal(0, (cli.finish(adder))) end
      assert.same({ 15, -16 }, { manager:read("count"), manager:read("twin") })
    end)

    it("refuses what is no number, or does not fit, and changes nothing", function()
      fails("Demo.text is char%[256%]: '%+=' is for numbers only", "set", file, "count=1", "text+=1")
      fails("Demo.points%[1%] is Point2D: '%-=' is for numbers only", "set", file, "points[1]-={}")
      fails("Demo.count is int64: 'x' is not an integer from %-9223372036854775807 to 9223372036854775807",
        "set", file, "count+=x")
      fails("Demo.count is int64: '0.5' is not an integer", "set", file, "count+=0.5")
      fails("Demo.count is int64: '%-9223372036854775808' is not", "set", file,
        "count-=-9223372036854775808")
      fails("Demo.count: .* is out of range", "set", file, "twin=1", "count+=9223372036854775807")
      fails("'count' is given twice", "set", file, "count=1", "count+=1")
      fails("no field 'nope' in 'nope'", "set", file, "nope+=1")
      assert.same({ 7, 0 }, { manager:read("count"), manager:read("twin") })
    end)
  end)
end)

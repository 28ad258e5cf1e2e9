-- A test for each known defect of Python's ipmmap. The test's name says what is right here.
local demo = require "spec.helper.demo"
local exists = require "spec.helper.exists"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

describe("unlike Python's ipmmap,", function()
  local dir, prelude, open

  before_each(function()
    dir = tmpdir()
    prelude, open = demo(dir)
  end)

  it("the tags v1.2 and v1.3 belong to two files", function()
    local two <close> = assert(open("manager", { create = true, tag = "v1.2" }))
    local three <close> = assert(open("manager", { create = true, tag = "v1.3" }))
    two:write("count", 2)
    three:write("count", 3)
    assert.equal(2, two:read("count"))
    assert.is_true(exists(dir .. "/Demo_v1.2.mmap"))
    assert.is_true(exists(dir .. "/Demo_v1.3.mmap"))
  end)

  it("a tag that leads out of the directory is refused", function()
    for _, tag in ipairs { "../x", "a/b", "..", "a..b", "/etc", "a b", "a\0b", "ü" } do
      assert.has_error(function() open("manager", { create = true, tag = tag }) end)
    end
    local entries = io.popen("ls -A " .. dir)
    assert.equal("", entries:read("a"))
    entries:close()
  end)

  it("mmap_dir = './' works, with any number of slashes", function()
    local child = process.start {
      process.LUA, "-e", [[
        local ipmmap = require "ipmmap"
        local D = ipmmap.base:extend("D", { { "a", "int32" } })
        for _, dir in ipairs { "./", ".", "./sub///", "sub" } do
          local m <close> = assert(ipmmap.manager(D, { mmap_dir = dir, create = true }))
          print(dir, m:read("a"))
          m:add("a", 1)
        end
      ]], cwd = dir,
    }
    for _, line in ipairs { "./\t0", ".\t1", "./sub///\t0", "sub\t1" } do
      child:expect(line)
    end
    child:join()
    assert.is_true(exists(dir .. "/D_.mmap"))
    assert.is_true(exists(dir .. "/sub/D_.mmap"))
  end)

  it("reading and writing outside a lock work", function()
    local editor <close> = assert(open("manager", { create = true }))
    editor:write("text", "outside")
    assert.equal("outside", editor:read("text"))
    local reader <close> = assert(open("reader"))
    assert.equal("outside", reader:read("text"))
  end)

  it("an integer out of range does not wrap", function()
    local ipmmap = require "ipmmap"
    local value = ipmmap.struct("Small", { { "a", "int32" }, { "b", "uint8" } }):new { a = 1 }
    assert.error_matches(function() value.a = 2147483648 end, "Small%.a: 2147483648 .*int32")
    assert.error_matches(function() value.b = -1 end, "Small%.b: %-1 .*uint8")
    assert.same({ 1, 0 }, { value.a, value.b })
  end)

  it("a string with a NUL or too many bytes is refused, and the old value stays", function()
    local editor <close> = assert(open("manager", { create = true }))
    editor:write("text", "old")
    assert.has_error(function() editor:write("text", "a\0b") end)
    assert.has_error(function() editor:write("text", ("x"):rep(257)) end)
    assert.equal("old", editor:read("text"))
    editor:write("text", ("x"):rep(256))
    assert.equal(("x"):rep(256), editor:read("text"))
  end)

  it("a view that is used after its block raises an error, and holds no lock", function()
    local editor <close> = assert(open("manager", { create = true }))
    local other <close> = assert(open("editor"))
    local escaped
    do
      local data <close> = editor:lock()
      escaped = data
    end
    assert.error_matches(function() return escaped.count end,
                         "view used after its lock was released")
    assert.error_matches(function() escaped.count = 1 end, "view used after its lock was released")
    local view <close> = assert(other:try_lock())
    assert.equal(0, view.count)
  end)

  it("an error between two writes rolls both back", function()
    local editor <close> = assert(open("manager", { create = true }))
    editor:set { count = 1, text = "before" }
    assert.has_error(function()
      editor:with(function(data)
        data.count = 2
        data.text = "half"
        error("in mid-write")
      end)
    end)
    assert.same({ 1, "before" }, { editor:read("count"), editor:read("text") })
  end)

  it("two editors in one process exclude each other", function()
    local first <close> = assert(open("manager", { create = true }))
    local second <close> = assert(open("editor"))
    local view <close> = first:lock()
    assert.equal("deadlock", select(3, second:try_lock()))
    view.count = 1
  end)

  it("a file with a wrong magic is refused and not changed", function()
    local path = dir .. "/Demo_.mmap"
    local junk = ("\x11\x28junk"):rep(4000)
    local file = assert(io.open(path, "wb"))
    file:write(junk)
    file:close()
    for _, role in ipairs { "reader", "editor", "manager" } do
      local handle, message, code = open(role)
      assert.is_nil(handle)
      assert.equal("corrupt", code)
      assert.matches(path, message, 1, true)
    end
    assert.equal("corrupt", select(3, open("manager", { create = true })))
    file = assert(io.open(path, "rb"))
    assert.equal(junk, file:read("a"))
    file:close()
    local fresh <close> = assert(open("manager", { create = true, force = true }))
    assert.equal(0, fresh:read("count"))
  end)

  it("a struct that extends an extended struct is found", function()
    local ipmmap = require "ipmmap"
    local child = ipmmap.base:extend("Child", { { "a", "int32" } })
    local grandchild = child:extend("Grandchild", { { "b", "int32" } })
    assert.equal(grandchild, ipmmap.lookup("Grandchild"))
    local manager <close> = assert(ipmmap.manager("Grandchild", { mmap_dir = dir, create = true }))
    manager:set { a = 1, b = 2 }
    assert.same({ 1, 2 }, { manager:read("a"), manager:read("b") })
  end)

  it("force does not crash a process that reads the segment", function()
    assert(open("manager", { create = true })):close()
    local reader = process.spawn(prelude .. [[
      local reader = assert(open("reader"))
      local copy = reader:snapshot()
      print("open")
      for line in io.lines() do
        local ok, err = pcall(reader.snapshot, reader, copy)
        print(line, ok, not ok and err.code or copy.count)
      end
    ]])
    reader:expect("open")
    for i = 1, 5 do
      local manager <close> = assert(open("manager", { create = true, force = true }))
      manager:write("count", i)
      reader:send("look")
      reader:expect("look\ttrue\t" .. i)
    end
    local maker = process.spawn([[
      local ipmmap = require "ipmmap"
      local Demo = ipmmap.base:extend("Demo", { { "tiny", "int8" } })
      assert(ipmmap.manager(Demo, { mmap_dir = ..., create = true, force = true }))
    ]], dir)
    maker:join()
    reader:send("look")
    reader:expect("look\tfalse\treplaced")
    assert.equal("layout", select(3, open("reader")))
  end)
end)

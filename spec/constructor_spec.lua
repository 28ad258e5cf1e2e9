-- The functions manager, editor and reader, and their options.
local exists = require "spec.helper.exists"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local run = require("spec.helper.shell").run
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE = [[
  local ipmmap = require "ipmmap"
  local S = ipmmap.base:extend("ConstructorSpec", { { "number", "int32" } })
]]
local S = load(DEFINE .. " return S")()
ipmmap.struct("ConstructorSpecPlain", { { "number", "int32" } })

describe("a constructor", function()
  local dir
  before_each(function() dir = tmpdir() end)
  after_each(segment.close)

  it("takes a Struct or its name", function()
    local manager = segment.open("manager", S, { create = true, mmap_dir = dir })
    local editor = segment.open("editor", "ConstructorSpec", { mmap_dir = dir })
    local reader = segment.open("reader", S, { mmap_dir = dir })
    manager:write("number", 4)
    editor:add("number", 1)
    assert.equal(5, reader:read "number")
  end)

  it("uses and checks the options that a table inherits", function()
    local shared = { mmap_dir = dir, tag = "inherited" }
    local own = setmetatable({ create = true }, { __index = shared })
    local manager = segment.open("manager", S, own)
    assert.equal(dir .. "/ConstructorSpec_inherited.mmap", manager:info().path)
    local editor = segment.open("editor", S, setmetatable({}, { __index = shared }))
    assert.equal(manager:info().path, editor:info().path)
    refused("option 'create' is for a manager", ipmmap.editor, S, setmetatable({}, { __index = own }))
    refused("option 'tag': 5 is not a string", ipmmap.editor, S, setmetatable({}, { __index = { tag = 5 } }))
  end)

  it("returns nil, message and code if there is no segment", function()
    for _, open in ipairs { ipmmap.manager, ipmmap.editor, ipmmap.reader } do
      local handle, message, code = open(S, { mmap_dir = dir })
      assert.is_nil(handle)
      assert.equal("not_found", code)
      assert.truthy(message:find(dir .. "/ConstructorSpec_.mmap", 1, true), message)
      fails("not_found", open(S, { mmap_dir = dir .. "/nowhere" }))
    end
    assert.is_false(exists(dir .. "/nowhere"))
  end)

  it("returns the code layout, names the first difference, and does not change the file", function()
    ipmmap.manager(S, { create = true, mmap_dir = dir }):close()
    local path = dir .. "/ConstructorSpec_.mmap"
    run(("cp '%s' '%s/before'"):format(path, dir))
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      ipmmap.base:extend("ConstructorSpec", { { "number", "int64" } })
      for _, role in ipairs { "manager", "editor", "reader" } do
        print(ipmmap[role]("ConstructorSpec", { mmap_dir = ..., create = role == "manager" or nil }))
      end
      io.read()
      print(ipmmap.manager("ConstructorSpec", { mmap_dir = ..., create = true, force = true }):version())
    ]], dir)
    for _ = 1, 3 do
      child:expect("nil\tnumber: int32 at 16 in the file, int64 at 16 in the definition (" .. path .. ")\tlayout")
    end
    run(("cmp '%s' '%s/before'"):format(path, dir))
    child:send "go on"
    child:expect "0"
    assert.truthy(exists(path))
  end)

  it("returns the code corrupt for a file that is not a segment", function()
    local file = assert(io.open(dir .. "/ConstructorSpec_.mmap", "w"))
    file:write(("not a segment "):rep(1000))
    file:close()
    local handle, message, code = ipmmap.editor(S, { mmap_dir = dir })
    assert.is_nil(handle)
    assert.equal("corrupt", code)
    assert.truthy(message:find(dir, 1, true), message)
  end)

  it("raises for a struct that is not registered or has no common header", function()
    refused("no struct 'ConstructorSpecUnknown' is registered", ipmmap.editor, "ConstructorSpecUnknown")
    refused("ConstructorSpecPlain has no common header", ipmmap.editor, "ConstructorSpecPlain")
    refused("ConstructorSpecPlain has no common header", ipmmap.reader, ipmmap.lookup "ConstructorSpecPlain")
    refused("a Struct or a registered name is expected, not 5", ipmmap.manager, 5)
    refused("a Struct or a registered name is expected, not nil", ipmmap.manager)
  end)

  it("raises for a bad option, at the caller's line", function()
    refused("ConstructorSpec: there is no option 'tga'", ipmmap.editor, S, { tga = "x" })
    refused("there is no option 1", ipmmap.editor, S, { "x" })
    refused("options are a table, not 'x'", ipmmap.editor, S, "x")
    refused("options are a table, not false", ipmmap.editor, S, false)
    refused("ConstructorSpec: option 'create' is for a manager, not for this editor: a table that both share has no "
      .. "create, force, migrate, mode, max_readers, feed, init and shares; give the manager a copy with them",
      ipmmap.editor, S, { create = true })
    for _, role in ipairs { "editor", "reader" } do
      for option, value in pairs {
        create = true, force = true, mode = "600", max_readers = 1, feed = 0, init = {}, shares = true,
      } do
        refused(("option '%s' is for a manager, not for this %s"):format(option, role),
          ipmmap[role], S, { [option] = value })
      end
    end
    refused("option 'force' starts afresh what 'create' makes: give both",
      ipmmap.manager, S, { force = true })
    refused("option 'create': 1 is not a boolean", ipmmap.manager, S, { create = 1 })
    refused("option 'shares': 1 is not a boolean", ipmmap.manager, S, { shares = 1 })
    refused("option 'mmap_dir': 5 is not a string", ipmmap.editor, S, { mmap_dir = 5 })
    refused("option 'mmap_dir': '' is not a directory's name", ipmmap.editor, S, { mmap_dir = "" })
    for _, option in ipairs { "mmap_dir", "lock_dir" } do
      refused(("option '%s':"):format(option), ipmmap.editor, S, { [option] = "a\0b" })
    end
    refused("option 'force': 1 is not a boolean", ipmmap.manager, S, { create = true, force = 1 })
    for _, mode in ipairs { 600, true, "", "888", "1777", "000", "rw", "99999", "-600", "600 ", " 600" } do
      refused('is not octal text for permission bits, such as "600"',
        ipmmap.manager, S, { create = true, mode = mode })
    end
    for _, count in ipairs { 0, -1, 129, 1.5, "4", true } do
      refused("is not a number of readers (1 to 128)",
        ipmmap.manager, S, { create = true, max_readers = count })
    end
    for _, feed in ipairs { -1, 1.5, "64k", true } do
      refused("is not a number of bytes", ipmmap.manager, S, { create = true, feed = feed })
    end
    local ok, message = pcall(function() return (ipmmap.editor(S, { tga = "x" })) end)
    assert.is_false(ok)
    assert.truthy(message:find("constructor_spec.lua:", 1, true), message)
  end)

  it("names a directory of lock files that is not there", function()
    assert(ipmmap.manager(S, { create = true, mmap_dir = dir, tag = "typo" })):close()
    for _, role in ipairs { "manager", "editor", "reader" } do
      local message = fails("not_found", ipmmap[role](S, { mmap_dir = dir, lock_dir = dir .. "/lokcs", tag = "typo" }))
      assert.equal(("there is no directory %s/lokcs for the lock file ConstructorSpec_typo.lock: "
        .. "No such file or directory"):format(dir), message)
    end
  end)

  it("refuses an invalid tag, and makes no file", function()
    for _, tag in ipairs { "a/b", "..", "../up", "/", "a..b", "a b", "a\0b", "é", ("a"):rep(129), 5, true, {} } do
      refused("option 'tag': ", ipmmap.editor, S, { tag = tag })
      refused("ConstructorSpec: option 'tag': ", ipmmap.manager, S, { create = true, mmap_dir = dir, tag = tag })
    end
    assert.has_error(function() ipmmap.manager(S, { create = true, mmap_dir = dir, mode = "888" }) end)
    assert.equal("", run("ls -A " .. dir))
  end)

  it("opens different segments for different tags", function()
    local a = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "v1.2" })
    local b = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "v1.3" })
    a:write("number", 2)
    b:write("number", 3)
    assert.equal(2, a:read "number")
    assert.truthy(exists(dir .. "/ConstructorSpec_v1.2.mmap"))
    assert.truthy(exists(dir .. "/ConstructorSpec_v1.3.lock"))
    local all = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "aZ09._-" })
    assert.equal(dir .. "/ConstructorSpec_aZ09._-.mmap", all:info().path)
  end)

  it("makes the directories that it needs, with or without slashes at the end", function()
    for _, ending in ipairs { "", "/", "///" } do
      local mmap_dir, lock_dir = dir .. "/a/b" .. ending, dir .. "/c" .. ending
      local m = segment.open("manager", S, {
        create = true, force = true, mmap_dir = mmap_dir, lock_dir = lock_dir,
      })
      assert.equal(dir .. "/a/b/ConstructorSpec_.mmap", m:info().path)
      assert.equal(dir .. "/c/ConstructorSpec_.lock", m:info().lock_path)
      assert.is_true(exists(dir .. "/c/ConstructorSpec_.lock"))
      assert.is_false(exists(dir .. "/a/b/ConstructorSpec_.lock"))
    end
    local one = segment.open("editor", S, { mmap_dir = dir .. "/a/b", lock_dir = dir .. "/c" })
    local other = segment.open("editor", S, { mmap_dir = dir .. "/a/b", lock_dir = dir .. "/c" })
    one:with(function() fails("deadlock", other:try_with(print)) end)
  end)

  it("uses ./.mmap by default, and other relative directories if asked to", function()
    local child = process.start { process.LUA, "-e", [[
      local ipmmap = require "ipmmap"
      local S = ipmmap.base:extend("ConstructorSpec", { { "number", "int32" } })
      print(assert(ipmmap.manager(S, { create = true })):info().path)
      print(assert(ipmmap.manager(S, { create = true, mmap_dir = "./" })):info().lock_path)
      for _, dir in ipairs { ".", "a", "b/c/d//" } do
        local m = assert(ipmmap.manager(S, { create = true, mmap_dir = dir, tag = "t" }))
        m:write("number", 3)
        print(m:info().path, assert(ipmmap.reader(S, { mmap_dir = dir, tag = "t" })):read "number")
      end
    ]], cwd = dir }
    child:expect(dir .. "/.mmap/ConstructorSpec_.mmap")
    child:expect(dir .. "/ConstructorSpec_.lock")
    for _, path in ipairs { dir, dir .. "/a", dir .. "/b/c/d" } do
      child:expect(path .. "/ConstructorSpec_t.mmap\t3")
    end
  end)

  it("gives the data file the requested mode, and the lock file a mode for the same writers", function()
    local m = segment.open("manager", S, {
      create = true, mmap_dir = dir .. "/m", mode = "640",
    })
    assert.equal("640\n600\n750\n", run(("stat -c %%a '%s' '%s' '%s/m'")
      :format(m:info().path, m:info().lock_path, dir)))
  end)

  it("makes files private without the option mode, and ignores the umask with it", function()
    process.start { "sh", "-c", 'umask 077; exec "$@"', "sh", process.LUA, "-e", DEFINE .. ([[
      assert(ipmmap.manager(S, { create = true, mmap_dir = %q }))
      assert(ipmmap.manager(S, { create = true, mmap_dir = %q, mode = "664" }))
    ]]):format(dir .. "/a", dir .. "/b") }:join()
    for name, bits in pairs { a = "600\n600\n700\n", b = "664\n660\n775\n" } do
      local at = dir .. "/" .. name
      assert.equal(bits, run(("stat -c %%a %s/ConstructorSpec_.mmap %s/ConstructorSpec_.lock %s"):format(at, at, at)))
    end
  end)

  it("limits the number of readers that hold the lock to max_readers", function()
    local m = segment.open("manager", S, { create = true, mmap_dir = dir, max_readers = 2 })
    assert.equal(2, m:info().max_readers)
    local function hold()
      return process.spawn(DEFINE .. [[
        local reader = assert(ipmmap.reader(S, { mmap_dir = ... }))
        local held, _, code = reader:try_with(function()
          print "held"
          io.read()
          return true
        end)
        if not held then print(code) end
      ]], dir)
    end
    local one, two = hold(), hold()
    one:expect "held"
    two:expect "held"
    hold():expect "timeout"
    two:send ""
    two:join()
    hold():expect "held"
    one:send ""
    one:join()
  end)

  it("keeps an existing segment of the same layout, unless force is given", function()
    local first = segment.open("manager", S, { create = true, mmap_dir = dir })
    first:write("number", 7)
    first:close()
    local m = segment.open("manager", S, { create = true, mmap_dir = dir })
    assert.equal(7, m:read "number")
    local forced = segment.open("manager", S, {
      create = true, force = true, mmap_dir = dir,
    })
    assert.equal(0, forced:read "number")
    assert.equal(0, m:read "number")
    forced:write("number", 8)
    assert.equal(8, m:read "number")
  end)
end)

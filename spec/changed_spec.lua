local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

ipmmap.struct("ChangedSpecPoint", { { "x", "double" }, { "y", "double" } })
local DEFINE = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("ChangedSpecPoint", { { "x", "double" }, { "y", "double" } })
  local S = ipmmap.base:extend("ChangedSpec", {
    { "a", "int32" }, { "flag", "bool" }, { "point", "ChangedSpecPoint" }, { "gap", "char[256]" },
    { "list", "int64[100]" }, { "text", "char[16]" }, { "real", "double" },
  })
]]
local S = (loadstring or load)(DEFINE .. " return S")() -- luacheck: std max

local function contains(list, path)
  for _, each in ipairs(list) do
    if each == path then return true end
  end
  return false
end

describe("changed", function()
  after_each(segment.close)

  it("lists the fields of the blocks that were changed", function()
    local _, editor, reader = segment.make(S, { "reader" })
    local version = reader:version()
    assert.same({}, reader:changed(version))
    editor:write("list[90]", 1)
    local paths = reader:changed(version)
    assert.is_true(contains(paths, "list[90]"))
    assert.is_false(contains(paths, "a"))
    assert.is_false(contains(paths, "list[1]"))
    assert.same({}, reader:changed(reader:version()))
    editor:write("a", 1)
    assert.is_true(contains(reader:changed(version), "a"))
    assert.is_true(contains(reader:changed(version), "list[90]"))
    assert.is_false(contains(reader:changed(version + 1), "list[90]"))
    assert.is_true(contains(editor:changed(version), "a"))
  end)

  it("tells who waits that the element of a list is gone", function()
    local List = ipmmap.base:extend("ChangedSpecList", { { "list", "int8[<=3]" }, { "next", "int8" } })
    local _, editor = segment.make(List, nil, { feed = 4096 })
    editor:write("list", { 1 })
    editor:write("list", {})
    assert.equal(editor:version(), editor:wait { "list[1]", version = editor:version() - 1, seconds = 0 })
  end)

  it("lists no padding as an element after the last one", function()
    local Padded = ipmmap.base:extend("ChangedSpecPadded", { { "odd", "int16[3]" }, { "last", "int32" } })
    local _, editor = segment.make(Padded)
    editor:write("last", 1)
    assert.same({ "header.time_stamp", "odd[1]", "odd[2]", "odd[3]", "last" }, editor:changed(0))
  end)

  it("lists exactly the fields that were changed if the ring has all commits", function()
    local _, editor, reader = segment.make(S, { "reader" }, { feed = 8192 })
    local version = reader:version()
    editor:write("a", 1)
    editor:set { point = { y = 2 }, text = "hello" }
    editor:write("list[90]", 1)
    assert.same({ "a", "point.y", "list[90]", "text" }, reader:changed(version))
    assert.same({ "list[90]" }, reader:changed(reader:version() - 1))
    assert.same({}, reader:changed(reader:version()))
    editor:touch()
    assert.same({ "header.time_stamp" }, reader:changed(reader:version() - 1))
  end)

  it("lists every field that was changed if the ring has lost commits", function()
    local _, editor, reader = segment.make(S, { "reader" }, { feed = 1 })
    local version = reader:version()
    editor:write("real", 1)
    for i = 1, 2000 do editor:write("a", i) end
    local paths = reader:changed(version)
    assert.is_true(contains(paths, "real"))
    assert.is_true(contains(paths, "a"))
  end)

  it("works in the handle's lock, with the blocks of the open transaction", function()
    local _, editor = segment.make(S, nil, { feed = 8192 })
    local version = editor:version()
    editor:with(function(data)
      data.list[90] = 1
      assert.is_true(contains(editor:changed(version), "list[90]"))
    end)
  end)

  it("refuses what is no version", function()
    local _, editor = segment.make(S)
    for _, wrong in ipairs { -1, 1.5, "1", {} } do
      refused("is not a version", editor.changed, editor, wrong)
    end
    refused("ChangedSpec: nil is not a version", editor.changed, editor)
    refused("ChangedSpec: there is no version 99 yet", editor.changed, editor, 99)
    editor:close()
    refused("ChangedSpec: this manager is closed", editor.changed, editor, 0)
  end)
end)

describe("wait for one of several fields", function()
  local dir, editor, reader
  before_each(function() dir, editor, reader = segment.make(S, { "reader" }) end)
  after_each(segment.close)

  it("returns the version when another process changes one of them", function()
    local child = process.spawn(DEFINE .. [[
      local editor = assert(ipmmap.editor(S, { mmap_dir = ... }))
      io.read()
      editor:write("flag", true)
      editor:write("a", 0)
      editor:write("list[7]", 5)
      io.read()
    ]], dir)
    child:send "go"
    local version = reader:wait { "a", "list", "point.x", seconds = 10 }
    assert.equal(5, reader:read "list[7]")
    assert.truthy(version <= reader:version())
    assert.equal(reader:version(), reader:wait(version - 1))
    child:close_input()
    child:join()
  end)

  it("refuses seconds beside the list, which would be of no use", function()
    refused("wait: seconds and version are keys of the list", reader.wait, reader, { "a", seconds = 0 }, 5)
  end)

  it("tells false from an optional field that is absent", function()
    local Optional = ipmmap.base:extend("ChangedSpecOptional", { { "flag", "bool?" } })
    local at, _, waiting = segment.make(Optional, { "reader" })
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      ipmmap.base:extend("ChangedSpecOptional", { { "flag", "bool?" } })
      local editor = assert(ipmmap.editor("ChangedSpecOptional", { mmap_dir = ... }))
      io.read()
      editor:write("flag", false)
      io.read()
    ]], at)
    child:send "go"
    assert.truthy(waiting:wait { "flag", seconds = 3 })
    child:close_input()
    child:join()
  end)

  it("ends with the code timeout if others change", function()
    fails("timeout", reader:wait { "a", seconds = 0 })
    local before = ipmmap.now()
    fails("timeout", reader:wait { "a", "text", seconds = 0.02 })
    assert.truthy(ipmmap.now() - before >= 0.019)
  end)

  it("returns at once if one may have changed after the version", function()
    local version = reader:version()
    editor:write("list[90]", 1)
    assert.equal(version + 1, reader:wait { "a", "list", version = version, seconds = 10 })
    assert.equal(version + 1, reader:wait { "list[90]", version = version })
    fails("timeout", reader:wait { "a", "list[1]", version = version, seconds = 0 })
    fails("timeout", reader:wait { "list", version = version + 1, seconds = 0.01 })
  end)

  it("takes NaN for a value that does not change", function()
    editor:write("real", 0 / 0)
    fails("timeout", reader:wait { "real", seconds = 0.01 })
  end)

  it("fails if the segment is destroyed", function()
    editor:destroy()
    fails("replaced", reader:wait { "a", seconds = 10 })
  end)

  it("refuses wrong arguments", function()
    refused("ChangedSpec: no field 'nope'", reader.wait, reader, { "nope", seconds = 0 })
    refused("wait: wait takes at least one path", reader.wait, reader, {})
    refused("wait: wait takes at least one path", reader.wait, reader, { version = 1 })
    refused("wait: 5 is not a path", reader.wait, reader, { 5 })
    refused("wait: wait takes a list of paths, version and seconds, not 'timeout'", reader.wait, reader,
      { "a", timeout = 1 })
    refused("wait: 'x' is not a version", reader.wait, reader, { "a", version = "x" })
    refused("there is no version 99 yet", reader.wait, reader, { "a", version = 99 })
    refused("wait: 'x' is not a number of seconds", reader.wait, reader, { "a", seconds = "x" })
    editor:with(function()
      refused("no commit can come while this handle holds its lock", editor.wait, editor, { "a", seconds = 1 })
    end)
    reader:close()
    refused("ChangedSpec: this reader is closed", reader.wait, reader, { "a" })
  end)

  it("names the caller's position once", function()
    local _, message = pcall(function() reader:wait { "nope" } end)
    assert.truthy(message:find "^[^\n]*changed_spec%.lua:%d+: ChangedSpec: no field", message)
    _, message = pcall(function() reader:wait {} end)
    assert.truthy(message:find "^[^\n]*changed_spec%.lua:%d+: wait: wait takes", message)
  end)
end)

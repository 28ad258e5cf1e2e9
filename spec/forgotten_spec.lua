-- Warnings about a forgotten <close>, and errors about the use of a handle as a view.
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE <const> = [[
  local ipmmap = require "ipmmap"
  local S = ipmmap.base:extend("Forgotten", { { "hp", "int32" }, { "lock", "int32" } })
]]
local S = load(DEFINE .. " return S")()

local function refused(parts, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("string", type(message))
  for _, part in ipairs(parts) do assert.truthy(message:find(part, 1, true), message) end
end

describe("a lock whose view is not marked <close>", function()
  local dir, manager
  before_each(function() dir, manager = segment.make(S) end)
  after_each(segment.close)

  -- Runs a chunk, which can use `editor` and `reader`, and returns its output.
  local function output_of(source)
    local child = process.spawn(DEFINE .. [[
      local editor = assert(ipmmap.editor(S, { mmap_dir = ... }))
      local reader = assert(ipmmap.reader(S, { mmap_dir = ... }))
      local function collect() for _ = 1, 3 do collectgarbage() end end
      warn "@on"
    ]] .. source, dir)
    local lines = {}
    for line in child.line, child do lines[#lines + 1] = line end
    assert.same({ "exit", 0 }, { child:wait() })
    return lines
  end

  local WARNING <const> = "Lua warning: Forgotten: a lock was forgotten, and the collector %sreleased it: write "
    .. "`local view <close> = handle:lock()`, or handle:with(function(view) ... end)"
  local of_writer, of_reader = WARNING:format("rolled back and "), WARNING:format("")

  it("causes a warning when the collector releases it, once for each handle", function()
    assert.same({ of_writer, "again", "reader", of_reader }, output_of [[
      editor:lock().hp = 5
      collect()
      print "again"
      editor:lock().hp = 6
      collect()
      print "reader"
      reader:lock()
      collect()
    ]])
    assert.equal(0, manager:read "hp")
  end)

  it("causes a warning when its handle is collected", function()
    assert.same({ of_writer, "end" }, output_of [[
      editor:lock().hp = 5
      editor = nil
      collect()
      print "end"
    ]])
  end)

  it("causes a warning when the Lua state ends", function()
    assert.same({ "end", of_writer }, output_of [[
      EDITOR = editor
      EDITOR:lock()
      EDITOR:write("hp", 5)
      print "end"
      os.exit(true, true)
    ]])
    assert.equal(0, manager:read "hp")
  end)

  it("causes no warning if it is released", function()
    assert.same({ "end" }, output_of [[
      do
        local view <close> = editor:lock()
        view.hp = 1
      end
      editor:with(function(view) view.hp = 2 end)
      pcall(editor.with, editor, error)
      editor:lock()
      editor:unlock()
      reader:lock()
      reader:close()
      collect()
      print "end"
      os.exit(true, true)
    ]])
  end)

  it("is kept if methods of the handle are used under it, also after a call of with", function()
    manager:with(function(view) view.hp = 1 end)
    manager:lock()
    manager:write("hp", 2)
    for _ = 1, 4 do collectgarbage() end
    manager:unlock()
    assert.equal(2, manager:read "hp")
  end)

  it("is named as the cause if a second lock is refused", function()
    local view = manager:lock()
    refused({
      "forgotten_spec.lua:", "Forgotten: this handle holds its lock already, and unlock() or rollback() releases it",
      "only where the view is a <close> variable",
    }, function() manager:lock() end)
    view.hp = 7
    view = nil -- luacheck: ignore
    collectgarbage()
    refused({ "its view was lost before it was marked <close>, or was never marked" }, manager.lock, manager)
    manager:unlock()
    assert.equal(7, manager:read "hp")
    local again <close> = manager:lock()
    refused({ "this handle holds its lock already, and unlock()" }, manager.lock, manager)
    assert.equal(7, again.hp)
  end)
end)

describe("a handle", function()
  local _, manager
  before_each(function() _, manager = segment.make(S) end)
  after_each(segment.close)

  it("has no fields, and its error says how to read and write them", function()
    refused({ "forgotten_spec.lua:", "Forgotten.hp: a handle has no fields: read it by handle:read('hp')", "lock()" },
      function() return manager.hp end)
    refused({ "forgotten_spec.lua:", "Forgotten.hp: a handle has no fields: write it by handle:write('hp', value)",
      "lock()" }, function() manager.hp = 5 end)
    refused({ "Forgotten.lock: a handle has no fields: write it by" }, function() manager.lock = 5 end)
    assert.equal(0, manager:read "hp")
  end)

  it("has methods, and no other members", function()
    refused({ "forgotten_spec.lua:", "Forgotten: 'hpp' is neither a method of a handle nor a field of its struct" },
      function() return manager.hpp end)
    refused({ "Forgotten: 1 is neither a method" }, function() return manager[1] end)
    refused({ "Forgotten: nil is neither a method" }, function() return manager[nil] end)
    refused({ "Forgotten: a handle cannot be changed ('hpp')" }, function() manager.hpp = 5 end)
    refused({ "Forgotten: a handle cannot be changed ('read')" }, function() manager.read = print end)
    assert.equal("function", type(manager.lock))
    assert.has_error(function() assert.same({ manager }, {}) end) -- showing a handle in a message is allowed
    assert.equal("ipmmap.manager", getmetatable(manager).__name)
  end)

  it("raises an error that says that it is closed, also if its Struct was collected", function()
    manager:close()
    refused({ "Forgotten.hp: a handle has no fields" }, function() return manager.hp end)
    refused({ "Forgotten.hp: a handle has no fields" }, function() manager.hp = 1 end)
    local T = assert(ipmmap.parse(tostring(S)))
    local gone = assert(ipmmap.manager(T, { create = true, mmap_dir = tmpdir() }))
    gone:close()
    getmetatable(T).__gc(T)
    refused({ "?: 'hp' is neither a method of a handle" }, function() return gone.hp end)
    refused({ "?: a handle cannot be changed ('hp')" }, function() gone.hp = 1 end)
  end)
end)

local core = require "ipmmap.core"
local generate = require "ipmmap_cli.generate_luals"
local ipmmap = require "ipmmap"
local markdown = require "spec.helper.markdown"
local tmpdir = require "spec.helper.tmpdir"

local FILE <const> = "lua/ipmmap/meta.lua"

-- The annotated functions by class and name, each with the number of its parameters.
local function annotated()
  local classes = { ipmmap = {}, Struct = {}, Feed = {}, Reader = {}, Editor = {}, Manager = {} }
  for class, name, parameters in markdown.read(FILE):gmatch("\nfunction (%a+)[.:]([%w_]+)(%b()) end") do
    local count = 0
    for _ in parameters:gmatch("[%w_.]+") do count = count + 1 end
    classes[class][name] = count
  end
  return classes
end

-- The fields of an annotated class. A field that may be nil has a question mark at the end.
local function fields_of(class)
  local fields = {}
  local text = markdown.read(FILE):match("\n%-%-%-@class " .. class .. "\n(.-)\n\n")
  for name in text:gmatch("%-%-%-@field ([%w_?]+)") do fields[#fields + 1] = name end
  table.sort(fields)
  return fields
end

local function sorted_keys(value)
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- The same as a set, without the question marks.
local function without_marks(class)
  local set = {}
  for _, name in ipairs(fields_of(class)) do set[name:gsub("%?", "")] = true end
  return set
end

local function keys(...)
  local set = {}
  for _, from in ipairs { ... } do
    for key in pairs(from) do set[key] = true end
  end
  return set
end

describe("the annotations of the library", function()
  local classes = annotated()

  it("are up to date with the sources", function()
    local pipe <close> = assert(io.popen("${LUA:-lua5.4} tools/lua_meta.lua"))
    assert.is_true(pipe:read("a") == markdown.read(FILE), "the comments have changed: run make annotations")
  end)

  it("cover exactly the functions of the module", function()
    local registered = {}
    for name, value in pairs(ipmmap) do
      if type(value) == "function" then registered[name] = true end
    end
    assert.same(registered, keys(classes.ipmmap))
  end)

  it("cover exactly the methods of handles", function()
    assert.same(keys(core.methods), keys(classes.Reader, classes.Editor, classes.Manager))
  end)

  it("cover exactly the methods of feeds", function()
    assert.same(keys(core.feed), keys(classes.Feed))
  end)

  it("cover exactly the methods of Structs", function()
    assert.same({
      new = true, offsetof = true, extend = true, type = true, convert = true,
    }, keys(classes.Struct))
  end)

  it("have as many parameters as the functions in Lua", function()
    local function check(owner, names, self)
      for name, count in pairs(names) do
        local info = debug.getinfo(owner[name], "Su")
        if info.what == "Lua" then
          assert.equal(info.nparams, count + self, name)
        end
      end
    end
    check(ipmmap, classes.ipmmap, 0)
    check(ipmmap.base, classes.Struct, 1)
  end)

  it("give each role exactly the methods that it may use", function()
    local S = ipmmap.base:extend("Annotated", { { "n", "int32" } })
    local arguments = {
      read = { "n" }, write = { "n", 1 }, set = { { n = 1 } }, add = { "n", 1 }, max = { "n", 1 },
      min = { "n", 1 }, bor = { "n", 1 }, band = { "n", 1 }, swap = { "n", 0, 1 },
      update = { "n", function(n) return n end }, wait = { 0, 0 }, changed = { 0 },
      with = { function() end }, try_with = { function() end }, set_share = { { place = "unshared" } },
      apply = { "", 9 }, edit = { "", "" },
    }
    local function is_refused(role, name)
      local options = { mmap_dir = tmpdir() }
      local _ <close> = assert(ipmmap.manager(S, { create = true, mmap_dir = options.mmap_dir }))
      options.shares = role == "manager" or nil
      local handle <close> = assert(ipmmap[role](S, options))
      if name == "unlock" or name == "rollback" or name == "set_share" then handle:lock() end
      return not pcall(handle[name], handle, table.unpack(arguments[name] or {}))
    end
    local refused = {}
    for _, role in ipairs { "reader", "editor", "manager" } do
      refused[role] = {}
      for name in pairs(core.methods) do
        refused[role][name] = is_refused(role, name) or nil
      end
    end
    assert.same(keys(classes.Editor, classes.Manager), refused.reader)
    assert.same(keys(classes.Manager), refused.editor)
    assert.same({}, refused.manager)
  end)

  it("have all fields of the tables that methods return", function()
    local S = ipmmap.base:extend("Annotated", { { "n", "int32" } })
    local dir = tmpdir()
    local old <close> = assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
    old:write("n", 1)
    local wider = ipmmap.parse((tostring(S):gsub("int32", "int64")))
    local manager <close> = assert(ipmmap.manager(wider, {
      create = true, migrate = true, mmap_dir = dir,
    }))
    assert.same(keys(manager:info()), without_marks "ipmmap%.Info")
    assert.same(sorted_keys(manager:info().migrated), fields_of "ipmmap%.Migration")
    do
      local _ <close> = manager:lock()
      assert.same(sorted_keys(manager:users()[1]), fields_of "ipmmap%.User")
    end
    local sharer <close> = assert(ipmmap.manager(wider, { mmap_dir = dir, shares = true }))
    sharer:with(function() sharer:set_share { place = "home", deadline = 1 } end)
    assert.same(keys(sharer:share()), without_marks "ipmmap%.Share")
    ipmmap.enum("AnnotatedMode", "uint8", { "idle" })
    local part = ipmmap.struct("AnnotatedPart", { { "n", "int8", min = 0, max = 1 } }, { pack = 1 }):type()
    local child = S:extend("AnnotatedMore", {
      { "mode", "AnnotatedMode" }, { "list", "int8[<=2]" }, { "n2", "int8", default = 1, unit = "m", doc = "n" },
    }):type()
    local last = child.fields[#child.fields]
    assert.same(without_marks "ipmmap%.Type", keys(child, part, part.fields[1].type,
      child.fields[#child.fields - 1].type, child.fields[#child.fields - 2].type))
    assert.same(without_marks "ipmmap%.TypeField", keys(last))
  end)

  it("have the classes of schema --luals for the base, and no other class that a struct could have", function()
    local text = markdown.read(FILE)
    local of_base = generate(ipmmap.base):gsub("^%-%-%-@meta\n", "")
    assert.is_truthy(text:find(of_base, 1, true), of_base)
    local of_structs = {}
    for name in of_base:gmatch("@class (%w+)") do of_structs[name] = true end
    for _, pattern in ipairs { "@class ([%w_.]+)", "@alias ([%w_.]+)" } do
      for name in text:gmatch(pattern) do
        assert.is_truthy(of_structs[name] or name:find("^ipmmap%."), name)
      end
    end
  end)

  it("are valid Lua, which a language server reads", function()
    assert.is_table(dofile(FILE))
  end)
end)

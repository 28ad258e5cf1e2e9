local core = require "ipmmap.core"
local lua_comments = require "tools.lua_comments"
local ipmmap = require "ipmmap"
local markdown = require "spec.helper.markdown"
local types = require "ipmmap.types"

local entries = lua_comments.read()

-- The functions that LDoc comments document: "lock" for Handle:lock, "extend" for Struct:extend.
local function documented()
  local functions = { module = {}, Handle = {}, Struct = {} }
  for name, entry in pairs(entries) do
    if entry.kind == "function" then
      local class, method = name:match "^(%w+):([%w_]+)$"
      functions[class or "module"][method or name] = true
    end
  end
  return functions
end

-- The functions in the two tables that the __index of Structs searches: properties and methods.
local function of_structs()
  local found = {}
  local index, i = core.struct.metatable.__index, 1
  while debug.getupvalue(index, i) do
    local called, upvalue = debug.getupvalue(index, i)
    local is_list = type(upvalue) == "table" and called ~= "_ENV"
    for name, value in pairs(is_list and upvalue or {}) do
      if type(value) == "function" then found[name] = true end
    end
    i = i + 1
  end
  return found
end

-- The names of the options that a constructor reads from its table.
local function options_of(constructor)
  local asked = {}
  local options = setmetatable({}, { __index = function(_, name) asked[name] = true end })
  constructor(ipmmap.base, options)
  return asked
end

local function set(iterator)
  local names = {}
  for name in iterator do names[name] = true end
  return names
end

describe("the reference", function()
  local functions = documented()

  it("has exactly the functions of the module", function()
    local registered = {}
    for name, value in pairs(ipmmap) do
      if type(value) == "function" then registered[name] = true end
    end
    assert.same(registered, functions.module)
  end)

  it("has exactly the methods of handles", function()
    local registered = {}
    for name in pairs(core.methods) do registered[name] = true end
    assert.same(registered, functions.Handle)
  end)

  it("has exactly the methods and properties of Structs", function()
    local registered = of_structs()
    for name in entries.Struct.text:gmatch "`(%l+)`" do
      assert.is_true(registered[name], name)
      registered[name] = nil
    end
    assert.same(registered, functions.Struct)
  end)

  it("has exactly the arguments of the functions that are written in Lua", function()
    local function check(name, fn, self)
      local info, count = debug.getinfo(fn, "u"), self
      for _, param in ipairs(entries[name].params) do
        if not param.name:find(".", 1, true) then count = count + 1 end
      end
      assert.equal(info.nparams, count, name)
    end
    for name in pairs(functions.module) do
      if debug.getinfo(ipmmap[name], "S").what == "Lua" then check(name, ipmmap[name], 0) end
    end
    check("Struct:extend", ipmmap.base.extend, 1)
  end)

  it("has exactly the options of the constructors", function()
    local options = {}
    for _, param in ipairs(entries.manager.params) do
      options[param.name:match "^options%.(.*)" or 0] = true
    end
    options[0] = nil
    assert.same(options_of(ipmmap.manager), options)
  end)

  it("names exactly the options of each role", function()
    for _, role in ipairs { "editor", "reader" } do
      local named = set(entries[role].params[2].text:gmatch "`([%w_]+)`")
      named.manager = nil
      for name in pairs(options_of(ipmmap.manager)) do
        local _, message = pcall(ipmmap[role], ipmmap.base, { [name] = false })
        assert.equal(not named[name], tostring(message):find("is for a manager", 1, true) ~= nil, name)
      end
      for name in pairs(named) do assert.is_true(options_of(ipmmap.manager)[name], name) end
    end
  end)

  it("has exactly the error codes that a Lua program can get", function()
    local codes = set(markdown.read("src/core/error.c"):gmatch '%[IPM_%u+%] = "([%l_]+)"')
    codes.ok, codes.invalid, codes.interrupted = nil, nil, nil -- success; bugs; calls of C hosts
    assert.same(codes, set(lua_comments.list(entries.ipmmap, "The codes:")))
  end)

  it("names only codes that are in its list", function()
    local codes = set(lua_comments.list(entries.ipmmap, "The codes:"))
    for name, entry in pairs(entries) do
      local texts = { entry.raises or "" }
      for _, result in ipairs(entry.results[2] or {}) do texts[#texts + 1] = result.text end
      for code in table.concat(texts, " "):gmatch '`"([^"`]+)"`' do
        assert.is_true(codes[code], name .. ": " .. code)
      end
    end
  end)

  it("has exactly the scalar types", function()
    assert.same(types.scalars, set(lua_comments.list(entries.ipmmap, "The types:")))
  end)
end)

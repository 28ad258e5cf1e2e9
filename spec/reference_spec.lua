local core = require "ipmmap.core"
local ipmmap = require "ipmmap"

-- The functions that LDoc comments document: "lock" for Handle:lock, "extend" for Struct:extend.
local function documented()
  local functions = { module = {}, Handle = {}, Struct = {} }
  local pipe <close> = assert(io.popen "cat src/lua/*.c lua/ipmmap/*.lua")
  for name in pipe:read("a"):gmatch "@function ([%w_:]+)" do
    local class, method = name:match "^(%w+):([%w_]+)$"
    functions[class or "module"][method or name] = true
  end
  return functions
end

describe("the reference", function()
  local functions = documented()

  it("has every function of the module, and no other", function()
    local registered = {}
    for name, value in pairs(ipmmap) do
      if type(value) == "function" then registered[name] = true end
    end
    assert.same(registered, functions.module)
  end)

  it("has every method of handles, and no other", function()
    local registered = {}
    for name in pairs(core.methods) do registered[name] = true end
    assert.same(registered, functions.Handle)
  end)

  it("has every method of Structs", function()
    for name in pairs(functions.Struct) do
      assert.equal("function", type(ipmmap.base[name]), name)
    end
    assert.same({ new = true, offsetof = true, extend = true, type = true }, functions.Struct)
  end)
end)

local process = require "spec.helper.process"

describe("the library", function()
  for _, version in ipairs { "5.1", "5.2", "5.3" } do
    it("refuses Lua " .. version .. " with one line that names what its host can use", function()
      local child = process.spawn([[
        _VERSION = "Lua " .. ...
        jit = nil
        print(select(2, pcall(require, "ipmmap")))
      ]], version)
      child:expect(("ipmmap needs Lua 5.4 (5.4.3 or later), Lua 5.5 or LuaJIT 2.1, and this is Lua %s: "
                    .. "its host can use the C interface"):format(version))
      child:join()
    end)
  end
end)

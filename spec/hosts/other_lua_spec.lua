local host = require "spec.hosts.host"
local shell = require "spec.helper.shell"

describe("a host with another Lua", function()
  for _, version in ipairs { "5.1", "5.2", "5.3" } do
    it("is told in one line what there is for it: Lua " .. version, function()
      local missing = host.missing("lua" .. version)
      if missing then return pending(missing) end
      local ok, output = shell.try(("LUA_PATH=%s LUA_CPATH=%s lua%s -e 'print(select(2, pcall(require, \"ipmmap\")))'")
        :format(shell.quote(host.lua_path), shell.quote(host.lua_cpath), version))
      assert.is_true(ok, output)
      assert.equal(("ipmmap needs Lua 5.4 (5.4.3 or later), Lua 5.5 or LuaJIT 2.1, and this is Lua %s: its host can "
                    .. "use the C interface\n"):format(version), output)
    end)
  end
end)

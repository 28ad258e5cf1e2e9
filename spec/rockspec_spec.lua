local tmpdir = require "spec.helper.tmpdir"

local function output_of(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("a")
  assert(pipe:close(), command .. ": " .. output)
  return output
end

local function words(text)
  local list = {}
  for word in text:gmatch("%S+") do list[#list + 1] = word end
  table.sort(list)
  return list
end

local function makefile_list(variable)
  local show = "env --unset=MAKEFLAGS make -s --eval='show:; @echo $(%s)' show"
  return words(output_of(show:format(variable)))
end

describe("the rockspec", function()
  local rockspec = {}
  assert(loadfile("ipmmap-scm-1.rockspec", "t", rockspec))()

  it("has the C sources of the Makefile", function()
    local sources = rockspec.build.modules["ipmmap.core"].sources
    table.sort(sources)
    assert.same(makefile_list("CORE) $(BINDING"), sources)
  end)

  it("has the Lua modules of the Makefile, under their names", function()
    local files = {}
    for name, file in pairs(rockspec.build.modules) do
      if type(file) == "string" then
        files[#files + 1] = file
        assert.equal(name, (file:gsub("^lua/", ""):gsub("/init%.lua$", ""):gsub("%.lua$", "")
                                :gsub("/", ".")))
      end
    end
    table.sort(files)
    assert.same(makefile_list("MODULES"), files)
  end)

  it("builds, packs, and installs the packed rock, from any directory into any tree", function()
    local source, tree, other = tmpdir() .. "/with a space", tmpdir() .. "/a/b", tmpdir() .. "/c"
    local luarocks = "luarocks --lua-version 5.4 "
    output_of(("mkdir '%s' && cp -r src lua *.rockspec LICENSE '%s'"):format(source, source))
    output_of(("cd '%s' && %s make --tree %s"):format(source, luarocks, tree))
    output_of(("cd '%s' && %s --tree %s pack ipmmap"):format(source, luarocks, tree))
    output_of(("cd / && %s install --tree %s '%s'/ipmmap-scm-1.*.rock")
              :format(luarocks, other, source))
    assert.equal("true\n", output_of(([[cd / && env --unset=LUA_PATH_5_4 --unset=LUA_CPATH_5_4 \
      LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua' \
      LUA_CPATH='%s/lib/lua/5.4/?.so' lua5.4 -e 'print(require("ipmmap").base.size == 16)']])
      :format(other, other, other)))
  end)
end)

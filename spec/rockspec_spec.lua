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
    output_of(("cd '%s' && %s make --tree %s ipmmap-scm-1.rockspec"):format(source, luarocks, tree))
    output_of(("cd '%s' && %s --tree %s pack ipmmap"):format(source, luarocks, tree))
    output_of(("cd / && %s install --tree %s '%s'/ipmmap-scm-1.*.rock")
              :format(luarocks, other, source))
    assert.equal("true\n", output_of(([[cd / && env --unset=LUA_PATH_5_4 --unset=LUA_CPATH_5_4 \
      LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua' \
      LUA_CPATH='%s/lib/lua/5.4/?.so' lua5.4 -e 'print(require("ipmmap").base.size == 16)']])
      :format(other, other, other)))
  end)

  it("runs the specs by luarocks test", function()
    assert.matches("\n[1-9]%d* successes / 0 failures / 0 errors",
                   output_of("luarocks --lua-version 5.4 test ipmmap-scm-1.rockspec -- spec/struct_spec.lua"))
  end)
end)

describe("the rockspec of the command", function()
  local rockspec = {}
  assert(loadfile("ipmmap-cli-scm-1.rockspec", "t", rockspec))()

  it("has the Lua modules of the Makefile, under their names", function()
    local files = {}
    for name, file in pairs(rockspec.build.modules) do
      files[#files + 1] = file
      assert.equal(name, (file:gsub("^cli/", ""):gsub("%.lua$", ""):gsub("/", ".")))
    end
    table.sort(files)
    assert.same(makefile_list("CLI_MODULES"), files)
  end)

  it("depends on the library, whose rock depends on Lua alone", function()
    local library = {}
    assert(loadfile("ipmmap-scm-1.rockspec", "t", library))()
    assert.same({ "lua >= 5.4" }, library.dependencies)
    assert.truthy(table.concat(rockspec.dependencies, " "):find("ipmmap", 1, true))
  end)

  it("builds, and its command works in the tree", function()
    local source, tree = tmpdir() .. "/source", tmpdir() .. "/tree"
    output_of(("mkdir '%s' && cp -r src lua cli bin *.rockspec LICENSE '%s'"):format(source, source))
    for _, name in ipairs { "ipmmap", "ipmmap-cli" } do
      output_of(("cd '%s' && luarocks --lua-version 5.4 make --deps-mode none --tree %s %s-scm-1.rockspec")
        :format(source, tree, name))
    end
    -- As the other rocks are the system's packages here, luarocks does not look into the tree.
    local help = output_of(([[cd / && env --unset=LUA_PATH_5_4 --unset=LUA_CPATH_5_4 \
      LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;' \
      LUA_CPATH='%s/lib/lua/5.4/?.so;;' %s/bin/ipmmap --help]]):format(tree, tree, tree, tree))
    assert.matches("Usage: ipmmap", help)
  end)
end)

describe("make install", function()
  it("installs the command with its manual page and completions; make uninstall removes all",
    function()
      local root = tmpdir()
      local make = ("env --unset=MAKEFLAGS make -s DESTDIR='%s' "):format(root)
      output_of(make .. "install")
      local prefix = root .. "/usr/local/"
      local help = output_of(([[cd / && env --unset=LUA_PATH_5_4 --unset=LUA_CPATH_5_4 \
        LUA_PATH='%sshare/lua/5.4/?.lua;%sshare/lua/5.4/?/init.lua;;' \
        LUA_CPATH='%slib/lua/5.4/?.so;;' %sbin/ipmmap --help]]):format(prefix, prefix, prefix, prefix))
      assert.matches("Usage: ipmmap", help)
      for _, file in ipairs { "man/man1/ipmmap.1", "bash-completion/completions/ipmmap",
                              "zsh/site-functions/_ipmmap", "fish/vendor_completions.d/ipmmap.fish" } do
        local handle <close> = assert(io.open(prefix .. "share/" .. file))
        assert.matches("doctor", handle:read("a"))
      end
      output_of(make .. "uninstall")
      assert.equal("", output_of(("find '%s' -type f"):format(root)))
    end)
end)

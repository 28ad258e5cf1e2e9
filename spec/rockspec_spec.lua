local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local run, try = shell.run, shell.try

local function words(text)
  local list = {}
  for word in text:gmatch("%S+") do list[#list + 1] = word end
  table.sort(list)
  return list
end

local function makefile_list(variable)
  local show = "env --unset=MAKEFLAGS make -s --eval='show:; @echo $(%s)' show"
  return words(run(show:format(variable)))
end

-- The files of cli that are installed below a directory. The command reads one of them as a text.
local function installed_cli(prefix)
  local files = run(("cd '%s/share/lua/5.4' && find ipmmap_cli ipmmap_share -type f"):format(prefix))
  return words(files:gsub("ipmmap_", "cli/%0"))
end

local function sources()
  local copy = tmpdir() .. "/with a space"
  run(("mkdir '%s' && tar -c --exclude=./.git --exclude=./build --exclude=./dist . | tar -x -C '%s'")
      :format(copy, copy))
  return copy
end

local luarocks = "luarocks --lua-version 5.4 "

--- A command line that runs a program with the modules of a tree, and no others.
local function with_modules_of(tree, command)
  return ([[cd / && env --unset=LUA_PATH_5_4 --unset=LUA_CPATH_5_4 LUA_CPATH='%s/lib/lua/5.4/?.so' \
    LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua' %s]]):format(tree, tree, tree, command)
end

describe("the rockspec", function()
  local source, dir = sources(), tmpdir()
  local made, made_by_make, installed = dir .. "/a tree", dir .. "/make", dir .. "/b"

  setup(function()
    run(("cd '%s' && %s make --tree '%s' ipmmap-scm-1.rockspec"):format(source, luarocks, made))
    run(("cd '%s' && %s --tree '%s' pack ipmmap"):format(source, luarocks, made))
    run(("cd / && %s install --tree '%s' '%s'/ipmmap-scm-1.*.rock"):format(luarocks, installed, source))
    run(("env --unset=MAKEFLAGS make -s install-module PREFIX=%s"):format(made_by_make))
  end)

  it("installs the Lua modules and the C module", function()
    local expected = words("lib/lua/5.4/ipmmap/core.so "
                           .. run("find lua/ipmmap -maxdepth 1 -name '*.lua'"):gsub("lua/", "share/lua/5.4/"))
    for _, tree in ipairs { made, installed } do
      assert.same(expected, words(run(("cd '%s' && find share lib/lua -type f"):format(tree))))
    end
  end)

  it("can be packed, and the packed rock can be installed from any directory into any tree", function()
    for _, tree in ipairs { made, installed } do
      assert.equal("true\n", run(with_modules_of(tree,
        [[${LUA:-lua5.4} -e 'print(require("ipmmap").base.size == 16)']])))
    end
  end)

  it("builds with the flags of luarocks, whatever flags an earlier build had", function()
    local flags = "CFLAGS='-O0 -fPIC' LIBFLAG='-shared -s'"
    local output = run(("cd '%s' && %s make --tree '%s/c' %s ipmmap-scm-1.rockspec")
                       :format(source, luarocks, dir, flags))
    for object in run(("cd '%s' && find build -name '*.o'"):format(source)):gmatch("%S+") do
      assert.matches(" %-O0 [^\n]*" .. object:gsub("%p", "%%%0"), output)
    end
    assert.matches(" %-shared %-s [^\n]*core%.so", output)
  end)

  -- A host may contain another version of the library. The module must not call that one.
  for what, tree in pairs { ["make builds"] = made_by_make, ["luarocks builds"] = installed } do
    describe("with the module that " .. what, function()
      local core = tree .. "/lib/lua/5.4/ipmmap/core.so"

      it("exports only the function that opens the module", function()
        assert.matches("^%x+ T luaopen_ipmmap_core\n$", run("nm -D --defined-only " .. core))
      end)

      it("works in a host that has functions with the same names", function()
        local host = assert(io.open(dir .. "/host.c", "w"))
        host:write [[
          #include <lauxlib.h>
          #include <lualib.h>
          #include <stdio.h>
          #include <stdlib.h>

          int main(void) {
              lua_State *L = luaL_newstate();
              luaL_openlibs(L);
              int failed = luaL_dostring(L,
                  "local ipmmap = require 'ipmmap' "
                  "ipmmap.base:extend('Counter', { { 'n', 'int32' } }) "
                  "local counter = assert(ipmmap.manager('Counter', { create = true, mmap_dir = os.getenv('DIR') })) "
                  "do local locked <close> = counter:lock(); locked.n = 1 end "
                  "print(counter:add('n', 1)) "
                  "counter:destroy()");
              if (failed)
                  puts(lua_tostring(L, -1));
              lua_close(L);
              return failed;
          }
        ]]
        local names = run("nm --defined-only build/src/core/*.o build/src/lua/*.o")
        for name in names:gmatch(" [TRB] (l?ipm_[%w_]+)\n") do
          host:write(("void %s(void) { abort(); }\n"):format(name))
        end
        host:close()
        run(("cc -rdynamic $(pkg-config --cflags lua5.4) -o %s/host %s/host.c $(pkg-config --libs lua5.4)")
            :format(dir, dir))
        assert.matches(" T ipm_segment_lock\n", run(("nm -D %s/host"):format(dir)))
        assert.equal("2\n", run(with_modules_of(tree, ("DIR=%s %s/host"):format(dir, dir))))
      end)
    end)
  end

  it("runs the specs with luarocks test", function()
    assert.matches("\n[1-9]%d* successes / 0 failures / 0 errors",
                   run(luarocks .. "test ipmmap-scm-1.rockspec -- spec/struct_spec.lua"))
  end)
end)

describe("the library for LuaJIT", function()
  local expected = words("lib/lua/5.1/ipmmap/libipmmap.so "
                         .. run("find lua -name '*.lua'"):gsub("lua/", "share/lua/5.1/"))

  local function works(tree)
    assert.equal("true\n", run(with_modules_of(tree, [[luajit -e 'print(require("ipmmap").base.size == 16)']])
      :gsub("5%.4", "5.1")))
  end

  it("is what luarocks for Lua 5.1 installs, without a C module", function()
    local tree = tmpdir() .. "/a tree"
    run(("cd '%s' && luarocks --lua-version 5.1 make --tree '%s' CFLAGS='-O0 -fPIC' ipmmap-scm-1.rockspec")
        :format(sources(), tree))
    assert.same(expected, words(run(("cd '%s' && find share lib/lua -type f"):format(tree))))
    works(tree)
  end)

  it("is what make install LUA=luajit installs, and make uninstall removes", function()
    local prefix = tmpdir() .. "/a prefix"
    local make = ("env --unset=MAKEFLAGS make -s LUA=luajit PREFIX='%s' "):format(prefix)
    run(make .. "install")
    assert.same(expected, words(run(("cd '%s' && find . -type f"):format(prefix)):gsub("%./", "")))
    works(prefix)
    run(make .. "uninstall")
    assert.equal("", run(("find '%s' -type f -o -name ipmmap"):format(prefix)))
  end)

  it("cannot be made for other versions of Lua, and make says what their hosts use", function()
    local ok, output = try("env --unset=MAKEFLAGS make -s install LUA=lua5.3")
    assert.is_false(ok)
    assert.matches("ipmmap is for Lua 5%.4, Lua 5%.5 and LuaJIT, not for lua5%.3%. A host with another Lua uses the C "
                   .. "interface: docs/in%-your%-host%.md", output)
  end)
end)

describe("the rockspec of the command", function()
  local rockspec = {}
  assert(loadfile("ipmmap-cli-scm-1.rockspec", "t", rockspec))()

  it("has the Lua modules of the Makefile under their names", function()
    local files = {}
    for name, file in pairs(rockspec.build.modules) do
      files[#files + 1] = file
      assert.equal(name, (file:gsub("^cli/", ""):gsub("%.lua$", ""):gsub("/", ".")))
    end
    table.sort(files)
    assert.same(makefile_list("CLI_MODULES"), files)
  end)

  it("depends on the library, whose rock depends only on Lua", function()
    local library = {}
    assert(loadfile("ipmmap-scm-1.rockspec", "t", library))()
    assert.same({ "lua >= 5.1, < 5.6, ~= 5.2, ~= 5.3" }, library.dependencies)
    assert.truthy(table.concat(rockspec.dependencies, " "):find("ipmmap", 1, true))
  end)

  it("builds, and the command works in the tree", function()
    local source, tree = sources(), tmpdir() .. "/tree"
    for _, name in ipairs { "ipmmap", "ipmmap-cli" } do
      run(("cd '%s' && %s make --deps-mode none --tree %s %s-scm-1.rockspec")
        :format(source, luarocks, tree, name))
    end
    -- The dependencies are packages of the system, not rocks (--deps-mode none). So the command that
    -- luarocks installs does not set the module path to the tree.
    local help = run(([[cd / && env --unset=LUA_PATH_5_4 --unset=LUA_CPATH_5_4 \
      LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;;' \
      LUA_CPATH='%s/lib/lua/5.4/?.so;;' %s/bin/ipmmap --help]]):format(tree, tree, tree, tree))
    assert.matches("Usage: ipmmap", help)
    assert.same(makefile_list("CLI_MODULES"), installed_cli(tree))
  end)
end)

describe("make install", function()
  it("names the interpreter LUA in the command", function()
    local build = tmpdir()
    for _, lua in ipairs { "lua5.5", "/opt/lua/bin/lua5.5" } do
      run(("env --unset=MAKEFLAGS make -s BUILD=%s LUA=%s %s/cli/ipmmap"):format(build, lua, build))
      local command <close> = assert(io.open(build .. "/cli/ipmmap"))
      assert.equal("#!/usr/bin/env " .. lua, command:read())
    end
  end)

  it("installs the command with its manual page and completions; make uninstall removes all",
    function()
      local root = tmpdir()
      local make = ("env --unset=MAKEFLAGS make -s DESTDIR='%s' "):format(root)
      run(make .. "install")
      local prefix = root .. "/usr/local/"
      local help = run(([[cd / && env --unset=LUA_PATH_5_4 --unset=LUA_CPATH_5_4 \
        LUA_PATH='%sshare/lua/5.4/?.lua;%sshare/lua/5.4/?/init.lua;;' \
        LUA_CPATH='%slib/lua/5.4/?.so;;' %sbin/ipmmap --help]]):format(prefix, prefix, prefix, prefix))
      assert.matches("Usage: ipmmap", help)
      assert.same(makefile_list("CLI_MODULES"), installed_cli(prefix))
      for _, file in ipairs { "man/man1/ipmmap.1", "bash-completion/completions/ipmmap",
                              "zsh/site-functions/_ipmmap", "fish/vendor_completions.d/ipmmap.fish" } do
        local handle <close> = assert(io.open(prefix .. "share/" .. file))
        assert.matches("doctor", handle:read("a"))
      end
      run(make .. "uninstall")
      assert.equal("", run(("find '%s' -type f"):format(root)))
    end)
end)

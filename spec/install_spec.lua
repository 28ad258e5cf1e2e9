local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local quote, run, try = shell.quote, shell.run, shell.try

local function lines(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do list[#list + 1] = line end
  table.sort(list)
  return list
end

-- The files and links below a directory.
local function files(directory)
  return lines(run(("find %s ! -type d"):format(quote(directory))))
end

-- Makes a directory of programs like that of a machine with make, a C compiler and Lua's headers
-- only. Its package managers write down each call, and fail. Returns the start of a command line.
local function bare_machine(bin)
  run(([[mkdir -p %s && cd %s && ln -s /usr/bin/* . && rm -f lua* busted* apt* dpkg* sudo* && \
         printf '#!/bin/sh\necho "$0 $*" >>%s\nexit 1\n' >asked && chmod +x asked && \
         ln asked apt-get && ln asked sudo && mv asked dpkg-query]])
      :format(quote(bin), quote(bin), quote(bin .. "/asks")))
  return "env -i PATH=" .. quote(bin) .. " "
end

describe("a source tree whose path contains a space and a quote", function()
  local top = tmpdir() .. "/it's a tree"
  local source, root, prefix = top .. "/ipmmap", top .. "/a root", "/opt/my dir"
  local bin = tmpdir() .. "/bin"
  local in_source = ("cd %s && %s"):format(quote(source), bare_machine(bin))
  local make = in_source .. "make CFLAGS=-O0 "
  local places = ("DESTDIR=%s PREFIX=%s"):format(quote(root), quote(prefix))

  setup(function()
    run(("mkdir -p %s && tar -c --exclude=./.git --exclude=./build --exclude=./dist . | tar -x -C %s")
        :format(quote(source), quote(source)))
  end)

  it("can be built and tested with only a compiler and Lua's headers", function()
    run(make .. "-s all build/spec/core/name_test")
    assert.matches("\n1%.%.[1-9]%d*\n$", run(in_source .. "build/spec/core/name_test"))
  end)

  it("can be installed with only these into directories with spaces, and says what it leaves out", function()
    local output = run(make .. "install " .. places)
    assert.matches("\nleft out: the manual page and completions of the command ipmmap, as it cannot run here to "
                   .. "print them: it needs what Debian has in the packages lua5%.4 lua%-argparse ", output)
    local installed = {}
    for file in output:gmatch("installed ([^\n]+)") do installed[#installed + 1] = file end
    table.sort(installed)
    assert.same(installed, files(root))
    assert.is_true(#installed > 30)
  end)

  it("can be used from where it was installed", function()
    local at = root .. prefix
    local modules = at .. "/share/lua/5.4/"
    assert.equal("true\n", run(([[cd / && env --unset=LUA_PATH_5_4 --unset=LUA_CPATH_5_4 LUA_CPATH=%s LUA_PATH=%s \
      ${LUA:-lua5.4} -e 'print(require("ipmmap").base.size == 16)']])
      :format(quote(at .. "/lib/lua/5.4/?.so"), quote(modules .. "?.lua;" .. modules .. "?/init.lua"))))
    local config = ("PKG_CONFIG_PATH=%s pkg-config "):format(quote(at .. "/lib/pkgconfig"))
    assert.equal("-I/opt/my\\ dir/include", run(config .. "--cflags ipmmap"):match("^(.-) *\n"))
    local escaped = at:gsub("[ ']", "\\%0")
    local flags = run(("%s --define-variable=prefix=%s --cflags --libs ipmmap"):format(config, quote(escaped)))
    run(([[cd / && printf '#include <ipmmap.h>\nint main(void) { return ipm_code_name(0) == 0; }\n' | \
           cc -x c - -o %s %s]]):format(quote(top .. "/host"), flags:gsub("\n", "")))
    run(("LD_LIBRARY_PATH=%s %s"):format(quote(at .. "/lib"), quote(top .. "/host")))
  end)

  it("is uninstalled file by file, and files of other programs stay", function()
    local near = {
      root .. prefix .. "/lib/libipmmap.so.mine", root .. prefix .. "/share/lua/5.4/ipmmap/mine.lua",
      root .. prefix .. "/share/lua/5.4/ipmmap_cli/mine.lua",
      root .. prefix .. "/share/lua/5.4/ipmmap_share/mine.lua", root .. "/opt/my/mine",
    }
    local elsewhere = { -- files at the paths that the words of these paths would be
      source .. "/dir/share/lua/5.4/ipmmap/mine", source .. "/dir/lib/lua/5.4/ipmmap/mine",
      source .. "/root/opt/my/mine", top .. "/a",
    }
    for _, list in ipairs { near, elsewhere } do
      for _, file in ipairs(list) do run(("mkdir -p %s && : >%s"):format(quote(file:match("^(.*)/")), quote(file))) end
    end
    run(make .. "-s uninstall " .. places)
    assert.same(near, files(root))
    for _, file in ipairs(elsewhere) do assert(io.open(file), file):close() end
    assert.is_nil(io.open(root .. prefix .. "/lib/lua/5.4/ipmmap")) -- a directory of ipmmap alone, which was empty
  end)

  it("has installed no package during these steps", function()
    assert.same({}, lines(run(("cat %s 2>/dev/null || true"):format(quote(bin .. "/asks")))))
  end)

  it("names a missing tool, and the package that contains it", function()
    local ok, output = try(make .. "-s host")
    assert.is_false(ok)
    assert.matches("^no lua5%.4: on Debian it is in the package lua5%.4\n", output)
    ok, output = try(make .. "-s --always-make LUA_INCDIR='/no where'")
    assert.is_false(ok)
    assert.matches("^no lua%.h in /no where: on Debian it is in the package liblua5%.4%-dev\n", output)
    ok, output = try(make .. "-s --always-make CC=no-cc")
    assert.is_false(ok)
    assert.matches("^no C compiler %(no%-cc%): on Debian it is in the packages gcc and libc6%-dev\n", output)
    ok, output = try(make .. "-s BUILD='a b'")
    assert.is_false(ok)
    assert.matches("BUILD is 'a b': make has no files with a space in their names, so it must be one word", output)
  end)
end)

local process = require "spec.helper.process"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local run, try = shell.run, shell.try

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function sorted(list)
  table.sort(list)
  return list
end

local function matches(text, pattern)
  local list = {}
  for match in text:gmatch(pattern) do list[#list + 1] = match end
  return list
end

--- The block of a document that begins with that word, or with a comment of that file name.
local function block(document, name)
  for text in read(document):gmatch("\n```%l+\n(.-\n)```") do
    if text:match("^([%w.]+) ") == name or text:match("^%g+ ([%w.]+)") == name then return text end
  end
  error("no " .. name .. " in " .. document)
end

describe("make host", function()
  setup(function() run("make -s host") end)

  it("builds a shared library that exports only what the header declares", function()
    local declared = matches(read("src/ipmmap.h"), "IPM_API [^;]-(ipm_[%w_]+)%(")
    local exported = matches(run("nm -D --defined-only build/libipmmap.so"), " %u ([%g]+)")
    assert.is_true(#declared > 20)
    assert.same(sorted(declared), sorted(exported))
  end)

  it("changes the shared library's name with each version that programs must be rebuilt for", function()
    local major, minor = read("src/ipmmap.h"):match('IPM_VERSION "(%d+)%.(%d+)%.%d+"')
    assert.equal(("libipmmap.so.%s.%s"):format(major, minor),
                 run("objdump -p build/libipmmap.so"):match("SONAME%s+(%g+)"))
  end)

  it("builds libraries that neither print nor end the program", function()
    local called = run("nm -D --undefined-only build/libipmmap.so")
    for _, name in ipairs { "stdout", "stderr", "printf", "puts", "perror", "exit", "_exit", "abort", "sigaction" } do
      assert.is_nil(called:match(" U " .. name .. "[@\n]"), name)
    end
  end)

  it("has an up-to-date reference docs/c-api.md", function()
    assert(run("${LUA:-lua5.4} tools/c_api.lua <src/ipmmap.h") == read("docs/c-api.md"),
           "the header has changed: run make docs/c-api.md")
  end)

  it("has a reference whose lists are whole", function()
    local reference = read("docs/c-api.md")
    assert.is_nil(reference:match("[^\n]*[^*]returns  [^\n]*"))
    assert.is_nil(reference:match("\n%- %*returns%*[^\n]*\n\n%l[^\n]*"))
  end)

  it("has a header that says that 32-bit systems cannot have the library", function()
    local ok, output = try("cc -U__LP64__ -Isrc -fsyntax-only -x c src/ipmmap.h")
    assert.is_false(ok)
    assert.matches('error: #error "ipmmap needs a 64%-bit system"', output)
  end)

  it("documents every function of the header", function()
    for text, name in read("src/ipmmap.h"):gmatch("\n([^\n]*)\nIPM_API [^;]-(ipm_[%w_]+)%(") do
      local by_comment = text:find("%*/$")
      local by_neighbour = text:find(";$")
      assert.is_truthy(by_comment or by_neighbour, name .. " has no comment")
    end
  end)
end)

describe("the library for hosts", function()
  local of_other_things = { examples = true, game = true, host = true, jit = true, reference = true }
  local specs = {}
  for path in io.popen("ls spec/*_spec.lua"):lines() do
    if read(path):find('require "ipmmap"', 1, true) and not path:find("share_", 1, true)
       and not of_other_things[path:match("(%w+)_spec")] then
      specs[#specs + 1] = path
    end
  end
  specs = table.concat(specs, " ")

  for kind, what in pairs { static = "libipmmap_lua.a", amalgamation = "dist/ipmmap.c" } do
    it("passes the specs if it is built from " .. what, function()
      run(("make -s build/%s/ipmmap.so"):format(kind))
      local ok, output = try(("busted --run=%s --output=TAP %s"):format(kind, specs))
      assert(ok, output:match("\nnot ok.*"))
      assert.is_true(#matches(output, "\nok ") > 20)
    end)
  end
end)

describe("a table of C fields", function()
  local headers = [[
    #include "ipmmap.h"
    typedef struct P { double x, y; } P;
  ]]
  local cases = {
    ["another type"] = {
      "typedef struct S { ipm_header header; float a; } S;", "FIELD(a, int32)", "a is not int32 in the struct" },
    ["another count"] = {
      "typedef struct S { ipm_header header; char a[15]; } S;", "FIELD(a, char[16])",
      "a is not char%[16%] in the struct" },
    ["a missing field before another"] = {
      "typedef struct S { ipm_header header; int32_t a, b; } S;", "FIELD(b, int32)",
      "b lies elsewhere in the struct than in the table" },
    ["a missing field at the end"] = {
      "typedef struct S { ipm_header header; double a, b; } S;", "FIELD(a, double)",
      "S: the table has other members than the struct" },
    ["another order"] = {
      "typedef struct S { ipm_header header; int32_t a, b; } S;", "FIELD(b, int32) FIELD(a, int32)",
      "b lies elsewhere in the struct than in the table" },
    ["a packed struct"] = {
      "typedef struct __attribute__((packed)) S { ipm_header header; char a; int32_t b; } S;",
      "FIELD(a, char) FIELD(b, int32)", "b lies elsewhere in the struct than in the table" },
    ["no header"] = {
      "typedef struct S { double a; } S;", "FIELD(a, double)", "header" },
    ["the header elsewhere"] = {
      "typedef struct S { double a; ipm_header header; } S;", "FIELD(a, double)",
      "S does not start with .?ipm_header header.?" },
    ["a struct that was not described"] = {
      "typedef struct S { ipm_header header; P a; } S;", "FIELD(a, P)", "ipm_c_P" },
    ["an enumeration's constant for a count"] = {
      "enum { MAX = 4 }; typedef struct S { ipm_header header; char a[MAX]; } S;",
      "FIELD(a, char[MAX])", "a: a count in char%[MAX%] is no decimal number and no macro for one" },
    ["an enumeration's constant for the second of two counts"] = {
      "enum { MAX = 4 }; typedef struct S { ipm_header header; int32_t a[2][MAX]; } S;",
      "FIELD(a, int32[2][MAX])", "a: a count in int32%[2%]%[MAX%] is no decimal number" },
    ["an expression for a count"] = {
      "\n#define MAX (2 * 2)\ntypedef struct S { ipm_header header; char a[MAX]; } S;",
      "FIELD(a, char[MAX])", "a: a count in char%[MAX%] is no decimal number" },
  }
  local of_cpp = {
    ["a constexpr for a count"] = {
      "constexpr int MAX = 4; typedef struct S { ipm_header header; char a[MAX]; } S;",
      "FIELD(a, char[MAX])", "a: a count in char%[MAX%] is no decimal number" },
  }
  for language, compile in pairs { C = "cc -std=c11 -x c", ["C++"] = "c++ -std=c++11 -x c++" } do
    it("is refused by a " .. language .. " compiler if it does not match the struct", function()
      local dir = tmpdir()
      local all = {}
      for _, some in ipairs { cases, language == "C++" and of_cpp or {} } do
        for what, case in pairs(some) do all[what] = case end
      end
      for what, case in pairs(all) do
        write(dir .. "/s.c", headers .. ("%s\n#define FIELDS(FIELD) %s\nIPM_SHARED(S, FIELDS, \"\")\n")
                             :format(case[1], case[2]))
        local ok, output = try(("%s -fsyntax-only -Isrc %s/s.c"):format(compile, dir))
        assert.is_false(ok, what)
        assert.matches(case[3], output, 1, false, what)
      end
    end)
  end
end)

describe("make install", function()
  local dir = tmpdir()
  local installed = dir .. "/root"
  local env

  setup(function()
    run(("make -s install DESTDIR=%s PREFIX=/opt/it"):format(installed))
    local prefix = installed .. "/opt/it"
    env = ("cd %s && PKG_CONFIG_PATH=%s/lib/pkgconfig:$PKG_CONFIG_PATH LD_LIBRARY_PATH=%s/lib "
        .. "LUA_PATH_5_4='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua' LUA_CPATH_5_4='%s/lib/lua/5.4/?.so' ")
        :format(dir, prefix, prefix, prefix, prefix, prefix)
    for _, name in ipairs { "thermostat.c", "embed.c", "set.lua" } do
      write(dir .. "/" .. name, block("docs/in-your-host.md", name))
    end
  end)

  -- pkg-config has to know the prefix with DESTDIR before it.
  local function build(name, package, compiler)
    run(([[%s sh -c '%s %s.c -Wall -Wextra -Werror -o %s \
        $(pkg-config --define-variable=prefix=%s/opt/it --cflags --libs %s) %s']])
        :format(env, compiler or "cc", name, name, installed, package,
                name == "embed" and "$(pkg-config --cflags --libs lua5.4)" or ""))
  end

  it("installs what the documented host needs, and that host shares a value with a script", function()
    build("thermostat", "ipmmap")
    local host = process.start { "sh", "-c", env .. "exec ./thermostat" }
    host:expect("the target is 20 degrees")
    assert.equal("it is 15.5 degrees\n", run(env .. "${LUA:-lua5.4} set.lua 22"))
    host:expect("the target is 22 degrees")
    run(env .. "${LUA:-lua5.4} set.lua 0")
    host:join()
  end)

  it("installs declarations for other languages, and the documented script in Python works", function()
    if not try("python3 -c 'import cffi'") then return pending("there is no cffi") end
    build("thermostat", "ipmmap")
    local script = block("docs/in-your-host.md", "target.py")
    write(dir .. "/target.py", (script:gsub("/usr/local/", installed .. "/opt/it/")))
    local host = process.start { "sh", "-c", env .. "exec ./thermostat" }
    host:expect("the target is 20 degrees")
    assert.equal("the target is 20 degrees\n", run(env .. "python3 target.py"))
    run(env .. "${LUA:-lua5.4} set.lua 0")
    host:join()
  end)

  it("installs what a host with Lua inside needs, and that host needs no other file at run time", function()
    build("thermostat", "ipmmap")
    build("embed", "ipmmap-lua")
    local host = process.start { "sh", "-c", env .. "exec ./thermostat" }
    host:expect("the target is 20 degrees")
    local without_modules = ("cd %s && LUA_PATH_5_4=';' LUA_CPATH_5_4=';' "):format(dir)
    assert.equal("it is 15.5 degrees\n", run(without_modules .. "./embed set.lua"))
    host:expect("the target is 21.5 degrees")
    run(env .. "${LUA:-lua5.4} set.lua 0")
    host:join()
  end)

  it("installs what the host and the script of the README need, and the README's shell blocks work", function()
    write(dir .. "/host.c", block("README.md", "host.c"))
    local compiling, script = block("README.md", "cc"), block("README.md", "lua5.4")
    local system = ("export PKG_CONFIG_SYSROOT_DIR=%s\n"):format(installed)
    local exports = env:gsub("^(.-) && ", "%1\nexport ") .. "\n" .. system
    local host = process.start { "sh", "-c", exports .. compiling }
    host:expect("the target is 20 degrees")
    run(exports .. script)
    host:expect("the target is 22 degrees")
    run(exports .. script:gsub("22", "0"))
    host:join()
  end)

  it("reports the version through pkg-config", function()
    local version = read("src/ipmmap.h"):match('IPM_VERSION "([^"]+)"')
    assert.equal(version .. "\n" .. version .. "\n", run(env .. "pkg-config --modversion ipmmap ipmmap-lua"))
  end)

  it("is undone by make uninstall", function()
    run(("make -s uninstall DESTDIR=%s PREFIX=/opt/it"):format(installed))
    assert.equal("", run(("find %s ! -type d"):format(installed)))
  end)
end)

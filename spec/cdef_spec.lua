local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local run, try = shell.run, shell.try

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

local text = read("src/ipmmap.cdef.h")
local plain = text:gsub("/%*.-%*/", "")

-- What the declarations contain: constants, structs' members, functions.
local constants, members, functions = {}, {}, {}
for block in plain:gmatch("enum[%w_ ]*(%b{})") do
  for name in block:gmatch("IPM_[%w_]+") do constants[#constants + 1] = name end
end
for name in plain:gmatch("static const uint32_t (IPM_[%w_]+)") do constants[#constants + 1] = name end
for name, block in plain:gmatch("struct ([%w_]+) (%b{})") do
  for member in block:gmatch("([%w_]+)[%[%]%d]*;") do members[#members + 1] = { name, member } end
end
for name in plain:gmatch("(ipm_[%w_]+)%(") do functions[#functions + 1] = name end

-- The lines of a program that prints each constant, and each member's offset and its struct's size.
local function lines(constant, member)
  local list = {}
  for _, name in ipairs(constants) do list[#list + 1] = constant:gsub("$%a+", { ["$constant"] = name }) end
  for _, pair in ipairs(members) do
    list[#list + 1] = member:gsub("$%a+", { ["$struct"] = pair[1], ["$member"] = pair[2] })
  end
  return table.concat(list, "\n") .. "\n"
end

describe("src/ipmmap.cdef.h", function()
  local dir = tmpdir()
  local by_compiler

  setup(function()
    run("make -s build/ipmmap/libipmmap.so")
    write(dir .. "/facts.c", '#include <stdio.h>\n#include "ipmmap.h"\nint main(void) {\n'
      .. lines('printf("%lld\\n", (long long)$constant);',
               'printf("%zu %zu\\n", offsetof($struct, $member), sizeof($struct));') .. "}\n")
    run(("cc -Isrc -o %s/facts %s/facts.c"):format(dir, dir))
    by_compiler = run(dir .. "/facts")
  end)

  it("is up to date with the header, as is the copy for LuaJIT", function()
    assert(run("${LUA:-lua5.4} tools/cdef.lua <src/ipmmap.h") == text, "the header has changed: make cdef")
    assert(run("${LUA:-lua5.4} tools/cdef.lua module <src/ipmmap.h") == read("lua/ipmmap/jit/cdef.lua"), "make cdef")
  end)

  it("has every function of libipmmap, and no other", function()
    local exported = {}
    for name in run("nm -D --defined-only build/ipmmap/libipmmap.so"):gmatch(" T (%g+)") do
      exported[#exported + 1] = name
    end
    table.sort(exported)
    table.sort(functions)
    assert.same(exported, functions)
  end)

  it("has the header's constants and structs", function()
    local seen = {}
    for _, name in ipairs(constants) do seen[name] = true end
    for _, pair in ipairs(members) do seen[pair[1]] = true end
    for _, name in ipairs { "IPM_EINVALID", "IPM_BY_PATH", "IPM_MAX_TAG", "IPM_MAX_USERS", "IPM_ANYONE", "ipm_error",
                            "ipm_type", "ipm_field", "ipm_header", "ipm_options", "ipm_range", "ipm_info",
                            "ipm_user" } do
      assert.is_true(seen[name], name)
    end
  end)

  it("has no preprocessor's lines, no attributes and no definitions of functions", function()
    assert.is_nil(plain:find("[#\\]"))
    assert.is_nil(plain:find("__"))
    assert.is_nil(plain:find("%)%s*{"))
  end)

  it("is C and C++ that declares the same as the header", function()
    for compiler, language in pairs { cc = "c", ["c++"] = "c++" } do
      write(dir .. "/both.c", '#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n'
        .. (language == "c++" and 'extern "C" {\n' or "") .. '#include "ipmmap.cdef.h"\n'
        .. (language == "c++" and "}\n" or ""))
      run(("%s -Isrc -x %s -Wall -Wextra -Wno-unused -Werror -fsyntax-only %s/both.c"):format(compiler, language, dir))
    end
    local declared = {}
    for declaration in plain:gmatch("\n([%w_ *]+ipm_[%w_]+%b();)") do declared[#declared + 1] = declaration end
    assert.equal(#functions, #declared)
    write(dir .. "/agree.c", '#include "ipmmap.h"\n' .. table.concat(declared, "\n"))
    run(("cc -std=c11 -Isrc -Werror -fsyntax-only %s/agree.c"):format(dir))
  end)

  it("is taken by LuaJIT, whose values, sizes and offsets are the compiler's", function()
    write(dir .. "/facts.lua", [[
      local ffi = require "ffi"
      ffi.cdef(dofile "lua/ipmmap/jit/cdef.lua")
      local core = ffi.load "./build/ipmmap/libipmmap.so"
    ]] .. lines("print(tonumber(ffi.C.$constant))",
                "print(ffi.offsetof('$struct', '$member') .. ' ' .. ffi.sizeof '$struct')")
      .. table.concat(functions, "\n"):gsub("[%w_]+", "assert(core.%0)"))
    assert.equal(by_compiler, run("luajit " .. dir .. "/facts.lua"))
  end)

  it("is taken by Python's cffi, whose values, sizes and offsets are the compiler's", function()
    if not try("python3 -c 'import cffi'") then return pending("there is no cffi") end
    write(dir .. "/facts.py", [[
import cffi
ffi = cffi.FFI()
ffi.cdef(open("src/ipmmap.cdef.h").read())
core = ffi.dlopen("build/ipmmap/libipmmap.so")
]] .. lines("print(core.$constant)", "print(ffi.offsetof('$struct', '$member'), ffi.sizeof('$struct'))")
      .. table.concat(functions, "\n"):gsub("[%w_]+", "core.%0"))
    assert.equal(by_compiler, run("python3 " .. dir .. "/facts.py"))
  end)
end)

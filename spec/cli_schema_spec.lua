local cli = require "spec.helper.cli"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

-- A struct with names that other languages reserve, a parent with padding at its end, and arrays.
local DEFINE <const> = [[
  local ipmmap = require "ipmmap"
  ipmmap.struct("class", { { "int", "int8" }, { "end", "double" } })
  ipmmap.struct("Odd", { { "flag", "bool" }, { "words", "char[5][3]" }, { "letter", "char" } })
  ipmmap.base:extend("Parent", { { "wide", "int64" }, { "narrow", "uint8" } })
  ipmmap.lookup("Parent"):extend("Schema", {
    { "parent", "uint16" }, { "count", "uint64" }, { "twin", "uint64" }, { "grid", "float[4][3]" },
    { "struct", "class[2]" }, { "odd", "Odd" }, { "text", "char[10]" },
  })
]]
assert(load(DEFINE))()
local S = ipmmap.lookup("Schema")

describe("ipmmap schema", function()
  local dir, file, manager, writer

  before_each(function()
    dir, manager = segment.make(S)
    file = dir .. "/Schema_.mmap"
    manager:set { text = "live", grid = { {}, { 0, 0, 1.5 } }, struct = { { int = -3 } } }
    writer = process.spawn(DEFINE .. [[
      local editor = assert(ipmmap.editor("Schema", { mmap_dir = ... }))
      print("busy")
      for i = 1, math.huge do editor:set { count = i, twin = i } end
    ]], dir)
    writer:expect("busy")
  end)

  after_each(function()
    if not writer.how then writer:kill() end
    segment.close()
  end)

  local function generate(option, name)
    local path = dir .. "/" .. name
    local out <close> = assert(io.open(path, "w"))
    out:write(cli.output { "schema", option, file })
    return path
  end

  local function write(path, text)
    local out <close> = assert(io.open(path, "w"))
    out:write(text)
  end

  local function run(argv)
    local child = process.start(argv)
    local lines = {}
    for line in function() return child:line() end do lines[#lines + 1] = line end
    local how, status = child:wait()
    assert.same({ "exit", 0 }, { how, status }, table.concat(lines, "\n"))
    return lines
  end

  it("prints a table with offsets", function()
    local out = cli.output { "schema", file }
    assert.matches(("^Schema, %d bytes, aligned to 8\n"):format(S.size), out)
    assert.matches("\nOFFSET  SIZE  TYPE +PATH\n", out)
    for path in ("count grid struct struct[1].end odd.words text"):gmatch("%S+") do
      assert.matches(("\n *%d +%%d+ +%%S+ +%s\n"):format(S:offsetof(path),
        path:gsub("%p", "%%%0")), out)
    end
    local layout = json.decode(cli.output { "schema", "--json", file })
    assert.equal(S.size, layout.size)
    assert.equal(tostring(S), layout.text)
    assert.same({ "wide", 16 }, { layout.fields[2].name, layout.fields[2].offset })
  end)

  it("prints a definition in Lua that has the same layout", function()
    local path = generate("--lua", "schema.lua")
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      dofile((...))
      io.write(tostring(ipmmap.lookup("Schema")))
    ]], path)
    local lines = {}
    for line in function() return child:line() end do lines[#lines + 1] = line .. "\n" end
    assert.equal(tostring(S), table.concat(lines))
  end)

  it("prints a C header that compiles and reads the live segment", function()
    generate("--c", "schema.h")
    local source <close> = assert(io.open(dir .. "/main.c", "w"))
    source:write([[
      #include "schema.h"
      #include <stdio.h>
      int main(int argc, char **argv) {
          Schema s;
          FILE *file = fopen(argv[argc - 1], "rb");
          if (file == NULL || fread(&s, sizeof s, 1, file) != 1)
              return 1;
          printf("%s %g %d\n", s.text, s.grid[1][2], s.struct_[0].int_);
          return 0;
      }]])
    source:flush()
    run { "cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", dir .. "/main",
          dir .. "/main.c" }
    assert.same({ "live 1.5 -3" }, run { dir .. "/main", file })
    local _, asserts = cli.read_file(dir .. "/schema.h"):gsub("offsetof%(", "")
    assert.equal(19, asserts) -- 17 fields, and 2 parents as members
  end)

  it("prints declarations with which LuaJIT and Python's cffi read the live segment", function()
    generate("--ffi", "schema.cdef")
    write(dir .. "/main.lua", [[
      local ffi = require "ffi"
      local directory, file = ...
      ffi.cdef(io.open(directory .. "/schema.cdef"):read("*a"))
      local s = ffi.new "Schema"
      ffi.copy(s, io.open(file, "rb"):read(ffi.sizeof(s)), ffi.sizeof(s))
      print(ffi.string(s.text) .. " " .. s.grid[1][2] .. " " .. s.struct_[0].int_)
      print(ffi.sizeof(s), ffi.offsetof("Schema", "odd"))
    ]])
    write(dir .. "/main.py", [[
import cffi, sys
ffi = cffi.FFI()
ffi.cdef(open(sys.argv[1] + "/schema.cdef").read())
s = ffi.from_buffer("Schema *", open(sys.argv[2], "rb").read())
print("%s %g %d" % (ffi.string(s.text).decode(), s.grid[1][2], s.struct_[0].int_))
print("%d\t%d" % (ffi.sizeof("Schema"), ffi.offsetof("Schema", "odd")))
]])
    local expected = { "live 1.5 -3", ("%d\t%d"):format(S.size, S:offsetof("odd")) }
    assert.same(expected, run { "luajit", dir .. "/main.lua", dir, file })
    if not os.execute("python3 -c 'import cffi' 2>/dev/null") then pending("there is no cffi") end
    assert.same(expected, run { "python3", dir .. "/main.py", dir, file })
  end)

  it("prints a Python module that reads one whole commit from the live segment", function()
    if not os.execute("command -v python3 >/dev/null") then pending("there is no python3") end
    generate("--python", "schema.py")
    local lines = run { "python3", "-c", [[
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import schema
for _ in range(200):
    value = schema.read(sys.argv[2])
    assert value.count == value.twin, (value.count, value.twin)
print(value.text.decode(), value.grid[1][2], getattr(value.struct[0], "int"), value.count > 0)
]], dir, file }
    assert.same({ "live 1.5 -3 True" }, lines)
  end)

  it("prints a Python module whose reads do not wait for an editor that is busy or stopped in its lock", function()
    if not os.execute("command -v python3 >/dev/null") then pending("there is no python3") end
    writer:kill()
    writer:wait()
    local version = manager:version()
    generate("--python", "schema.py")
    local child = process.spawn(DEFINE .. [[
      local editor = assert(ipmmap.editor("Schema", { mmap_dir = ... }))
      local view <close> = editor:lock()
      view.count, view.text, view.twin = 1, "half", 2
      print("inside")
      io.read()
    ]], dir)
    child:expect("inside")
    child:stop()
    local expected = manager:snapshot()
    assert.same({ ("live %d %d"):format(expected.count, expected.twin) }, run { "python3", "-c", [[
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import schema
value = schema.read(sys.argv[2], timeout=0)
print(value.text.decode(), value.count, value.twin)
]], dir, file })
    assert.equal(version, manager:version())
    child:continue()
    child:kill()
  end)

  it("prints a Python module that can read a big struct while an editor commits without a pause", function()
    if not os.execute("command -v python3 >/dev/null") then pending("there is no python3") end
    local define = [[
      local ipmmap = require "ipmmap"
      ipmmap.base:extend("Big", { { "cells", "int64[250001]" } })
    ]]
    assert(load(define))()
    local big <close> = assert(ipmmap.manager("Big", { create = true, mmap_dir = dir }))
    file = dir .. "/Big_.mmap"
    generate("--python", "big.py")
    local child = process.spawn(define .. [[
      local editor = assert(ipmmap.editor("Big", { mmap_dir = ... }))
      local count = 250001
      print("busy")
      for i = 1, math.huge do
        local view <close> = editor:lock()
        local at = i * 7919 % (count // 2) + 1
        view.cells[at], view.cells[count - at + 1] = i, i
      end
    ]], dir)
    child:expect("busy")
    assert.same({ "done" }, run { "python3", "-c", [[
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import big
for _ in range(5):
    cells = big.read(sys.argv[2], timeout=30).cells[:]
    assert cells == cells[::-1]
print("done")
]], dir, file })
    child:kill()
    big:destroy()
  end)

  it("prints a Python module that refuses a segment of another layout", function()
    if not os.execute("command -v python3 >/dev/null") then pending("there is no python3") end
    generate("--python", "schema.py")
    local T = assert(ipmmap.parse((tostring(S):gsub("count: uint64", "count: int64"))))
    local other <close> = assert(ipmmap.manager(T, { create = true, mmap_dir = dir, tag = "o" }))
    local lines = run { "python3", "-c", [[
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import schema
for path in sys.argv[2:]:
    try:
        schema.read(path)
    except ValueError as error:
        print(error)
]], dir, other:info().path, dir .. "/schema.py" }
    assert.same({ other:info().path .. " holds another layout than this module",
      dir .. "/schema.py is not a segment" }, lines)
    other:destroy()
  end)

  it("prints annotations for the Lua language server", function()
    local out = cli.output { "schema", "--luals", file }
    assert.matches("%-%-%-@class Schema: Parent\n", out)
    assert.matches("%-%-%-@field grid number%[%]%[%] # float%[4%]%[3%]\n", out)
    assert.matches('%-%-%-@field %["end"%] number # double\n', out)
    assert.matches("%-%-%-@field struct class%[%]", out)
    assert.is_truthy(load(out))
  end)
end)

-- Keywords, macros, names that the generated text uses or that have a meaning in its language; names
-- that a generator could make by renaming other names; and fields with the names of structs.
local FIELDS <const> = {}
for name in ([[_Bool linux unix errno INT32_MAX INT32_C class class_ class__ true NULL assert bool
  signed EOF EINVAL I complex offsetof int32_t static_assert asm typeof nullptr parent parent_
  stdin SIGINT UINT_MAX __linux__ _Generic st_mtime si_pid FLT_MAX DBL_MAX
  None def lambda from_buffer_copy from_buffer in_dll _fields_ _pack_ _objects __init__ __class__
  _b_base_ self read open struct ctypes mmap
  end nil repeat local private public
  Point Names]]):gmatch("%S+") do
  FIELDS[#FIELDS + 1] = name
end
local STRUCTS <const> = { "class", "class_", "bool_", "ctypes", "len", "linux", "None", "string",
  "Point", "__asm" }

local BASE <const> = [[
struct MmapStructureHeader { header_code: int16
  time_stamp: double }
struct BaseMmapStructure { header: MmapStructureHeader }
]]

describe("ipmmap schema, for a struct whose names are keywords or clash in other languages,", function()
  local dir, N

  setup(function()
    dir = tmpdir()
    local structs, fields = {}, {}
    for i, name in ipairs(FIELDS) do
      fields[i] = ("%s: %s\n"):format(name, i % 2 == 0 and "int16" or "double")
    end
    for _, name in ipairs(STRUCTS) do
      structs[#structs + 1] = ("struct %s { x: int8\n %s: double }\n"):format(name, name)
      fields[#fields + 1] = ("has_%s: %s[2]\n"):format(name, name)
    end
    N = assert(ipmmap.parse(BASE .. table.concat(structs) .. "struct Elder : BaseMmapStructure {\n"
      .. table.concat(fields) .. "}\nstruct Names : Elder { child: int8\n None_: int16 }\n"))
    assert(ipmmap.manager(N, { create = true, mmap_dir = dir })):close()
  end)

  local function generate(option, name)
    local out <close> = assert(io.open(dir .. "/" .. name, "w"))
    out:write(cli.output { "schema", option, dir .. "/Names_.mmap" })
  end

  local function try(command)
    local pipe = assert(io.popen(("cd '%s' && { %s; } 2>&1"):format(dir, command)))
    local output = pipe:read("a")
    return pipe:close() == true, output
  end

  local function write(name, text)
    local out <close> = assert(io.open(dir .. "/" .. name, "w"))
    out:write(text)
  end

  local COMPILERS <const> = { "gcc -std=c11 -x c", "gcc -std=gnu11 -x c", "g++ -std=c++17 -x c++",
    "g++ -std=gnu++17 -x c++" }

  it("prints a C header that C and C++ can include before or after the standard headers, and twice", function()
    generate("--c", "names.h")
    local standard = {}
    for name in ([[assert complex errno float inttypes limits math signal stdalign stdbool stdint
      stdio stdlib string time sys/stat]]):gmatch("%S+") do
      standard[#standard + 1] = ("#include <%s.h>\n"):format(name)
    end
    standard = table.concat(standard)
    local checks = { ([[
      int main(void) {
          static Names names;
          names.child = 1;
          names.parent.class___ = 1;
    ]]) }
    for field, called in pairs { linux = "linux__", class_ = "class____", class = "class___",
      assert = "assert_", Point = "Point_", has_len = "has_len", None = "None_" } do
      checks[#checks + 1] = ("_Static_assert(offsetof(Elder, %s) == %d, \"%s\");\n"):format(called,
        N:offsetof(field), field)
    end
    checks = table.concat(checks) .. "return names.parent.EOF_ != 0; }\n"
    write("before.c", '#include "names.h"\n' .. standard .. '#include "names.h"\n' .. checks)
    write("after.c", standard .. '#include "names.h"\n' .. checks)
    for _, compiler in ipairs(COMPILERS) do
      for _, source in ipairs { "before.c", "after.c" } do
        local ok, output = try(("%s -D_GNU_SOURCE -fsyntax-only %s"):format(compiler, source))
        assert(ok, compiler .. "\n" .. output)
      end
    end
  end)

  it("prints declarations that LuaJIT and Python's cffi take", function()
    generate("--ffi", "names.cdef")
    write("names.lua", [[
      local ffi = require "ffi"
      ffi.cdef(io.open "names.cdef":read "*a")
      print(ffi.sizeof "Names", ffi.offsetof("Elder", "class___"), ffi.offsetof("Elder", "None_"))
    ]])
    write("names.py", [[
import cffi
ffi = cffi.FFI()
ffi.cdef(open("names.cdef").read())
print(ffi.sizeof("Names"), ffi.offsetof("Elder", "class___"), ffi.offsetof("Elder", "None_"), sep="\t")
]])
    local expected = ("%d\t%d\t%d\n"):format(N.size, N:offsetof("class"), N:offsetof("None"))
    assert.same({ true, expected }, { try "luajit names.lua" })
    if not try "python3 -c 'import cffi'" then pending("there is no cffi") end
    assert.same({ true, expected }, { try "python3 names.py" })
  end)

  it("prints C headers that can be used together if they define the same struct with the same layout", function()
    generate("--c", "names.h")
    local T = assert(ipmmap.parse(tostring(N):gsub("struct Names : Elder", "struct Others : Elder")))
    assert(ipmmap.manager(T, { create = true, mmap_dir = dir })):close()
    write("others.h", cli.output { "schema", "--c", dir .. "/Others_.mmap" })
    local U = assert(ipmmap.parse((tostring(N):gsub("  x: int8\n", "  x: uint8\n")
      :gsub("struct Names : Elder", "struct More : Elder"))))
    assert(ipmmap.manager(U, { create = true, mmap_dir = dir })):close()
    write("more.h", cli.output { "schema", "--c", dir .. "/More_.mmap" })
    write("same.c", '#include "names.h"\n#include "others.h"\nNames names;\nOthers others;\n')
    write("differ.c", '#include "names.h"\n#include "more.h"\n')
    for _, compiler in ipairs(COMPILERS) do
      local ok, output = try(compiler .. " -Wall -Wextra -Wpedantic -Werror -fsyntax-only same.c")
      assert(ok, output)
      ok, output = try(compiler .. " -fsyntax-only differ.c")
      assert.is_false(ok)
      assert.matches("a header included before has another layout of Point", output)
    end
  end)

  it("prints a Python module whose names can be used", function()
    if not os.execute("command -v python3 >/dev/null") then pending("there is no python3") end
    generate("--python", "names.py")
    local manager <close> = assert(ipmmap.manager(N, { mmap_dir = dir }))
    manager:set { class = 1, None = 2, None_ = 4, from_buffer_copy = 3,
      has_len = { { x = 5 } }, __init__ = 6 }
    write("main.py", [[
import sys
sys.dont_write_bytecode = True
import names
value = names.read("Names_.mmap")
print(value.class___, value.None_, value.None__, value.from_buffer_copy_, value.has_len[0].x,
      value.__init___, names.Names().child, names.len_, names.linux)
]])
    local ok, output = try("python3 main.py")
    assert(ok, output)
    assert.equal("1.0 2 4 3.0 5 6.0 0 <class 'names.len_'> <class 'names.linux'>\n", output)
  end)

  it("prints a definition in Lua, and annotations with every field", function()
    generate("--lua", "names.lua")
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      dofile((...))
      assert(tostring(ipmmap.lookup("Names")) == tostring(ipmmap.describe((select(2, ...)))))
      print("same")
    ]], dir .. "/names.lua", dir .. "/Names_.mmap")
    child:expect("same")
    local out = cli.output { "schema", "--luals", dir .. "/Names_.mmap" }
    for _, name in ipairs { "end", "nil", "repeat", "local", "private", "public" } do
      assert.truthy(out:find(('---@field ["%s"] '):format(name), 1, true), name)
    end
    assert.matches("\n%-%-%-@class string_\n", out)
    assert.matches("\n%-%-%-@field has_string string_%[%] # string%[2%]\n", out)
  end)
end)

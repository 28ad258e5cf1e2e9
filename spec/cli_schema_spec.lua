local cli = require "spec.helper.cli"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

-- Names that other languages reserve, a parent with padding at its end, arrays of everything.
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
    dir = tmpdir()
    file = dir .. "/Schema_.mmap"
    manager = assert(ipmmap.manager("Schema", { create = true, mmap_dir = dir }))
    manager:set { text = "live", grid = { {}, { 0, 0, 1.5 } }, struct = { { int = -3 } } }
    writer = process.spawn(DEFINE .. [[
      local editor = assert(ipmmap.editor("Schema", { mmap_dir = ... }))
      print("busy")
      for i = 1, math.huge do editor:set { count = i, twin = i } end
    ]], dir)
    writer:expect("busy")
  end)

  after_each(function()
    writer:kill()
    manager:close()
  end)

  local function generate(option, name)
    local path = dir .. "/" .. name
    local out <close> = assert(io.open(path, "w"))
    out:write(cli.output { "schema", option, file })
    return path
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

  it("prints a definition in Lua that gives the same layout", function()
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

  it("prints a Python module that reads the live segment, of one commit", function()
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

  it("prints annotations for the Lua language server", function()
    local out = cli.output { "schema", "--luals", file }
    assert.matches("%-%-%-@class Schema: Parent\n", out)
    assert.matches("%-%-%-@field grid number%[%]%[%] # float%[4%]%[3%]\n", out)
    assert.matches('%-%-%-@field %["end"%] number # double\n', out)
    assert.matches("%-%-%-@field struct class%[%]", out)
    assert.is_truthy(load(out))
  end)
end)

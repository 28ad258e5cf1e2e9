local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local function lua_blocks(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  local blocks = {}
  for block in text:gmatch("\n```lua\n(.-)\n```") do
    blocks[#blocks + 1] = block
  end
  return blocks
end

describe("the README", function()
  it("has Lua blocks that run one after the other and print what they say", function()
    local blocks = lua_blocks("README.md")
    assert.is_true(#blocks >= 5)
    local program = tmpdir() .. "/readme.lua"
    local file = assert(io.open(program, "w"))
    assert(file:write(table.concat(blocks, "\n")))
    file:close()
    local child = process.start { "lua5.4", program, cwd = program:match("^(.*)/") }
    child:expect("1.5")
    child:expect("Ada\t100")
    child:expect("90")
    child:match("Player%.hp: 3000000000 is out of range for int32")
    child:expect("99")
    child:match("Player_level%-2%.mmap")
    child:join()
  end)
end)

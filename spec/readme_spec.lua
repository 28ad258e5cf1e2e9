local markdown = require "spec.helper.markdown"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

describe("the README", function()
  it("has Lua blocks that run in two processes as described, and print what their comments say", function()
    local blocks = markdown.blocks("README.md", "lua")
    assert.is_true(#blocks >= 7)
    local dir = tmpdir()
    local function write(name, text)
      local file <close> = assert(io.open(dir .. "/" .. name, "w"))
      assert(file:write(text))
    end
    write("player.lua", blocks[1])
    write("reader.lua", table.remove(blocks, 3))
    write("writer.lua", table.concat(blocks, "\nprint('so far') io.read()\n", 2))

    -- The module path includes the working directory, as Lua's default path does.
    local function start(name)
      return process.start {
        process.LUA, "-e", "package.path = './?.lua;' .. package.path", name, cwd = dir,
      }
    end

    local function go_on(child) -- lets the child run its next block
      child:expect("so far")
      child:send("")
    end

    local writer = start "writer.lua"
    writer:expect("so far")
    local reader = start "reader.lua"
    reader:expect("1.5")
    reader:expect("Ada\t100")
    writer:send("")
    reader:expect("90")
    reader:join()
    go_on(writer)
    writer:match("Player%.hp: 3000000000 is out of range for int32")
    go_on(writer)
    go_on(writer) -- the block with `with`, which prints nothing
    writer:expect("99")
    go_on(writer)
    writer:match("Player_level%-2%.mmap")
    writer:join()
  end)
end)

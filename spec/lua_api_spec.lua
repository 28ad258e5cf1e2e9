local lua_comments = require "tools.lua_comments"
local markdown = require "spec.helper.markdown"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local PAGE <const> = "docs/lua-api.md"

-- The page's first block comes before each of the others.
local blocks = markdown.blocks(PAGE, "lua")

local function run(source)
  local dir = tmpdir()
  local file <close> = assert(io.open(dir .. "/example.lua", "w"))
  assert(file:write(source))
  file:flush()
  local program = process.start { process.LUA, "example.lua", cwd = dir }
  for line in source:gmatch "%-%->%s([^\n]*)" do program:expect(line) end
  assert.is_nil(program:line())
  program:join()
end

describe("the Lua reference", function()
  it("is up to date with the sources", function()
    local pipe <close> = assert(io.popen "${LUA:-lua5.4} tools/lua_api.lua 2>&1")
    assert(pipe:read "a" == markdown.read(PAGE), "the sources have changed: run make " .. PAGE)
  end)

  it("has an example for each function", function()
    local count = 0
    for _, entry in pairs(lua_comments.read()) do
      if entry.kind == "function" or entry.kind == "table" then count = count + 1 end
    end
    assert.equal(count, #blocks - 1)
  end)

  for i = 2, #blocks do
    it("has an example that prints what its comments say: " .. blocks[i]:match "[^\n]*", function()
      run(blocks[1] .. "\n" .. blocks[i])
    end)
  end
end)

local markdown = require "spec.helper.markdown"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

describe("the guides", function()
  for _, page in ipairs {
    "feeds", "state-messages-queues", "coroutines", "several-segments", "migration", "following", "meaning",
  } do
    it("have Lua blocks that run as one program and print what their comments say: " .. page, function()
      local dir = tmpdir()
      local source = table.concat(markdown.blocks("docs/" .. page .. ".md", "lua"), "\n")
      local file = assert(io.open(dir .. "/guide.lua", "w"))
      assert(file:write(source))
      file:close()

      local program = process.start { process.LUA, "guide.lua", cwd = dir }
      local lines = 0
      for expected in source:gmatch("%-%->%s([^\n]*)") do
        for line in (expected .. "--> "):gmatch("%s*(.-)%s*%-%->%s") do
          program:expect(line)
          lines = lines + 1
        end
      end
      assert.is_true(lines >= 5)
      program:join()
    end)
  end
end)

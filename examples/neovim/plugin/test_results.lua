--- Shows how many tests have passed and failed in the status line, while count.lua counts them.
local ipmmap = require "ipmmap"
local TestResults = require "test_results"

-- The program that starts first makes the segment, in .mmap of the directory that it starts in.
assert(ipmmap.manager(TestResults, { create = true })):close()
local reader = assert(ipmmap.reader(TestResults, { follow = true }))

local function look()
  reader:drain()
  local results = reader:snapshot()
  return ("%d passed, %d failed"):format(results.passed, results.failed)
end

local function show(text)
  vim.g.test_results = text
  vim.cmd "redrawstatus!"
end

-- Neovim's loop calls this after a commit. Only a scheduled function may change Neovim.
vim.loop.new_poll(reader:fd()):start("r", function(problem)
  assert(not problem, problem)
  local ok, text = pcall(look) -- fails while the segment is being replaced
  if ok then vim.schedule(function() show(text) end) end
end)

vim.o.statusline = "%f %m %=%{g:test_results} " -- or add the %{...} to your own
show(look())

--- Follows two segments and a timer in one cqueues loop.
-- usage: lua loop_cqueues.lua [DIR]
local cqueues = require "cqueues"
package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path
local readers, editors = require "loop_struct" ()

local loop = cqueues.new()

--- Calls show(version) after each commit, as often as `times`.
local function follow(reader, times, show)
  local readable = { pollfd = reader:fd(), events = "r" }
  loop:wrap(function()
    for _ = 1, times do
      cqueues.poll(readable)
      show(reader:drain())
    end
  end)
end

follow(readers.Engine, 2, function(version)
  print(("engine: %d rpm at version %d"):format(readers.Engine:read("rpm"), version))
end)
follow(readers.Cabin, 1, function(version)
  print(("cabin: %.1f degrees at version %d"):format(readers.Cabin:read("celsius"), version))
end)

loop:wrap(function()
  local steps = {
    function() editors.Engine:write("rpm", 900) end,
    function() editors.Cabin:write("celsius", 21.5) end,
    function() editors.Engine:write("rpm", 3000) end,
  }
  for tick, step in ipairs(steps) do
    cqueues.sleep(0.1)
    print("tick " .. tick)
    step()
  end
  cqueues.sleep(0.1)
  print("tick 4")
end)

assert(loop:loop())
for _, editor in pairs(editors) do editor:destroy() end
print("done")

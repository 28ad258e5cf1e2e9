--- Follows two segments and a timer in one luv event loop.
-- usage: lua loop_luv.lua [DIR]
local uv = require "luv"
package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path
local readers, editors = require "loop_struct" ()

local function follow(reader, show)
  local poll = uv.new_poll(reader:fd())
  poll:start("r", function(err)
    assert(not err, err)
    local version = reader:drain()
    show(version)
  end)
  return poll
end

local timer = uv.new_timer()
local engine, cabin

engine = follow(readers.Engine, function(version)
  print(("engine: %d rpm at version %d"):format(readers.Engine:read("rpm"), version))
end)
cabin = follow(readers.Cabin, function(version)
  print(("cabin: %.1f degrees at version %d"):format(readers.Cabin:read("celsius"), version))
end)

local ticks = 0
timer:start(100, 100, function()
  ticks = ticks + 1
  print("tick " .. ticks)
  if ticks == 1 then
    editors.Engine:write("rpm", 900)
  elseif ticks == 2 then
    editors.Cabin:write("celsius", 21.5)
  elseif ticks == 3 then
    editors.Engine:write("rpm", 3000)
  else
    for _, handle in ipairs { timer, engine, cabin } do handle:close() end
  end
end)

uv.run()
for _, editor in pairs(editors) do editor:destroy() end
print("done")

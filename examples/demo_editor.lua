--- Writes random values to every field of the demo's struct, once a second, until Ctrl-C.
-- Start demo_reader.lua in another terminal, in the same directory.
package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path

local ipmmap = require "ipmmap"
local helper = require "demo_helper"

ipmmap.load { "demo_struct" }
assert(ipmmap.manager("DemoMmapStructure", { create = true })):close()
local editor <close> = assert(ipmmap.editor("DemoMmapStructure"))
local updates = 0

local function random_text()
  local letters = {}
  for i = 1, math.random(8, 40) do letters[i] = string.char(math.random(97, 122)) end
  return table.concat(letters)
end

local function update()
  local data <close> = editor:lock()
  data.data_int = math.random(-1000, 1000)
  data.data_string = random_text()
  data.data_xy = { x = math.random(), y = math.random() }
  data.multi_pts.multi_data_int = math.random(-1000, 1000)
  for _, point in ipairs(data.multi_pts.multi_points) do
    point.x = 100 * math.random()
    point.y = 100 * math.random()
  end
  editor:touch()
end

helper.run(function()
  print("writing to " .. editor:info().path)
  while true do
    local start = ipmmap.now()
    update()
    local took = ipmmap.now() - start
    updates = updates + 1
    print(("%s version %d, a locked update of %.0f microseconds")
          :format(helper.clock(start), editor:version(), took * 1e6))
    helper.show(editor:snapshot())
    ipmmap.sleep(1)
  end
end, function()
  print(("stopped after %d updates"):format(updates))
end)

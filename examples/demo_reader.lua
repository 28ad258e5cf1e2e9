--- Prints the demo's struct after each commit, until Ctrl-C.
-- Start demo_editor.lua in the same directory, before or after it.
package.path = (arg[0]:match("^.*/") or "./") .. "?.lua;" .. package.path

local ipmmap = require "ipmmap"
local helper = require "demo_helper"

ipmmap.load { "demo_struct" }
local updates = 0

local function follow(reader)
  local version, copy = 0, nil
  while true do
    local new, message, code = reader:wait(version)
    local seen = ipmmap.now()
    if code == "replaced" then
      print(message)
      return
    end
    version = assert(new, message)
    copy = reader:snapshot(copy)
    updates = updates + 1
    print(("%s version %d, seen %.0f microseconds after its time stamp")
          :format(helper.clock(seen), version, (seen - copy.header.time_stamp) * 1e6))
    helper.show(copy)
  end
end

helper.run(function()
  while true do
    print "waiting for demo_editor.lua"
    local reader <close> = assert(ipmmap.reader("DemoMmapStructure", { wait = math.huge }))
    print("reading " .. reader:info().path)
    follow(reader)
  end
end, function()
  print(("stopped after %d updates"):format(updates))
end)

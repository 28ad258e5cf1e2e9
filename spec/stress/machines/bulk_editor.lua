-- usage: lua5.4 spec/stress/machines/bulk_editor.lua DIR TAG PIECES SIZE PAUSE
--
-- Commits pieces for ever, with PAUSE seconds between two commits.
local ipmmap = require "ipmmap"
local bulk = require "spec.stress.machines.bulk"

local S = bulk.struct(math.tointeger(arg[3]), math.tointeger(arg[4]))
local pause = tonumber(arg[5])
local editor = assert(ipmmap.editor(S, { mmap_dir = arg[1], tag = arg[2], wait = 60 }))
while true do
  local ok, message, code = editor:try_with(5, function(view)
    bulk.step(view)
    return true
  end)
  if not ok and code ~= "not_home" then error(message, 0) end
  ipmmap.sleep(pause)
end

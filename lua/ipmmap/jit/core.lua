-- What the C module ipmmap.core gives in Lua 5.4, for LuaJIT: see src/lua/core.c.
local C = require "ipmmap.jit.library" -- first, because it tells if LuaJIT's ffi is missing
local ffi = require "ffi"

-- Each Lua state has one table, even if this module is loaded several times, because the table
-- holds the registered Structs.
local NAME = "ipmmap.jit.core"
local registry = debug and debug.getregistry and debug.getregistry() or {} -- luacheck: std max
if registry[NAME] then
  return registry[NAME]
end

local bytes = require "ipmmap.jit.bytes"
local meaning = require "ipmmap.jit.meaning"
local seconds = require "ipmmap.jit.seconds"
local structs = require "ipmmap.jit.struct"
local view = require "ipmmap.jit.view"

local handles = require "ipmmap.jit.handles"

registry[NAME] = {
  version = ffi.string(C.ipm_version()),
  struct = structs.core,
  structs = {}, -- the registered layouts, by name
  enums = {}, -- the Enums, by name
  number_text = meaning.number_text,
  describe = structs.describe,
  totable = bytes.totable,
  bytes = bytes.bytes,
  setbytes = bytes.setbytes,
  pointer = bytes.pointer,
  check = bytes.check,
  now = function() return C.ipm_time() end,
  boottime = handles.boottime,
  set_share = handles.set_share,
  ticks = function() return tonumber(seconds.clock()) / 1e9 end,
  sleep = seconds.sleep,
  wait_any = handles.wait_any,
  pairs = view.pairs,
  ipairs = view.ipairs,
  open = handles.open,
  repair = handles.repair,
  adopt = handles.adopt,
  methods = handles.methods,
  feed = handles.feed,
}

return registry[NAME]

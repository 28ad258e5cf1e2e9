--- A lower bound for LuaJIT's binding: the core's functions, called by the FFI without a check.
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local measure = require "measure"

local manager = measure.manager(measure.demo(), "bare")
local options = ffi.new("ipm_options", { own_size = ffi.sizeof "ipm_options" })
local path = manager:info().path
options.path = path
local layout, segment = ffi.new "ipm_layout *[1]", ffi.new "ipm_segment *[1]"
assert(C.ipm_layout_load(path, layout, nil) == 0)
assert(C.ipm_segment_open(C.IPM_EDITOR, layout[0], options, segment, nil) == 0)
local opened = segment[0]

local FOREVER = 0x7fffffffffffffffLL
local int32 = ffi.typeof "int32_t *"
local into = ffi.new "int32_t[1]"
local copy = ffi.new("uint64_t[?]", 688 / 8)

local function time(metric, what)
  what(10000) -- compiled before the time counts
  measure.print(metric, measure.time(what))
end

time("floor.jit_lock_1", function(count)
  for i = 1, count do
    C.ipm_segment_lock(opened, FOREVER, nil)
    ffi.cast(int32, C.ipm_segment_change(opened, 16, 4))[0] = i
    C.ipm_segment_unlock(opened, nil)
  end
end)
time("floor.jit_read", function(count)
  local sum = 0
  for _ = 1, count do
    C.ipm_segment_read(opened, 16, 4, into, nil)
    sum = sum + into[0]
  end
  return sum
end)
time("floor.jit_snapshot", function(count)
  for _ = 1, count do
    C.ipm_segment_snapshot(opened, copy, nil, nil)
  end
end)
C.ipm_segment_close(opened, nil)
manager:destroy()

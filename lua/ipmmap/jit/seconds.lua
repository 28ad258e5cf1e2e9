-- Times in seconds as arguments, and waits in slices, between which debug hooks run: they may raise
-- an error, as the luajit program's hook for Ctrl-C does.
local ffi = require "ffi"
require "ipmmap.jit.library" -- declares the functions below
local errors = require "ipmmap.jit.errors"

local seconds = {}

local SECOND = 1000000000LL
local FOREVER = 0x7fffffffffffffffLL

seconds.FOREVER = FOREVER

--- The number that an integer of 64 bits is, as `1LL`; any other value unchanged.
function seconds.number(value)
  if type(value) == "cdata" and (ffi.istype("int64_t", value) or ffi.istype("uint64_t", value)) then
    return tonumber(value)
  end
  return value
end

--- A number of seconds as an int64_t of nanoseconds, 0 for one below 0. Raises if it is no number.
-- absent  the result for nil
-- whose   the beginning of the message: the struct's name, or a function's
function seconds.check(value, absent, whose)
  value = seconds.number(value)
  if value == nil then
    return absent
  elseif type(value) ~= "number" or value ~= value then
    errors.refuse("%s: %s is not a number of seconds", whose, errors.shown(value))
  elseif value <= 0 then
    return 0LL
  end
  return value < 9e9 and ffi.cast("int64_t", value * 1e9) or FOREVER
end

-- Nanoseconds of a clock that never goes back.
local time = ffi.new "int64_t[2]" -- a struct timespec
local CLOCK_MONOTONIC = 1

function seconds.clock()
  ffi.C.ipmmap_clock_gettime(CLOCK_MONOTONIC, time)
  return time[0] * SECOND + time[1]
end

--- The time at which so many nanoseconds are over, for `slice`.
function seconds.deadline(timeout)
  local now = seconds.clock()
  return timeout > FOREVER - now and FOREVER or now + timeout
end

--- The time left; 0 after the end.
function seconds.left(deadline)
  if deadline == FOREVER then
    return FOREVER
  end
  local left = deadline - seconds.clock()
  return left > 0 and left or 0LL
end

--- The length of the next wait: the time left, at most a second; 0 after the end.
function seconds.slice(deadline)
  local left = seconds.left(deadline)
  return left < SECOND and left or SECOND
end

--- Sleep for a number of seconds.
function seconds.sleep(value)
  if value == nil then
    errors.argument(1, "sleep", "number expected, got no value")
  end
  local deadline = seconds.deadline(seconds.check(value, 0LL, "sleep"))
  local left = seconds.slice(deadline)
  while left > 0 do
    time[0], time[1] = left / SECOND, left % SECOND
    ffi.C.ipmmap_nanosleep(time, nil)
    left = seconds.slice(deadline)
  end
end
jit.off(seconds.sleep) -- hooks do not run in compiled code

return seconds

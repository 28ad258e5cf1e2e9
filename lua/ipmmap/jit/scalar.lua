-- Scalars: reading, checking and storing them. The checks and the texts are those of
-- src/lua/scalar.c. LuaJIT has no integers of 64 bits but cdata: a number within 2^53 is read as a
-- number, a larger one as int64_t or uint64_t, and both are taken.
local ffi = require "ffi"
local bit = require "bit"
local errors = require "ipmmap.jit.errors"

local scalar = {}

local tobit, floor = bit.tobit, math.floor

local SHORT_TEXT = 512
local short_text = ffi.new("char[?]", SHORT_TEXT + 1)
local long_text, long_size = nil, 0

--- Make room for a text of a type that is longer than short_text, before it is read.
local function make_room(size)
  if size > SHORT_TEXT and size > long_size then
    long_text, long_size = ffi.new("char[?]", size + 1), size
  end
end

--- The text of at most `size` bytes at an address. A process may change the bytes while Lua reads
-- them, several times, to make a string. So Lua gets a private copy.
local function text(at, size)
  if size > SHORT_TEXT then
    ffi.C.ipmmap_memccpy(long_text, at, 0, size)
    long_text[size] = 0
    return ffi.string(long_text)
  end
  ffi.copy(short_text, at, size)
  short_text[size] = 0
  return ffi.string(short_text)
end

-- A uint32 that was loaded as an int32. LuaJIT 2.1 of 2022, compiling the conversion of a loaded
-- uint32_t to a number and further to an int64_t, extends the sign.
local function from_uint32(value)
  if value < 0 then
    return value + 0x100000000
  end
  return value
end

--- A 64-bit integer as a number, if every number of its size is one.
local function from_int64(value)
  if value >= -0x20000000000000LL and value <= 0x20000000000000LL then
    return tonumber(value)
  end
  return value
end

local function from_uint64(value)
  if value <= 0x20000000000000ULL then
    return tonumber(value)
  end
  return value
end

--[[
For each kind, parts of the Lua code that reads and stores it, for scalars and for the accessors of
views. `load` is an expression, `store` a statement, `check` a condition that holds for the numbers
and so on which can be stored as they are; other values go through `convert`. The code uses `at`,
the address of the scalar, `x`, the value, and SIZE. It allocates nothing before it has read or
stored the scalar; what does is in `before_load` and `before_store`. `c` is its type in C, and
`c_load` the one that `load` uses if it is another one.
]]
local kinds = {
  bool = {
    c = "uint8_t", load = "at[0] ~= 0",
    check = "type(x) == 'boolean'", store = "at[0] = x and 1 or 0",
  },
  int8 = { c = "int8_t", min = -128, max = 127 },
  uint8 = { c = "uint8_t", min = 0, max = 255 },
  int16 = { c = "int16_t", min = -32768, max = 32767 },
  uint16 = { c = "uint16_t", min = 0, max = 65535 },
  int32 = {
    c = "int32_t", min = -0x80000000, max = 0x7fffffff,
    check = "type(x) == 'number' and tobit(x) == x",
  },
  uint32 = {
    c = "uint32_t", min = 0, max = 0xffffffff,
    c_load = "int32_t", load = "from_uint32(at[0])",
    check = "type(x) == 'number' and x >= 0 and x <= 0xffffffff and floor(x) == x",
  },
  int64 = {
    c = "int64_t", min = -0x8000000000000000LL, max = 0x7fffffffffffffffLL,
    load = "from_int64(at[0])",
    check = "type(x) == 'number' and x >= -0x1p63 and x < 0x1p63 and floor(x) == x",
  },
  uint64 = {
    c = "uint64_t", min = 0ULL, max = 0xffffffffffffffffULL,
    load = "from_uint64(at[0])",
    check = "type(x) == 'number' and x >= 0 and x < 0x1p64 and floor(x) == x",
  },
  float = {
    c = "float", is_real = true,
    -- From here on a number rounds to infinity: FLT_MAX and half of its last place.
    check = "type(x) == 'number' and x > -0x1.ffffffp127 and x < 0x1.ffffffp127",
  },
  double = { c = "double", is_real = true, check = "type(x) == 'number'" },
  char = {
    c = "char", load = "text(at, SIZE)", before_load = "make_room(SIZE)",
    check = "type(x) == 'string' and #x <= SIZE and not find(x, '\\0', 1, true)",
    before_store = "local rest = at + #x",
    store = "copy(at, x, #x) fill(rest, SIZE - #x)",
  },
}

for _, kind in pairs(kinds) do
  kind.load = kind.load or "at[0]"
  kind.store = kind.store or "at[0] = x"
  kind.check = kind.check
    or ("type(x) == 'number' and tobit(x) == x and x >= %d and x <= %d"):format(kind.min, kind.max)
  kind.before_load, kind.before_store = kind.before_load or "", kind.before_store or ""
  kind.pointer = ffi.typeof(kind.c .. " *")
  kind.load_pointer = ffi.typeof((kind.c_load or kind.c) .. " *")
end

--- What the code may use besides `pointer`.
scalar.names = "cast, type, tobit, floor, find, copy, fill, make_room, text, "
  .. "from_uint32, from_int64, from_uint64"
function scalar.values()
  return ffi.cast, type, tobit, floor, string.find, ffi.copy, ffi.fill, make_room,
    text, from_uint32, from_int64, from_uint64
end
scalar.kinds = kinds

local function compile(pointer, code)
  local chunk = "local pointer, " .. scalar.names .. " = ...\n" .. code:gsub("SIZE", "size")
  return assert(loadstring(chunk, errors.chunk "scalar"))(pointer, scalar.values())
end

for _, kind in pairs(kinds) do
  kind.loads = compile(kind.load_pointer, ([[
    return function(at, size)
      %s
      at = cast(pointer, at)
      return %s
    end]]):format(kind.before_load, kind.load))
  kind.stores = compile(kind.pointer, ([[
    return function(at, size, x, ends, ends_before)
      at = cast(pointer, at)
      %s
      if ends and ends[0] ~= ends_before then return false end
      %s
      return true
    end]]):format(kind.before_store, kind.store))
  kind.checks = compile(nil, ("return function(x, size) return %s end"):format(kind.check))
end

--- The scalar at an address that stays accessible.
function scalar.load(type, at)
  return kinds[type.kind].loads(at, type.size)
end

--- Store what `convert` gave. With `ends` and `ends_before` it is stored only if they still agree:
-- see memory.lua. Returns whether it was stored.
function scalar.store(type, at, stored, ends, ends_before)
  return kinds[type.kind].stores(at, type.size, stored, ends, ends_before)
end

-- Conversions ----------------------------------------------------------------------------------

local function is_int64(x)
  return type(x) == "cdata" and ffi.istype("int64_t", x)
end

local function is_uint64(x)
  return type(x) == "cdata" and ffi.istype("uint64_t", x)
end

--- Whether a value is an integer of 64 bits, as LuaJIT has them.
function scalar.is_wide(x)
  return is_int64(x) or is_uint64(x)
end

-- An integer of 64 bits for a kind of integers. `uint64` holds the 64 bits of any.
local function convert_wide(kind, x)
  if kind.c == "uint64_t" then
    return true, ffi.cast("uint64_t", x)
  elseif is_uint64(x) and x > 0x7fffffffffffffffULL then
    return false
  end
  x = ffi.cast("int64_t", x)
  if x < kind.min or x > kind.max then
    return false
  end
  return true, kind.c == "int64_t" and x or tonumber(x)
end

--- Convert a value for a scalar's type. Returns whether it is a value of the type, and what to
-- store.
function scalar.convert(type_, x)
  local kind = kinds[type_.kind]
  if kind.checks(x, type_.size) then
    return true, x
  elseif scalar.is_wide(x) and (kind.min or kind.is_real) then
    if kind.is_real then
      return true, tonumber(x)
    end
    return convert_wide(kind, x)
  elseif type(x) ~= "number" then
    return false
  elseif kind.is_real then
    return x ~= x or x - x ~= 0, x -- not finite, and so in the range of any
  elseif kind.c == "uint64_t" then
    return x >= -0x1p63 and x < 0 and floor(x) == x, ffi.cast("int64_t", x)
  end
  return false
end

-- Adding ---------------------------------------------------------------------------------------

local function is_finite(x)
  return x - x == 0
end

-- The sum as a 64-bit integer, or nil: it is out of the range of 64 bits, or the number is.
local function add_wide(kind, old, n)
  if type(n) == "number" and (n < -0x1p63 or n >= (kind.c == "uint64_t" and 0x1p64 or 0x1p63)) then
    return nil
  end
  local is_negative = n < 0
  if kind.c == "uint64_t" then
    n = is_negative and ffi.cast("int64_t", n) or n -- a negative double has no uint64_t
    old, n = ffi.cast("uint64_t", old), ffi.cast("uint64_t", n)
  else
    old, n = ffi.cast("int64_t", old), ffi.cast("int64_t", n)
  end
  local sum = old + n
  if is_negative and sum > old or not is_negative and sum < old then
    return nil
  end
  return sum
end

--- The sum of a scalar and a number, to be stored, or nil: it is out of range. `n` is what
-- `is_number` allows. The sum of finite numbers must be finite.
function scalar.add(type_, old, n)
  local kind = kinds[type_.kind]
  if kind.is_real then
    n = tonumber(n)
    local sum = old + n
    local fits, stored = scalar.convert(type_, sum)
    return fits and (is_finite(sum) or not is_finite(old) or not is_finite(n)) and stored or nil
  end
  if is_uint64(n) and n > 0x7fffffffffffffffULL and kind.c ~= "uint64_t" then
    return nil
  end
  local sum = add_wide(kind, old, n)
  if sum == nil then
    return nil
  end
  local fits, stored = convert_wide(kind, sum)
  return fits and stored or nil
end

-- Refusals -------------------------------------------------------------------------------------

local function show(limit)
  return (tostring(limit):gsub("U?LL$", ""))
end

--- The range of a type of numbers as messages show it.
function scalar.range(type_)
  if type_.kind == "float" then
    return "-3.40282347e+38 to 3.40282347e+38"
  elseif type_.kind == "double" then
    return "-1.7976931348623157e+308 to 1.7976931348623157e+308"
  end
  local kind = kinds[type_.kind]
  return ("%s to %s"):format(show(kind.min), show(kind.max))
end

-- Infinity counts as whole, NaN does not.
local function is_whole(x)
  return type(x) == "number" and (x == math.huge or x == -math.huge or floor(x) == x)
end

local function has_expected_type(kind, x)
  if kind.min then
    return is_whole(x) or scalar.is_wide(x)
  elseif kind.is_real then
    return type(x) == "number" or scalar.is_wide(x)
  end
  return type(x) == (kind.c == "char" and "string" or "boolean")
end

local function expectation(kind)
  return kind.min and "an integer" or kind.is_real and "a number"
    or kind.c == "char" and "a string" or "a boolean"
end

--- Raise an error that says why `convert` refused a value for a part of a memory.
function scalar.complain(memory, type_, offset, x)
  local kind = kinds[type_.kind]
  local shown = errors.shown(x)
  if not has_expected_type(kind, x) then
    errors.complain(memory, type_, offset, "%s is not %s (%s)", shown, expectation(kind),
      type_.name)
  elseif kind.c == "char" and #x > type_.size then
    errors.complain(memory, type_, offset, "%s has %d bytes, %s holds %d", shown, #x, type_.name,
      type_.size)
  elseif kind.c == "char" then
    errors.complain(memory, type_, offset, "%s has a NUL in it, which would end %s", shown,
      type_.name)
  end
  errors.complain(memory, type_, offset, "%s is out of range for %s (%s)", shown, type_.name,
    scalar.range(type_))
end

return scalar

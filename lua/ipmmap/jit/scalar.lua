-- Scalars: reading, checking and storing them. The checks and the texts are those of
-- src/lua/scalar.c. LuaJIT has no integers of 64 bits but cdata: a number within 2^53 is read as a
-- number, a larger one as int64_t or uint64_t, and both are taken.
local ffi = require "ffi"
local bit = require "bit"
local errors = require "ipmmap.jit.errors"
local meaning = require "ipmmap.jit.meaning"
local wide = require "ipmmap.jit.wide"

local scalar = {}

local from_int64, from_uint64, name_of = meaning.from_int64, meaning.from_uint64, meaning.name_of
local tobit, floor = bit.tobit, math.floor

--- Whether the values of a type are read as names.
local function is_named(type)
  return type.names ~= nil and not type.names.is_flags
end
scalar.is_named = is_named

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

-- The text of UTF-16 or UTF-32 at an address, of which Lua gets a private copy, too.
local function wide_text(at, size, unit)
  local copy = size > SHORT_TEXT and long_text or short_text
  ffi.copy(copy, at, size)
  return wide.decode(ffi.string(copy, size), unit)
end

-- A number as a float holds it.
local float = ffi.new "float[1]"
local function narrow(x)
  float[0] = x
  return float[0]
end

-- The units of a text, if it is one that fits.
local function encode(x, size, unit)
  local units = type(x) == "string" and not x:find("\0", 1, true) and wide.encode(x, unit)
  return units and #units <= size and units or nil
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
  char16 = { unit = 2 },
  char32 = { unit = 4 },
}

-- What is stored is not the text, but its units.
for _, kind in pairs { kinds.char16, kinds.char32 } do
  kind.c, kind.check = "char", "false"
  kind.load = ("wide_text(at, SIZE, %d)"):format(kind.unit)
  kind.encode = ("encode(x, SIZE, %d)"):format(kind.unit)
  kind.before_load, kind.before_store = kinds.char.before_load, kinds.char.before_store
  kind.store = kinds.char.store
end

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
  .. "from_uint32, from_int64, from_uint64, wide_text, encode, narrow, name_of"
function scalar.values()
  return ffi.cast, type, tobit, floor, string.find, ffi.copy, ffi.fill, make_room,
    text, from_uint32, from_int64, from_uint64, wide_text, encode, narrow, name_of
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
  local value = kinds[type.kind].loads(at, type.size)
  if is_named(type) then
    return name_of(type.names.names, value)
  end
  return value
end

--- The same as `convert` would give it for a place of this type.
function scalar.raw(type, at)
  local kind = kinds[type.kind]
  return kind.unit and ffi.string(at, type.size) or kind.loads(at, type.size)
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

--- Convert an integer of 64 bits for a kind of integers. `uint64` holds the 64 bits of any.
function scalar.convert_wide(kind, x)
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

--- The same as scalar.convert, but limits and names do not count.
function scalar.convert_kind(type_, x)
  local kind = kinds[type_.kind]
  if kind.checks(x, type_.size) then
    return true, x
  elseif kind.unit then
    local units = encode(x, type_.size, kind.unit)
    return units ~= nil, units
  elseif scalar.is_wide(x) and (kind.min or kind.is_real) then
    if kind.is_real then
      return true, tonumber(x)
    end
    return scalar.convert_wide(kind, x)
  elseif type(x) ~= "number" then
    return false
  elseif kind.is_real then
    return x ~= x or x - x ~= 0, x -- not finite, and so in the range of any
  elseif kind.c == "uint64_t" then
    return x >= -0x1p63 and x < 0 and floor(x) == x, ffi.cast("int64_t", x)
  end
  return false
end

-- What is stored as it will be read, to be compared with limits.
local function as_stored(kind, stored)
  if kind == "uint64" then
    return ffi.cast("uint64_t", stored)
  elseif kind == "int64" then
    return ffi.cast("int64_t", stored)
  end
  return kind == "float" and narrow(stored) or stored
end

--- Whether what `convert_kind` gave is within the limits of a type. NaN never is.
function scalar.is_within(type_, stored)
  local limits, x = type_.limits, as_stored(type_.kind, stored)
  return x == x and (limits.min == nil or x >= limits.min)
    and (limits.max == nil or x <= limits.max)
end

--- Convert a value for a scalar's type. Returns whether it is a value of the type, and what to
-- store.
function scalar.convert(type_, x)
  if is_named(type_) then
    x = type_.names.numbers[x] or x
  end
  local fits, stored = scalar.convert_kind(type_, x)
  if fits and type_.limits and not scalar.is_within(type_, stored) then
    return false
  end
  return fits, stored
end

-- Code for accessors ---------------------------------------------------------------------------

-- A limit in code that compares it with a number. Where a limit is outside of 2^53, the code leaves
-- the numbers outside of 2^53 to `convert`.
local function bound(limit, beyond)
  if type(limit) == "number" then
    return ("%.17g"):format(limit)
  end
  return (limit > 0) == (beyond > 0) and ("%.17g"):format(beyond * 0x1p53)
    or ("%.17g"):format(-beyond * 0x1p64)
end

--- A condition that holds only for values which can be stored as they are.
function scalar.check_code(type_)
  local kind, limits = kinds[type_.kind], type_.limits
  if not limits then
    return kind.check
  end
  local x = type_.kind == "float" and "narrow(x)" or "x"
  return kind.check
    .. (limits.min and (" and %s >= %s"):format(x, bound(limits.min, -1)) or "")
    .. (limits.max and (" and %s <= %s"):format(x, bound(limits.max, 1)) or "")
end

--- The code that loads a value, where `part` is the type.
function scalar.load_code(type_)
  local load = kinds[type_.kind].load
  return is_named(type_) and ("name_of(part.names.names, %s)"):format(load) or load
end

return scalar

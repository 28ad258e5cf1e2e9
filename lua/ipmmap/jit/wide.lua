-- UTF-16 and UTF-32 text, and UTF-8, as in src/core/utf.c. An unpaired surrogate has its form of
-- three bytes in UTF-8, as in WTF-8, so that no unit is lost.
local ffi = require "ffi"
local bit = require "bit"

local wide = {}

local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift

local UNITS = { [2] = ffi.typeof "uint16_t[?]", [4] = ffi.typeof "uint32_t[?]" }
local POINTERS = { [2] = ffi.typeof "const uint16_t *", [4] = ffi.typeof "const uint32_t *" }
local REPLACEMENT = 0xfffd -- for a number that is no character

-- The least character of each length in UTF-8, and the first byte without its bits.
local LEAST = { 0, 0x80, 0x800, 0x10000 }
local LEAD = { 0, 0xc0, 0xe0, 0xf0 }

-- The UTF-8 of a character is stored at out[at]. Returns the index after it.
local function write_character(out, at, character)
  local size = character < 0x80 and 1 or character < 0x800 and 2 or character < 0x10000 and 3 or 4
  for i = size - 1, 1, -1 do
    out[at + i] = bor(0x80, band(character, 0x3f))
    character = rshift(character, 6)
  end
  out[at] = bor(LEAD[size], character)
  return at + size
end

local function is_high(unit) return band(unit, 0xfc00) == 0xd800 end
local function is_low(unit) return band(unit, 0xfc00) == 0xdc00 end

--- The UTF-8 of a text of units of `unit` bytes, up to the first zero.
function wide.decode(bytes, unit)
  local units, count = ffi.cast(POINTERS[unit], bytes), #bytes / unit
  local out, length = ffi.new("uint8_t[?]", 2 * #bytes + 4), 0
  local i = 0
  while i < count and units[i] ~= 0 do
    local character = units[i]
    i = i + 1
    if unit == 2 and is_high(character) and i < count and is_low(units[i]) then
      character = 0x10000 + lshift(band(character, 0x3ff), 10) + band(units[i], 0x3ff)
      i = i + 1
    end
    length = write_character(out, length, character > 0x10ffff and REPLACEMENT or character)
  end
  return ffi.string(out, length)
end

-- The character whose UTF-8 begins at an index of `bytes`, which end before `stop`, and its size;
-- nil: there is none.
local function read_character(bytes, at, stop)
  local first = bytes[at]
  local size = first < 0x80 and 1 or first < 0xc0 and 0 or first < 0xe0 and 2 or first < 0xf0 and 3
    or first < 0xf8 and 4 or 0
  if size == 0 or at + size > stop then
    return nil
  end
  local character = size == 1 and first or band(first, rshift(0xff, size + 1))
  for i = at + 1, at + size - 1 do
    if band(bytes[i], 0xc0) ~= 0x80 then
      return nil
    end
    character = bor(lshift(character, 6), band(bytes[i], 0x3f))
  end
  if character < LEAST[size] or character > 0x10ffff then
    return nil
  end
  return character, size
end

--- The units of `unit` bytes of a text, as a string of bytes; nil if it is not UTF-8.
function wide.encode(text, unit)
  local bytes, length = ffi.cast("const uint8_t *", text), #text
  local units, count = UNITS[unit](length + 1), 0
  local at = 0
  while at < length do
    local character, size = read_character(bytes, at, length)
    if not character then
      return nil
    end
    at = at + size
    if unit == 2 and character > 0xffff then
      units[count] = 0xd7c0 + rshift(character, 10)
      count = count + 1
      character = bor(0xdc00, band(character, 0x3ff))
    end
    units[count] = character
    count = count + 1
  end
  return ffi.string(units, count * unit)
end

return wide

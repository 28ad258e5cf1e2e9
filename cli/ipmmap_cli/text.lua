--- Escapes bytes that other programs wrote (values of char fields, names of files and processes),
-- so that they cannot control a terminal, and for JSON.
local text = {}

-- Whether a character is a control character or reorders the text around it.
local function is_hidden(code)
  return code < 0x20 or code >= 0x7f and code <= 0x9f or code == 0x61c or code == 0xfeff
    or code >= 0x200e and code <= 0x200f or code >= 0x2028 and code <= 0x202e
    or code >= 0x2066 and code <= 0x2069
end

-- Replaces each hidden character by write_character(code), and each byte that is not valid UTF-8 by
-- write_byte(byte).
local function escape(bytes, write_character, write_byte)
  if not bytes:find("[^\x20-\x7e]") then return bytes end
  local parts, at = {}, 1
  local function replace(character)
    local code = utf8.codepoint(character)
    return is_hidden(code) and write_character(code) or nil
  end
  while at <= #bytes do
    local _, bad = utf8.len(bytes, at)
    parts[#parts + 1] = bytes:sub(at, (bad or #bytes + 1) - 1):gsub(utf8.charpattern, replace)
    if not bad then break end
    parts[#parts + 1] = write_byte(bytes:byte(bad))
    at = bad + 1
  end
  return table.concat(parts)
end

local SHORT <const> = { [9] = "\\t", [10] = "\\n", [13] = "\\r" }

local function write_byte(byte) return ("\\x%02x"):format(byte) end

local function write_character(code)
  return SHORT[code] or (code < 0x80 and write_byte(code) or ("\\u{%x}"):format(code))
end

--- Escapes for people: hidden characters and bytes that are not valid UTF-8 become escape sequences
-- as in Lua.
function text.visible(bytes)
  return escape(bytes, write_character, write_byte)
end

--- The same, in quotes.
function text.quoted(bytes)
  return '"' .. text.visible((bytes:gsub('["\\]', "\\%0"))) .. '"'
end

local function write_unit(code) return ("\\u%04x"):format(code) end

local function write_surrogate(byte) return write_unit(0xdc00 + byte) end

--- A JSON string from which the same bytes can be read again. A byte that is not valid UTF-8
-- becomes the lone surrogate U+DC00 + byte, as in Python's "surrogateescape".
function text.json(bytes)
  return '"' .. escape((bytes:gsub('["\\]', "\\%0")), write_unit, write_surrogate) .. '"'
end

return text

--- Reads and writes JSON. Objects keep the order of their keys. Numbers keep their text, so that no
-- digit is lost: input.lua converts that text to the field's type.
local text = require "ipmmap_cli.text"

local json = {}

local Number, Object, Array = {}, {}, {}

--- A JSON number with this text.
function json.number(written) return setmetatable({ text = written }, Number) end

--- A JSON object of a list { { key, value }, ... }; it keeps the list's order. Pairs whose value is
-- nil are left out.
function json.object(pairs_in_order) return setmetatable(pairs_in_order, Object) end

function json.array(list) return setmetatable(list, Array) end

json.null = setmetatable({}, { __tostring = function() return "null" end })

--- The kind of a value: "number", "object", "array", "string", "boolean" or "null".
function json.kind(value)
  local metatable = getmetatable(value)
  if metatable == Number then return "number" end
  if metatable == Object then return "object" end
  if metatable == Array then return "array" end
  return value == json.null and "null" or type(value)
end

-- Writing -----------------------------------------------------------------------------------------

local function is_container(value)
  local kind = json.kind(value)
  return kind == "object" or kind == "array"
end

local encode

-- Joins parts between brackets. With an indent, each part is on a line of its own.
local function enclose(open, parts, close, indent)
  if #parts == 0 then return open .. close end
  if not indent then return open .. table.concat(parts, ",") .. close end
  local inner = "\n" .. indent .. "  "
  return open .. inner .. table.concat(parts, "," .. inner) .. "\n" .. indent .. close
end

function encode(value, indent)
  local kind, deeper, parts = json.kind(value), indent and indent .. "  ", {}
  if kind == "object" then
    for _, pair in ipairs(value) do
      if pair[2] ~= nil then
        parts[#parts + 1] = text.json(pair[1]) .. ":" .. encode(pair[2], deeper)
      end
    end
    return enclose("{", parts, "}", indent)
  elseif kind == "array" then
    for i, element in ipairs(value) do parts[i] = encode(element, deeper) end
    return enclose("[", parts, "]", is_container(value[1]) and indent)
  elseif kind == "string" then
    return text.json(value)
  elseif getmetatable(value) == Number then
    return value.text
  elseif math.type(value) == "float" then
    return ("%.14g"):format(value)
  end
  return tostring(value)
end

--- The JSON text of a value. The value consists of booleans, strings, finite numbers, objects,
-- arrays and null.
-- @param is_indented whether to write it over several indented lines, for people
function json.encode(value, is_indented)
  return encode(value, is_indented and "" or nil)
end

-- Reading -----------------------------------------------------------------------------------------

local MAX_DEPTH <const> = 150 -- deeper than any layout can be nested

local ESCAPES <const> = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}
local LITERALS <const> = { { "true", true }, { "false", false }, { "null", json.null } }

local function refuse(source, at, what)
  local found = source:sub(at, at + 9)
  error({ json = ("%s at byte %d%s"):format(what, at,
    found ~= "" and (", where '%s' is"):format(found) or ", where it ends") }, 0)
end

local function skip(source, at) return source:match("^[ \t\r\n]*()", at) end

-- The character, or the byte, that the \u escape at `at` stands for, and the position after it. Two
-- escapes of a surrogate pair count as one; text.json describes the escapes of bytes.
local function read_unicode(source, at)
  local digits = source:match("^\\u(%x%x%x%x)", at)
  if not digits then refuse(source, at, "no \\u and four hexadecimal digits") end
  local code = tonumber(digits, 16)
  local low = code >= 0xd800 and code <= 0xdbff and source:match("^\\u([dD][c-fC-F]%x%x)", at + 6)
  if low then
    return utf8.char(0x10000 + ((code - 0xd800) << 10) + tonumber(low, 16) - 0xdc00), at + 12
  elseif code >= 0xdc80 and code <= 0xdcff then
    return string.char(code - 0xdc00), at + 6
  elseif code >= 0xd800 and code <= 0xdfff then
    refuse(source, at, "half a surrogate pair")
  end
  return utf8.char(code), at + 6
end

local function read_string(source, at)
  local parts = {}
  while true do
    local plain, stop = source:match('^([^"\\\0-\31]*)()', at)
    parts[#parts + 1] = plain
    local sign = source:sub(stop, stop)
    if sign == '"' then return table.concat(parts), stop + 1 end
    if sign ~= "\\" then refuse(source, stop, "no end of a string") end
    local escaped = ESCAPES[source:sub(stop + 1, stop + 1)]
    if escaped then
      parts[#parts + 1], at = escaped, stop + 2
    else
      parts[#parts + 1], at = read_unicode(source, stop)
    end
  end
end

local read

-- Reads the elements up to the closing bracket. add(at) reads one element and returns the position
-- after it. Returns the position after the bracket.
local function read_list(source, at, close, add)
  at = skip(source, at)
  if source:sub(at, at) == close then return at + 1 end
  while true do
    at = skip(source, add(skip(source, at)))
    local sign = source:sub(at, at)
    if sign == close then return at + 1 end
    if sign ~= "," then refuse(source, at, ("neither ',' nor '%s'"):format(close)) end
    at = at + 1
  end
end

local function read_object(source, at, depth)
  local object, known = json.object {}, {}
  return object, read_list(source, at, "}", function(start)
    if source:sub(start, start) ~= '"' then refuse(source, start, "no name in quotes") end
    local name, colon = read_string(source, start + 1)
    if known[name] then refuse(source, start, "the second value of a name") end
    known[name] = true
    colon = skip(source, colon)
    if source:sub(colon, colon) ~= ":" then refuse(source, colon, "no ':'") end
    local value, stop = read(source, skip(source, colon + 1), depth + 1)
    object[#object + 1] = { name, value }
    return stop
  end)
end

local function read_array(source, at, depth)
  local array = json.array {}
  return array, read_list(source, at, "]", function(start)
    local stop
    array[#array + 1], stop = read(source, start, depth + 1)
    return stop
  end)
end

function read(source, at, depth)
  local sign = source:sub(at, at)
  if depth > MAX_DEPTH then refuse(source, at, "nested too deep") end
  if sign == '"' then return read_string(source, at + 1) end
  if sign == "{" then return read_object(source, at + 1, depth) end
  if sign == "[" then return read_array(source, at + 1, depth) end
  for _, literal in ipairs(LITERALS) do
    local stop = at + #literal[1]
    if source:sub(at, stop - 1) == literal[1] then return literal[2], stop end
  end
  local number, stop = source:match("^(%-?%d[%d.eE+-]*)()", at)
  if not number or number:find("^%-?0%d") or number:find("%.%D") or number:find("%.$")
    or not tonumber(number) then
    refuse(source, at, "no value")
  end
  return json.number(number), stop
end

--- Reads JSON text. Booleans and strings become Lua's; null becomes json.null; numbers, objects and
-- arrays become what json.number, json.object and json.array make.
-- @return the value; or nil and a message
function json.decode(source)
  local ok, value, stop = pcall(read, source, skip(source, 1), 0)
  if ok and skip(source, stop) <= #source then
    ok, value = pcall(refuse, source, skip(source, stop), "more than one value")
  end
  if ok then return value end
  if type(value) ~= "table" then error(value, 0) end
  return nil, value.json
end

return json

-- Tables whose metamethods show fields, elements or a length that the tables do not contain: see
-- src/lua/plain.h.
local errors = require "ipmmap.jit.errors"

local plain = {}

local rawlen = rawget(_G, "rawlen") or function(t) return #t end
local getmetatable = debug and debug.getmetatable or getmetatable

-- The longest chain of __index tables, as in Lua itself.
local LONGEST_CHAIN = 100

local BEHIND = "it comes by __index of the table's metatable, which assignment does not use: "
  .. "give a plain table"

local function refuse_metamethod(name, of, type, offset)
  errors.complain(of, type, offset,
    "the table's metatable has %s, which assignment does not use: give a plain table", name)
end

-- Raise if the table behind has a field of the struct that the table lacks.
local function refuse_fields(given, behind, of, type, offset)
  for _, field in ipairs(type.fields) do
    if rawget(behind, field.name) ~= nil and rawget(given, field.name) == nil then
      errors.complain(of, field.type, offset + field.offset, BEHIND)
    end
  end
end

-- Raise if the table behind has the next element after those of the table.
local function refuse_element(given, behind, of, type, offset)
  local count = rawlen(given)
  if rawget(behind, count + 1) == nil then
    return
  elseif count >= type.count then
    refuse_metamethod("__index", of, type, offset)
  end
  errors.complain(of, type.element, offset + count * type.element.size, BEHIND)
end

local function metamethod(value, name)
  local metatable = getmetatable(value)
  return type(metatable) == "table" and rawget(metatable, name) or nil
end

--- Raise if metamethods of a table show a part of the place that the table lacks.
function plain.check(given, of, type_, offset)
  if not getmetatable(given) then
    return
  elseif errors.name_of(given) then
    errors.complain(of, type_, offset, "%s is neither a table nor a %s", errors.shown(given),
      type_.name)
  end
  local is_array = type_.kind == "array"
  if metamethod(given, "__pairs") ~= nil then
    refuse_metamethod("__pairs", of, type_, offset)
  elseif is_array and metamethod(given, "__len") ~= nil then
    refuse_metamethod("__len", of, type_, offset)
  end
  local behind, links = metamethod(given, "__index"), 0
  while behind ~= nil do
    links = links + 1
    if type(behind) ~= "table" or links > LONGEST_CHAIN then
      refuse_metamethod("__index", of, type_, offset)
    end
    (is_array and refuse_element or refuse_fields)(given, behind, of, type_, offset)
    behind = metamethod(behind, "__index")
  end
end

return plain

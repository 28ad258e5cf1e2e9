--[[
Types as Lua tables. Equal types of all layouts are one table, so that their views have one type of
cdata: LuaJIT never frees those, and has 65,536 of them.

A type has `kind` ("int32", "char", "array", "struct", ...), `name`, `size`, `align` and `pointer`,
the ipm_type. An array also has `count` and `element`. A struct also has `fields`, a list of
{ name, type, offset }, `by_name` with the same tables, and `parent`.
]]
local ffi = require "ffi"
local C = require "ipmmap.jit.library"

local types = {}

local KINDS = {
  [0] = "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float",
  "double", "char", "array", "struct",
}

-- The types by a text that tells them apart.
local known = setmetatable({}, { __mode = "v" })
local count = 0

local make

local function new(pointer, layout)
  local kind = KINDS[tonumber(pointer.kind)]
  count = count + 1
  return {
    id = count,
    kind = kind,
    name = ffi.string(pointer.name),
    size = tonumber(pointer.size),
    align = pointer.align,
    is_scalar = kind ~= "array" and kind ~= "struct",
    is_particular = kind == "bool" or kind == "char", -- some bytes are no value of it
    is_shared = C.ipm_type_is_shared(pointer), -- it begins with the common header
    pointer = pointer,
    layout = layout, -- has the ipm_type, which lives as long as it
  }
end

local function describe_struct(pointer, layout, made)
  local parent = pointer.parent ~= nil and make(pointer.parent, layout, made) or nil
  local fields, by_name, parts = {}, {}, {}
  local is_particular = false
  for i = 0, tonumber(pointer.count) - 1 do
    local given = pointer.fields[i]
    local field = {
      index = i + 1,
      name = ffi.string(given.name),
      type = make(given.type, layout, made),
      offset = tonumber(given.offset),
    }
    fields[i + 1] = field
    by_name[field.name] = field
    is_particular = is_particular or field.type.is_particular
    parts[i + 1] = ("%s:%d@%d"):format(field.name, field.type.id, field.offset)
  end
  local text = ("%s:%d{%s}"):format(ffi.string(pointer.name), parent and parent.id or 0,
    table.concat(parts, ";"))
  return text,
    { fields = fields, by_name = by_name, parent = parent, is_particular = is_particular }
end

--- The type at `pointer`. `made` has the layout's types made so far, by address.
function make(pointer, layout, made)
  local address = tostring(pointer)
  if made[address] then
    return made[address]
  end
  local kind, more = KINDS[tonumber(pointer.kind)], {}
  local text
  if kind == "struct" then
    text, more = describe_struct(pointer, layout, made)
  elseif kind == "array" then
    more.element = make(pointer.element, layout, made)
    more.count = tonumber(pointer.count)
    more.is_particular = more.element.is_particular
    text = ("%d[%d]"):format(more.element.id, more.count)
  else
    text = ffi.string(pointer.name)
  end
  local type = known[text]
  if not type then
    type = new(pointer, layout)
    for key, value in pairs(more) do
      type[key] = value
    end
    known[text] = type
  end
  made[address] = type
  return type
end

--- The type of a layout's struct. The layout is an ipm_layout that the collector frees.
function types.of(layout)
  return make(C.ipm_layout_type(layout), layout, {})
end

--- The part of a struct or array that contains the byte at `offset`; for a byte of padding, the
-- part before it. Returns its type, its offset, and its field or its index.
function types.descend(type, offset)
  if type.kind == "array" then
    local index = math.floor(offset / type.element.size)
    return type.element, index * type.element.size, nil, index + 1
  end
  local first, last = 1, #type.fields
  while first < last do
    local middle = math.ceil((first + last) / 2)
    if type.fields[middle].offset <= offset then
      first = middle
    else
      last = middle - 1
    end
  end
  local field = type.fields[first]
  return field.type, field.offset, field
end

--- The path of the part of `whole` that has this type and begins at this offset, with a dot before
-- each name: ".data_xy.x", "[3]". "" for the whole. No type contains itself, so the first part that
-- has the type and the offset is the one.
function types.path(whole, type, offset)
  local parts = {}
  while not whole.is_scalar and (whole ~= type or offset ~= 0) do
    local part, at, field, index = types.descend(whole, offset)
    parts[#parts + 1] = field and "." .. field.name or ("[%d]"):format(index)
    whole, offset = part, offset - at
  end
  return table.concat(parts)
end

return types

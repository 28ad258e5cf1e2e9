--[[
Types as Lua tables. Equal types of all layouts are one table, so that their views have one type of
cdata: LuaJIT never frees those, and has 65,536 of them.

A type has `kind` ("int32", "char", "array", "struct", ...), `name`, `size`, `align` and `pointer`,
the ipm_type. An array, a list and an optional type also have `element` and `inner`, the offset of
the first one; an array and a list have `count`, of a list the most elements. A struct has `fields`,
a list of { name, type, offset, unit, doc, initial }, `by_name` with the same tables, and `parent`.
`names` and `limits` are those of meaning.lua.
]]
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local meaning = require "ipmmap.jit.meaning"
local pairs = require("ipmmap.loops").pairs

local types = {}

local KINDS = {
  [0] = "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float",
  "double", "char", "char16", "char32", "array", "list", "optional", "struct",
}

local COMPOSITE = { array = true, list = true, optional = true, struct = true }

-- Some bytes are no value of these.
local PARTICULAR = { bool = true, char = true, char16 = true, char32 = true }

-- What a type has if a part of it has it.
local INHERITED = { "is_particular", "is_limited", "is_dynamic", "has_initial" }

-- The types by a text that tells them apart.
local known = setmetatable({}, { __mode = "v" })
local count = 0

local make

local function new(pointer, kind, layout, made)
  count = count + 1
  return {
    id = count,
    kind = kind,
    name = ffi.string(pointer.name),
    size = tonumber(pointer.size),
    align = pointer.align,
    is_scalar = not COMPOSITE[kind],
    is_shared = C.ipm_type_is_shared(pointer), -- it begins with the common header
    pointer = pointer,
    layout = layout, -- has the ipm_type, which lives as long as it
    made = made, -- the types of the layout, by address
  }
end

local function text_at(pointer, size)
  return pointer ~= nil and ffi.string(pointer, size) or nil
end

-- The default of a field, as { bytes, size }. The bytes repeat until the field's end.
local function initial_of(given)
  if given.initial == nil then
    return nil
  end
  return { bytes = text_at(given.initial, given.initial_size), size = tonumber(given.initial_size) }
end

local function inherit(into, part)
  for _, name in ipairs(INHERITED) do
    into[name] = into[name] or part[name]
  end
end

-- A field as a text that tells it apart, in which a text of the program cannot be taken for another
-- part.
local function field_text(field)
  local initial = field.initial and field.initial.bytes
  return ("%s:%d@%d%q%q%q"):format(field.name, field.type.id, field.offset, field.unit or "",
    field.doc or "", initial and "=" .. initial or "")
end

-- Whether all fields are scalars of one type, such as x, y and z.
local function is_uniform(fields)
  local first = fields[1] and fields[1].type
  for _, field in ipairs(fields) do
    local type = field.type
    if not type.is_scalar or type.name ~= first.name then
      return false
    end
  end
  return first ~= nil
end

local function describe_struct(pointer, layout, made)
  local parent = pointer.parent ~= nil and make(pointer.parent, layout, made) or nil
  local fields, by_name, parts = {}, {}, {}
  local more = { fields = fields, by_name = by_name, parent = parent, pack = pointer.pack }
  for i = 1, tonumber(pointer.count) do
    local given = pointer.fields[i - 1]
    local field = {
      index = i,
      name = ffi.string(given.name),
      type = make(given.type, layout, made),
      offset = tonumber(given.offset),
      unit = text_at(given.unit),
      doc = text_at(given.doc),
      initial = initial_of(given),
    }
    fields[i], by_name[field.name] = field, field
    inherit(more, field.type)
    more.has_initial = more.has_initial or field.initial ~= nil
    parts[i] = field_text(field)
  end
  more.is_uniform = is_uniform(fields)
  return ("%s:%d:%d{%s}"):format(ffi.string(pointer.name), parent and parent.id or 0, more.pack,
    table.concat(parts, ";")), more
end

-- An array, a list or an optional type.
local function describe_derived(pointer, kind, layout, made)
  local element = make(pointer.element, layout, made)
  local more = {
    element = element, count = tonumber(pointer.count), inner = tonumber(pointer.inner),
  }
  inherit(more, element)
  more.is_dynamic = more.is_dynamic or kind ~= "array"
  more.is_particular = more.is_particular or kind ~= "array"
  return ("%d%s%d"):format(element.id, kind, more.count), more
end

local function describe_scalar(pointer, kind)
  local names, limits = meaning.names(kind, pointer), meaning.limits(kind, pointer)
  return ("%s %s"):format(ffi.string(pointer.name), meaning.text(names, limits)), {
    names = names, limits = limits, is_limited = limits ~= nil,
    is_particular = PARTICULAR[kind] or false,
  }
end

-- A text that tells the type apart, and what the type has besides that of `new`.
local function describe(pointer, kind, layout, made)
  if kind == "struct" then
    return describe_struct(pointer, layout, made)
  elseif COMPOSITE[kind] then
    return describe_derived(pointer, kind, layout, made)
  end
  return describe_scalar(pointer, kind)
end

--- The type at `pointer`. `made` has the layout's types made so far, by address.
function make(pointer, layout, made)
  local address = tostring(pointer)
  if made[address] then
    return made[address]
  end
  local kind = KINDS[tonumber(pointer.kind)]
  local text, more = describe(pointer, kind, layout, made)
  local type = known[text]
  if not type then
    type = new(pointer, kind, layout, made)
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

--- The type at a pointer to a type of the layout of `whole`.
function types.at(whole, pointer)
  return whole.made[tostring(pointer)]
end

--- The type of the innermost elements of an array; another type itself.
function types.innermost(type)
  while type.kind == "array" do
    type = type.element
  end
  return type
end

-- Whether the byte at an offset is in the count of a list, or tells whether an optional value is
-- there.
local function is_in_head(type, offset)
  return (type.kind == "list" or type.kind == "optional") and offset < type.inner
end

--- The part of a struct or array that contains the byte at `offset`, or of a list or an optional
-- type; for a byte of padding, the part before it. Returns its type, its offset, and its field or
-- its index, if it has one.
function types.descend(type, offset)
  if type.kind == "optional" then
    return type.element, type.inner
  elseif type.kind ~= "struct" then
    local size = type.element.size
    local index = math.min(math.floor((offset - type.inner) / size), type.count - 1)
    return type.element, type.inner + index * size, nil, index + 1
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

--- The scalar that the byte at `offset` is in, or the list or optional type whose head it is in;
-- the one before it if it is in none. Returns its type and its offset.
function types.leaf(whole, offset)
  local type, begin = whole, 0
  while not type.is_scalar and not is_in_head(type, offset - begin) do
    local part, at = types.descend(type, offset - begin)
    type, begin = part, begin + at
  end
  return type, begin
end

--[[
Call `visit(part, offset, field, index, whole)` for each part on the way from `whole` to the part
that has this type and begins at this offset, from the outside to the inside; its offset is that in
`whole`. No type contains itself, so the first part that has the type and the offset is the one.
]]
function types.walk(whole, type, offset, visit)
  local begin = 0
  while not whole.is_scalar and (whole ~= type or offset ~= begin)
    and not is_in_head(whole, offset - begin) do
    local part, at, field, index = types.descend(whole, offset - begin)
    begin = begin + at
    visit(part, begin, field, index, whole)
    whole = part
  end
end

--- The path of the part of `whole` that has this type and begins at this offset, with a dot before
-- each name: ".data_xy.x", "[3]". "" for the whole.
function types.path(whole, type, offset)
  local parts = {}
  types.walk(whole, type, offset, function(_, _, field, index)
    parts[#parts + 1] = field and "." .. field.name or index and ("[%d]"):format(index) or nil
  end)
  return table.concat(parts)
end

return types

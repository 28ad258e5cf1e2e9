-- Structs: userdata that stand for layouts. lua/ipmmap/struct.lua sets their __index and the rest
-- of their methods. See src/lua/layout.c.
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local assign = require "ipmmap.jit.assign"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"
local types = require "ipmmap.jit.types"
local value = require "ipmmap.jit.value"
local view = require "ipmmap.jit.view"

local structs = {}

local CACHED_PATHS = 256

local mold = newproxy(true) -- luacheck: std max
local metatable = getmetatable(mold)
metatable.__name = "ipmmap.struct"
structs.metatable = metatable

-- What each Struct has: `layout`, the ipm_layout; `type`, made on the first use; `paths`, the parts
-- that were found by their paths.
local contents = setmetatable({}, { __mode = "k" })

local layout_out = ffi.new "ipm_layout *[1]"

local function new()
  local self = newproxy(mold) -- luacheck: std max
  contents[self] = { layout = ffi.gc(layout_out[0], C.ipm_layout_free), paths = {}, count = 0 }
  return self
end

-- A Struct of the layout that a call has made, or nil and what is wrong with its definition.
local function result(code)
  if code == C.IPM_EINVALID then
    return nil, errors.message()
  elseif code ~= C.IPM_OK then
    errors.raise()
  end
  return new()
end

--- The contents of a Struct that is an argument.
function structs.check(self, number, name)
  local found = contents[self]
  if not found then
    errors.argument(number, name, "ipmmap.struct expected, got %s", errors.type_of(self))
  end
  return found
end

--- Whether a value is a Struct.
function structs.is(x)
  return contents[x] ~= nil
end

--- The layout of a Struct. It is freed with the Struct.
function structs.layout(self)
  return contents[self].layout
end

--- The type of the whole.
function structs.type(self)
  local found = contents[self]
  found.type = found.type or types.of(found.layout)
  return found.type
end

--- A Struct with a copy of a layout.
function structs.copy(layout)
  local length = ffi.new "size_t[1]"
  local text = C.ipm_layout_text(layout, length)
  if C.ipm_layout_parse(text, length[0], layout_out, errors.buffer) ~= C.IPM_OK then
    errors.raise()
  end
  return new()
end

memory.type_of = structs.type

-- The lists and optional values on the way to a part, from the outside to the inside, as
-- { type, offset, index }.
local function guards_of(whole, part, offset)
  local guards, begin = {}, 0
  types.walk(whole, part, offset, function(_, at, _, index, around)
    if around.kind == "list" or around.kind == "optional" then
      guards[#guards + 1] = { type = around, offset = begin, index = index }
    end
    begin = at
  end)
  return guards
end

-- A part found by its path. The library finds it, and says what is wrong.
local function find(self, path)
  local whole = structs.type(self)
  local found, at = ffi.new "const ipm_type *[1]", ffi.new "uint64_t[1]"
  if C.ipm_type_find(whole.pointer, path, #path, found, at, errors.buffer) ~= C.IPM_OK then
    errors.raise()
  end
  local part, offset = types.at(whole, found[0]), tonumber(at[0])
  local guards = guards_of(whole, part, offset)
  return {
    type = part, offset = offset, guards = #guards > 0 and guards or nil,
    from = #guards > 0 and guards[1].offset or offset,
    is_guarded = #guards > 0 or part.kind == "optional",
  }
end
jit.off(find) -- see errors.lua

--- The part of a Struct that a path leads to: { type, offset, guards, from }. Raises if there is
-- none. `guards` are the lists and optional values that the part is in, or nil: see guards.lua. The
-- first of them begins at the offset `from`. `is_guarded`: there are some, or the part is optional.
function structs.find(self, path)
  local held = contents[self]
  local part = held.paths[path]
  if part then
    return part
  elseif type(path) ~= "string" then
    errors.refuse("%s: %s is not a path", structs.type(self).name, errors.shown(path))
  end
  part = find(self, path)
  if held.count == CACHED_PATHS then
    held.paths, held.count = {}, 0
  end
  held.paths[path] = part
  held.count = held.count + 1
  return part
end

-- Functions of the core's table `struct` ------------------------------------------------------

local core = { metatable = metatable }
structs.core = core

local function check_text(text, number, name)
  if type(text) == "number" then
    text = tostring(text)
  elseif type(text) ~= "string" then
    errors.argument(number, name, "string expected, got %s",
      text == nil and "no value" or errors.type_of(text))
  end
  return text
end

--- A Struct from schema text; or nil and what is wrong with the text.
function core.parse(text)
  text = check_text(text, 1, "parse")
  return result(C.ipm_layout_parse(text, #text, layout_out, errors.buffer))
end

-- The registered structs and enumerations that the texts of types may name: every name in them.
local function named_in(texts, registered)
  local parts, seen = {}, {}
  for _, text in ipairs(texts) do
    for name in text:gmatch "[%a_][%w_]*" do
      local found = not seen[name] and contents[rawget(registered, name)]
      if found then
        parts[#parts + 1] = C.ipm_layout_type(found.layout)
      end
      seen[name] = true
    end
  end
  return parts
end

--- A Struct with the fields { name, type, name, type, ... }; or nil and what is wrong, and, if the
-- text of a type was not understood, that text.
function core.define(name, parent, declared, registered)
  local count = #declared / 2
  local members = ffi.new("ipm_member[?]", count)
  local texts = { parent }
  for i = 1, count do
    local member, text = members[i - 1], declared[2 * i]
    member.name, member.type, member.length = declared[2 * i - 1], text, #text
    texts[#texts + 1] = text
  end
  local found = named_in(texts, registered)
  local parts = ffi.new("const ipm_type *[?]", #found, found)
  local parent_type = parent and found[1] or nil
  local untyped = ffi.new("size_t[1]", count)
  local new_struct, message = result(C.ipm_layout_compose(name, parent_type, members, count, parts,
    #found, untyped, layout_out, errors.buffer))
  if not new_struct and untyped[0] < count then
    return nil, message, declared[2 * tonumber(untyped[0]) + 2]
  end
  return new_struct, message
end

local function text_of(layout)
  local length = ffi.new "size_t[1]"
  local text = C.ipm_layout_text(layout, length)
  return ffi.string(text, length[0])
end

local function parent_name(pointer)
  return pointer.parent == nil and "nothing" or ffi.string(pointer.parent.name)
end

--- The first difference in memory of two Structs of the same name as text, or nil.
function core.difference(old, new_struct)
  local there, here = contents[old].layout, contents[new_struct].layout
  local type_there, type_here = C.ipm_layout_type(there), C.ipm_layout_type(here)
  if C.ipm_type_compare(type_there, "there", type_here, "here", C.IPM_EXACT, errors.buffer)
      ~= C.IPM_OK then
    return errors.message()
  elseif parent_name(type_there) == parent_name(type_here) then
    return nil
  end
  return ("it extends %s there, %s here"):format(parent_name(type_there), parent_name(type_here))
end

local function own_type(self, name)
  return C.ipm_layout_type(structs.check(self, 1, name).layout)
end

function core.name(self)
  return ffi.string(own_type(self, "name").name)
end

function core.size(self)
  return tonumber(own_type(self, "size").size)
end

function core.align(self)
  return own_type(self, "align").align
end

--- Whether the layout is an enumeration or flags.
function core.is_enum(self)
  return own_type(self, "is_enum").names ~= nil
end

function core.is_shared(self)
  return C.ipm_type_is_shared(own_type(self, "is_shared"))
end

function core.offsetof(self, path)
  structs.check(self, 1, "offsetof")
  return structs.find(self, path).offset
end

function metatable.__tostring(self)
  return text_of(structs.check(self, 1, "tostring").layout)
end

local function assign_init(new_value, type, init)
  if not assign.store(assign.prepare(view.memory(new_value), type, 0, init)) then
    errors.refuse("the value changed while it was read")
  end
end

--- A detached value, zeroed and then assigned from `init`.
function core.new(self, init)
  structs.check(self, 1, "new")
  local type = structs.type(self)
  local new_value = value.new(self, type)
  if init ~= nil then
    assign_init(new_value, type, init)
  end
  return new_value
end

--- A value with the defaults of the fields, except for those that `init` sets. For the option
-- `init` of a manager.
function core.initial(self, init)
  structs.check(self, 1, "initial")
  local type = structs.type(self)
  local new_value, pointer = value.new(self, type)
  C.ipm_type_initialize(type.pointer, pointer)
  assign_init(new_value, type, init)
  return new_value
end

-- Descriptions ---------------------------------------------------------------------------------

-- The default of a field: a value for each element, or a list of them.
local function default_of(field)
  local initial, base = field.initial, field.type
  while base.element do
    base = base.element
  end
  local bytes = ffi.cast("const uint8_t *", initial.bytes)
  if initial.size < field.type.size or initial.size == base.size then
    return scalar.load(base, bytes)
  end
  local list = {}
  for i = 1, initial.size / base.size do
    list[i] = scalar.load(base, bytes + (i - 1) * base.size)
  end
  return list
end

local describe

local function describe_fields(type, made)
  local fields = {}
  for i, field in ipairs(type.fields) do
    fields[i] = {
      name = field.name, offset = field.offset, type = describe(field.type, made),
      unit = field.unit, doc = field.doc, default = field.initial and default_of(field),
    }
  end
  return fields
end

local function copy_names(list)
  local copy = {}
  for i, constant in ipairs(list) do
    copy[i] = { name = constant.name, number = constant.number }
  end
  return copy
end

function describe(type, made)
  if made[type] then
    return made[type]
  end
  local description = { name = type.name, kind = type.kind, size = type.size, align = type.align }
  made[type] = description
  if type.kind == "struct" then
    description.fields = describe_fields(type, made)
    description.parent = type.parent and describe(type.parent, made)
    description.pack = type.pack ~= 0 and type.pack or nil
  elseif type.element then
    description.element = describe(type.element, made)
    description.count = type.kind ~= "optional" and type.count or nil
    description.inner = type.kind ~= "array" and type.inner or nil
  end
  if type.names then
    description.names, description.flags = copy_names(type.names.list), type.names.is_flags
  end
  if type.limits then
    description.min, description.max = type.limits.min, type.limits.max
  end
  return description
end

--- Describe the struct and all types in it, as tables.
function core.type(self)
  structs.check(self, 1, "type")
  return describe(structs.type(self), {})
end

-- Conversion -----------------------------------------------------------------------------------

local function list(paths)
  local texts = {}
  for i = 0, tonumber(paths.count) - 1 do
    texts[i + 1] = ffi.string(paths.paths[i])
  end
  return texts
end

--- What became of the fields: { kept, added, dropped }, lists of paths.
function structs.migration(report)
  return { kept = list(report.kept), added = list(report.added), dropped = list(report.dropped) }
end

--- Convert a struct of another layout.
function core.convert(self, from, how)
  structs.check(self, 1, "convert")
  local given = view.check(from, 2, "convert")
  if how ~= nil and how ~= "lossy" then
    errors.argument(3, "convert", type(how) == "string" and "invalid option '%s'"
      or "string expected, got %s", type(how) == "string" and how or errors.type_of(how))
  elseif given.kind ~= "struct" then
    errors.argument(2, "convert", "not a struct")
  end
  local to = structs.type(self)
  local converted, bytes = value.new(self, to)
  local report = ffi.new "ipm_migration *[1]"
  local copy = view.copy(from, 0, given.size)
  if C.ipm_convert(given.pointer, copy, to.pointer, bytes, how == "lossy", report,
      errors.buffer) ~= C.IPM_OK then
    return errors.fail()
  end
  return converted, structs.migration(ffi.gc(report[0], C.ipm_migration_free))
end

--- The Struct that the schema of a data file describes.
function structs.describe(path)
  path = check_text(path, 1, "describe")
  if C.ipm_layout_load(path, layout_out, errors.buffer) ~= C.IPM_OK then
    return errors.fail()
  end
  return new()
end

return structs

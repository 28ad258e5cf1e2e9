--[[
Assignment in two steps, so that a failed assignment stores nothing: `prepare` checks a value and
copies what it will store, and raises if the value does not fit the place; `store` neither raises
nor runs other code. See src/lua/assign.c.
]]
local drafts = require "ipmmap.jit.draft"
local elements = require "ipmmap.jit.elements"
local errors = require "ipmmap.jit.errors"
local initial = require "ipmmap.jit.initial"
local memory = require "ipmmap.jit.memory"
local plain = require "ipmmap.jit.plain"
local refusal = require "ipmmap.jit.refusal"
local scalar = require "ipmmap.jit.scalar"
local source = require "ipmmap.jit.source"
local types = require "ipmmap.jit.types"
local view = require "ipmmap.jit.view"
local loops = require "ipmmap.loops"

-- Under another name, because LuaJIT's compiler of loops over `pairs` and `next` has a defect: if
-- the body calls the function that the loop is in, the loop may go on with wrong variables.
local each, pairs = loops.next, loops.pairs

local rawlen = rawget(_G, "rawlen") or function(t) return #t end

local assign = {}

local function is_integer(key)
  return type(key) == "number" and key % 1 == 0
end

local add_value

local function add_scalar(draft, type, offset, x)
  local fits, stored = scalar.convert(type, x)
  if not fits then
    refusal.complain(draft.memory, type, offset, x)
  end
  drafts.add(draft, type, offset, stored)
end

-- Whether a value is a complete header, as totable returns it. Raises if it is no header. Its
-- pieces are removed from the draft again.
local function is_header(draft, type, offset, x)
  local count, reserved = draft.count, draft.reserved
  draft.reserved = 0
  add_value(draft, type, offset, x)
  draft.count, draft.reserved = count, reserved
  if _G.type(x) == "table" then
    for name in pairs(type.by_name) do
      if rawget(x, name) == nil then
        return false
      end
    end
  end
  return true
end

local function complain_key(draft, type, offset, key)
  if type.kind == "struct" then
    errors.complain(draft.memory, type, offset, "no field %s", errors.shown(key))
  elseif not is_integer(key) then
    errors.complain(draft.memory, type, offset, "%s is not an index", errors.shown(key))
  end
  errors.complain(draft.memory, type, offset, "index %s is out of range (1 to %d)",
    errors.shown(key), type.count)
end

local function first_missing(x)
  local missing = 1
  while rawget(x, missing) ~= nil do
    missing = missing + 1
  end
  return missing
end

-- Structs --------------------------------------------------------------------------------------

-- A list for a struct whose fields are scalars of one type: { 1, 2, 3 } for x, y and z.
local function add_vector(draft, type, offset, x)
  local count = 0
  for i, value in each, x do
    local field = type.fields[i]
    if not is_integer(i) then
      errors.complain(draft.memory, type, offset,
        "a table for %s has either names or the numbers 1 to %d", type.name, #type.fields)
    elseif not field then
      complain_key(draft, type, offset, i)
    end
    add_scalar(draft, field.type, offset + field.offset, value)
    count = count + 1
  end
  if count ~= #type.fields then
    errors.complain(draft.memory, type, offset, "a list for %s has %d values, not %d", type.name,
      #type.fields, count)
  end
end

local function add_struct(draft, type, offset, x)
  local start = draft.count
  for name, value in each, x do
    local field = type.by_name[name]
    if not field and type.is_uniform and is_integer(name) then
      draft.count = start
      return add_vector(draft, type, offset, x)
    elseif not field then
      complain_key(draft, type, offset, name)
    end
    local at = offset + field.offset
    if field.type.is_scalar and at >= draft.reserved then
      add_scalar(draft, field.type, at, value)
    elseif at >= draft.reserved or not is_header(draft, field.type, at, value) then
      add_value(draft, field.type, at, value, field, at)
    end
  end
end

-- Arrays ---------------------------------------------------------------------------------------

-- A table with the keys 1 to n sets the whole array; one with other indices sets these elements.
-- `field` and its offset, `base`: of what the array is, or is an element of; or nil.
local function add_array(draft, type, offset, x, field, base)
  local element, last, count = type.element, 0, 0
  for i, value in each, x do
    if not is_integer(i) or i < 1 or i > type.count then
      complain_key(draft, type, offset, i)
    end
    add_value(draft, element, offset + (i - 1) * element.size, value, field, base)
    last, count = math.max(last, i), count + 1
  end
  if count == last then
    drafts.add_initial(draft, element, offset + last * element.size, type.count - last, field, base)
  end
end

-- Whether a table is a flat list for an array of arrays.
local function is_flat(type, x)
  local first = rawget(x, 1)
  local kind = _G.type(first)
  return type.element.kind == "array" and types.innermost(type).is_scalar
    and (kind == "number" or kind == "string" or kind == "boolean" or scalar.is_wide(first))
end

-- A flat list sets the innermost elements in memory order.
local function add_flat(draft, type, offset, x, field, base)
  local element, given, seen = types.innermost(type), rawlen(x), 0
  local count = type.size / element.size
  if given > count then
    errors.complain(draft.memory, type, offset, "a list of %d values is too long: %s has %d", given,
      type.name, count)
  end
  for i, value in each, x do
    if not is_integer(i) or i < 1 or i > given then
      complain_key(draft, type, offset, i)
    end
    add_scalar(draft, element, offset + (i - 1) * element.size, value)
    seen = seen + 1
  end
  if seen ~= given then
    errors.complain(draft.memory, type, offset, "the list has a gap: %d is there, but not %d",
      given, first_missing(x))
  end
  drafts.add_initial(draft, element, offset + given * element.size, count - given, field, base)
end

-- Whole parts ----------------------------------------------------------------------------------

-- A whole part, which has its defaults, but for what a value sets.
local function add_whole(draft, type, offset, x)
  if not type.is_scalar then
    drafts.add_initial(draft, type, offset, 1)
  end
  add_value(draft, type, offset, x)
end

local function add_optional(draft, type, offset, x)
  drafts.add(draft, initial.zeros(type.size), offset, nil)
  if x ~= nil then
    add_whole(draft, type.element, offset + type.inner, x)
    drafts.add(draft, drafts.PRESENT, offset, true)
  end
end

local function complain_gap(draft, type, offset, x, last)
  errors.complain(draft.memory, type, offset,
    "a table for a list has the keys 1 to n: %d is there, but not %d", last, first_missing(x))
end

-- A table with the keys 1 to n. The elements that a list had before do not show through.
local function add_list(draft, type, offset, x)
  local element, count, seen = type.element, rawlen(x), 0
  if count > type.count then
    errors.complain(draft.memory, type, offset, "a list of %d values is too long: %s holds %d",
      count, type.name, type.count)
  end
  for i, value in each, x do
    if not is_integer(i) or i < 1 or i > type.count then
      complain_key(draft, type, offset, i)
    elseif i > count then
      complain_gap(draft, type, offset, x, i)
    end
    add_whole(draft, element, offset + type.inner + (i - 1) * element.size, value)
    seen = seen + 1
  end
  if seen ~= count then
    complain_gap(draft, type, offset, x, count)
  end
  drafts.add(draft, drafts.COUNT, offset, seen)
end

-- Values of any type ---------------------------------------------------------------------------

local function check_reserved(draft, type, offset)
  if offset < draft.reserved then
    memory.check_reserved(draft.memory, type, offset)
  end
end

local ADD = { array = add_array, list = add_list, struct = add_struct }

function add_value(draft, type, offset, x, field, base)
  check_reserved(draft, type, offset)
  local given = view.test(x)
  if type.is_scalar then
    add_scalar(draft, type, offset, x)
  elseif type.kind == "optional" then
    add_optional(draft, type, offset, x)
  elseif _G.type(x) == "table" then
    plain.check(x, draft.memory, type, offset)
    local add = type.kind == "array" and is_flat(type, x) and add_flat or ADD[type.kind]
    add(draft, type, offset, x, field, base)
  elseif given then
    source.draft(draft, type, offset, x, given)
  else
    errors.complain(draft.memory, type, offset, "%s is neither a table nor a %s", errors.shown(x),
      type.name)
  end
end

-- ----------------------------------------------------------------------------------------------

-- The innermost field that a part is in, or is, and the field's offset.
local function field_of(of, type, offset)
  local found, base
  types.walk(of.type, type, offset, function(_, at, field)
    if field then
      found, base = field, at
    end
  end)
  return found, base
end

--- Prepare the assignment of a value to a part of a memory. Raises if it does not fit.
function assign.prepare(of, type, offset, x)
  local given = not (type.is_scalar or source.needs_check(type)) and view.test(x)
  if given then
    return source.prepare(of, type, offset, x, given)
  end
  local draft = drafts.new(of)
  if type.kind == "array" then
    add_value(draft, type, offset, x, field_of(of, type, offset))
  else
    add_value(draft, type, offset, x)
  end
  return draft
end

--- Prepare to add a value to the `count` elements of a list, as `prepare`.
function assign.prepare_append(of, list, offset, count, x)
  local draft = drafts.new(of)
  if count >= list.count then
    errors.complain(of, list, offset, "the list is full: %s", list.name)
  end
  add_whole(draft, list.element, offset + list.inner + count * list.element.size, x)
  drafts.add(draft, drafts.COUNT, offset, count + 1)
  return draft
end

--- Store a prepared assignment. The memory must be accessible and writable. Returns false if the
-- place cannot be changed, or if the source is no longer accessible; a part may have been stored.
function assign.store(assignment)
  return (assignment.source and source.store or drafts.store)(assignment)
end

local function store_in_view(of, type, offset, assignment)
  memory.check_access(of, type, offset)
  if not assign.store(assignment) then
    errors.complain(of, type, offset, "the value changed while it was assigned")
  end
end

--- Assign a value to a part of an accessible memory: all of it, or nothing. Raises.
function view.assign(of, type, offset, x)
  memory.check_writable(of, type, offset)
  store_in_view(of, type, offset, assign.prepare(of, type, offset, x))
end

function elements.append(of, list, offset, count, x)
  memory.check_writable(of, list, offset)
  store_in_view(of, list, offset, assign.prepare_append(of, list, offset, count, x))
end

function elements.set_count(of, list, offset, count)
  local draft = drafts.new(of)
  drafts.add(draft, drafts.COUNT, offset, count)
  store_in_view(of, list, offset, draft)
end

return assign

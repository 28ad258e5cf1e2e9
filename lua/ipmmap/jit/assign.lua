--[[
Assignment in two steps, so that a failed assignment stores nothing: `prepare` checks a value and
copies what it will store, and raises if the value does not fit the place; `store` neither raises
nor runs other code. See src/lua/assign.c.
]]
local ffi = require "ffi"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local plain = require "ipmmap.jit.plain"
local scalar = require "ipmmap.jit.scalar"
local view = require "ipmmap.jit.view"

-- Under another name, because LuaJIT's compiler of loops over `pairs` and `next` has a defect: if
-- the body calls the function that the loop is in, the loop may go on with wrong variables.
local each = next

local assign = {}

-- Views and values -----------------------------------------------------------------------------

--- Add to `pieces` the parts that a place and a struct or array have in common, the largest ones of
-- equal layout, as { type, offset of the place, offset in the other }.
local function add_common(pieces, here, offset, given, from)
  if here == given then
    pieces[#pieces + 1] = { type = here, offset = offset, from = from }
  elseif given.kind == "array" then
    for i = 0, given.count - 1 do
      add_common(pieces, here.element, offset + i * here.element.size, given.element,
        from + i * given.element.size)
    end
  else
    for _, field in ipairs(given.fields) do
      local part = here.by_name[field.name]
      if part then
        add_common(pieces, part.type, offset + part.offset, field.type, from + field.offset)
      end
    end
  end
  return pieces
end

-- Store bytes at an offset, but for the header of a segment. Returns false on failure: also if a
-- memory has become inaccessible since `ends_before`, which may be that of `from`.
local function store_bytes(of, offset, size, from, ends_before)
  local kept = offset < of.reserved and math.min(of.reserved - offset, size) or 0
  if size == kept then
    return true
  end
  local to = memory.change(of, offset + kept, size - kept)
  from = from + kept
  if to == nil or memory.ends[0] ~= ends_before then
    return false
  end
  ffi.copy(to, from, size - kept)
  return true
end

local function store_pieces(of, pieces, base, ends_before)
  for _, piece in ipairs(pieces) do
    if not store_bytes(of, piece.offset, piece.type.size, base + piece.from, ends_before) then
      return false
    end
  end
  return true
end

--- Copy a struct or array at an address that stays accessible to a place. Where their layouts
-- differ, only the fields that both have are copied. Returns false if the memory cannot be changed
-- now.
function assign.copy_fields(of, type, offset, given, from)
  return store_pieces(of, add_common({}, type, offset, given, 0), from, memory.ends[0])
end

local function check_source(x, given, of, type, offset)
  view.check_access(x)
  if not view.fits(given, type) then
    errors.complain(of, type, offset, "%s is not a %s of the same layout%s", errors.shown(x),
      type.name, view.difference(given, type))
  end
end

-- Drafts ---------------------------------------------------------------------------------------

-- A draft is a list of what to store: for each piece the type, the offset, and the scalar or the
-- bytes of a view or value. `reserved` is the memory's, or 0 while a header is checked that will
-- not be stored.

local add_value

local function add_piece(draft, type, offset, what)
  local count = draft.count
  draft[count + 1], draft[count + 2], draft[count + 3] = type, offset, what
  draft.count = count + 3
end

local function add_scalar(draft, type, offset, x)
  local fits, stored = scalar.convert(type, x)
  if not fits then
    scalar.complain(draft.memory, type, offset, x)
  end
  add_piece(draft, type, offset, stored)
end

local function add_source(draft, type, offset, x, given)
  check_source(x, given, draft.memory, type, offset)
  for _, piece in ipairs(add_common({}, type, offset, given, 0)) do
    local part = piece.type
    local what = view.copy(x, piece.from, part.size)
    if part.is_scalar then
      what = scalar.load(part, what)
    end
    add_piece(draft, part, piece.offset, what)
  end
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

local function add_struct(draft, type, offset, x)
  for name, value in each, x do
    local field = type.by_name[name]
    if not field then
      errors.complain(draft.memory, type, offset, "no field %s", errors.shown(name))
    end
    local at = offset + field.offset
    if field.type.is_scalar and at >= draft.reserved then
      add_scalar(draft, field.type, at, value)
    elseif at >= draft.reserved or not is_header(draft, field.type, at, value) then
      add_value(draft, field.type, at, value)
    end
  end
end

local function add_elements(draft, type, offset, x)
  local element, last, count = type.element, 0, 0
  for i, value in each, x do
    if _G.type(i) ~= "number" or i % 1 ~= 0 then
      errors.complain(draft.memory, type, offset, "%s is not an index", errors.shown(i))
    elseif i < 1 or i > type.count then
      errors.complain(draft.memory, type, offset, "index %s is out of range (1 to %d)",
        errors.shown(i), type.count)
    end
    add_value(draft, element, offset + (i - 1) * element.size, value)
    last, count = math.max(last, i), count + 1
  end
  if count ~= last then
    local missing = 1
    while rawget(x, missing) ~= nil do
      missing = missing + 1
    end
    errors.complain(draft.memory, type, offset,
      "a table for an array has the keys 1 to n: %d is there, but not %d", last, missing)
  end
end

local function check_reserved(draft, type, offset)
  if offset < draft.reserved then
    memory.check_reserved(draft.memory, type, offset)
  end
end

function add_value(draft, type, offset, x)
  check_reserved(draft, type, offset)
  local given = view.test(x)
  if type.is_scalar then
    add_scalar(draft, type, offset, x)
  elseif _G.type(x) == "table" then
    plain.check(x, draft.memory, type, offset)
    local add = type.kind == "array" and add_elements or add_struct
    add(draft, type, offset, x)
  elseif given then
    add_source(draft, type, offset, x, given)
  else
    errors.complain(draft.memory, type, offset, "%s is neither a table nor a %s", errors.shown(x),
      type.name)
  end
end

local function store_piece(of, type, offset, what, ends_before)
  if not type.is_scalar then
    return store_bytes(of, offset, type.size, ffi.cast("uint8_t *", what), ends_before)
  end
  local at = memory.change(of, offset, type.size)
  return at ~= nil and scalar.store(type, at, what, memory.ends, ends_before)
end

local function store_draft(draft)
  local of, ends_before = draft.memory, memory.ends[0]
  if not memory.is_accessible(of) then
    return false
  end
  for i = 1, draft.count, 3 do
    if not store_piece(of, draft[i], draft[i + 1], draft[i + 2], ends_before) then
      return false
    end
  end
  return true
end

-- Whether two memories are the same, so that a copy between them needs care.
local function is_same(a, b)
  return a == b or a.bytes ~= nil and b.bytes ~= nil and a.base == b.base
end

-- A whole view or value is copied in one piece if it has the place's type. It may overlap it.
local function store_source(assignment)
  local x, of = assignment.source, assignment.memory
  local ends_before = memory.ends[0]
  local source = view.memory(x)
  if not (source and memory.is_accessible(source) and memory.is_accessible(of)) then
    return false
  elseif is_same(source, of) then
    assignment.copy = view.copy(x, 0, assignment.given.size)
    return store_pieces(of, assignment.pieces, ffi.cast("uint8_t *", assignment.copy), ends_before)
  end
  return store_pieces(of, assignment.pieces, view.address(x), ends_before)
end

-- ----------------------------------------------------------------------------------------------

--- Prepare the assignment of a value to a part of a memory. Raises if it does not fit.
function assign.prepare(of, type, offset, x)
  local given = not type.is_scalar and view.test(x)
  if given then
    memory.check_reserved(of, type, offset)
    check_source(x, given, of, type, offset)
    return {
      memory = of, source = x, given = given, pieces = add_common({}, type, offset, given, 0),
    }
  end
  local draft = { memory = of, reserved = of.reserved, count = 0 }
  add_value(draft, type, offset, x)
  return draft
end

--- Store a prepared assignment. The memory must be accessible and writable. Returns false if the
-- place cannot be changed, or if the source is no longer accessible; a part may have been stored.
function assign.store(assignment)
  return (assignment.source and store_source or store_draft)(assignment)
end

--- Assign a value to a part of an accessible memory: all of it, or nothing. Raises.
function view.assign(of, type, offset, x)
  memory.check_writable(of, type, offset)
  local assignment = assign.prepare(of, type, offset, x)
  memory.check_access(of, type, offset)
  if not assign.store(assignment) then
    errors.complain(of, type, offset, "the value changed while it was assigned")
  end
end

return assign

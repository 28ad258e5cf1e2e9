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

-- Store bytes at an offset, but for the header of a segment. Returns false on failure.
local function store_bytes(of, offset, size, from)
  local kept = offset < of.reserved and math.min(of.reserved - offset, size) or 0
  if size == kept then
    return true
  end
  local to = memory.change(of, offset + kept, size - kept)
  if to == nil then
    return false
  end
  ffi.copy(to, from + kept, size - kept)
  return true
end

local function store_pieces(of, pieces, base)
  for _, piece in ipairs(pieces) do
    if not store_bytes(of, piece.offset, piece.type.size, base + piece.from) then
      return false
    end
  end
  return true
end

--- Copy a struct or array at an address to a place. Where their layouts differ, only the fields
-- that both have are copied. Returns false if the memory cannot be changed now.
function assign.copy_fields(of, type, offset, given, from)
  return store_pieces(of, add_common({}, type, offset, given, 0), from)
end

local function check_source(x, given, of, type, offset)
  view.check_access(x)
  if not view.fits(given, type) then
    errors.complain(of, type, offset, "%s is not a %s of the same layout%s", errors.shown(x),
      type.name, view.difference(given, type))
  end
end

-- A copy of bytes, which may be the place itself.
local function copy_of(from, size)
  local copy = ffi.new("uint8_t[?]", size)
  ffi.copy(copy, from, size)
  return copy
end

-- Drafts ---------------------------------------------------------------------------------------

-- A draft is a list of scalars to store, and of bytes from views and values. `reserved` is the
-- memory's, or 0 while a header is checked that will not be stored.

local add_value

local function add_scalar(draft, type, offset, x)
  local fits, stored = scalar.convert(type, x)
  if not fits then
    scalar.complain(draft.memory, type, offset, x)
  end
  draft.count = draft.count + 1
  draft[draft.count] = { type = type, offset = offset, stored = stored }
end

local function add_source(draft, type, offset, x, given)
  check_source(x, given, draft.memory, type, offset)
  for _, piece in ipairs(add_common({}, type, offset, given, 0)) do
    draft.count = draft.count + 1
    draft[draft.count] = piece
    piece.bytes = copy_of(view.address(x) + piece.from, piece.type.size)
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

local function store_draft(draft)
  local of = draft.memory
  for i = 1, draft.count do
    local piece = draft[i]
    local size = piece.type.size
    if piece.bytes then
      if not store_bytes(of, piece.offset, size, piece.bytes) then
        return false
      end
    else
      local at = memory.change(of, piece.offset, size)
      if at == nil then
        return false
      end
      scalar.store(piece.type, at, piece.stored)
    end
  end
  return true
end

-- A whole view or value is copied in one piece if it has the place's type. It may overlap it.
local function store_source(assignment)
  local x = assignment.source
  if not memory.is_accessible(view.memory(x)) then
    return false
  end
  local from, size = view.address(x), assignment.given.size
  if view.memory(x) == assignment.memory then
    from = copy_of(from, size)
  end
  return store_pieces(assignment.memory, assignment.pieces, from)
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

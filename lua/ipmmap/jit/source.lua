-- Views and values that are assigned to a struct, an array or a list of the same type, whose layout
-- may have fewer fields, or have them elsewhere. The bytes are copied in as few parts as possible.
local ffi = require "ffi"
local C = require "ipmmap.jit.library"
local drafts = require "ipmmap.jit.draft"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"
local view = require "ipmmap.jit.view"

local source = {}

local COUNT, PRESENT = drafts.COUNT, drafts.PRESENT

local function is_equal(a, b)
  return a == b or C.ipm_type_equal(a.pointer, b.pointer)
end

-- Add to `pieces` the parts that a place and another type have in common, the largest ones of equal
-- layout, as { type, offset of the place, offset in the other }. The piece of a list's count has
-- `list`, the type of the list.
local function add_common(pieces, here, offset, given, from)
  if is_equal(here, given) then
    pieces[#pieces + 1] = { type = here, offset = offset, from = from }
  elseif given.kind == "struct" then
    for _, field in ipairs(given.fields) do
      local part = here.by_name[field.name]
      if part then
        add_common(pieces, part.type, offset + part.offset, field.type, from + field.offset)
      end
    end
  else
    if given.kind == "list" then
      pieces[#pieces + 1] = { type = COUNT, offset = offset, from = from, list = here }
    elseif given.kind == "optional" then
      pieces[#pieces + 1] = { type = PRESENT, offset = offset, from = from }
    end
    for i = 0, math.max(given.count, 1) - 1 do
      add_common(pieces, here.element, offset + here.inner + i * here.element.size, given.element,
        from + given.inner + i * given.element.size)
    end
  end
  return pieces
end

local function store_pieces(of, pieces, base, ends_before)
  for _, piece in ipairs(pieces) do
    local size = piece.type.size
    if not drafts.store_bytes(of, piece.offset, size, base + piece.from, ends_before) then
      return false
    end
  end
  return true
end

--- Copy a struct or array at an address that stays accessible to a place. Where their layouts
-- differ, only the fields that both have are copied. Returns false if the memory cannot be changed
-- now.
function source.copy_fields(of, type, offset, given, from)
  return store_pieces(of, add_common({}, type, offset, given, 0), from, memory.ends[0])
end

--- Raise unless a view or value has a type that fits a place.
function source.check(x, given, of, type, offset)
  view.check_access(x)
  if not view.fits(given, type) then
    errors.complain(of, type, offset, "%s is not a %s of the same layout%s", errors.shown(x),
      type.name, view.difference(given, type))
  end
end

--- Whether the bytes of a source must be checked before they are stored in a place of this type.
function source.needs_check(type)
  return type.is_limited or type.is_dynamic
end

-- Raise if bytes that were copied have values that a place does not take.
local function check_bytes(draft, piece, bytes)
  local type, offset = piece.type, piece.offset
  if piece.list then
    local count = scalar.load(COUNT, bytes)
    if count > piece.list.count then
      memory.complain_count(draft.memory, piece.list, offset, count)
    end
  elseif source.needs_check(type)
    and C.ipm_type_check(type.pointer, bytes, errors.buffer) ~= C.IPM_OK then
    errors.refuse("%s%s", memory.path(draft.memory, type, offset),
      errors.message():sub(#type.name + 1))
  end
end

--- Add a copy of a view or value to a draft.
function source.draft(draft, type, offset, x, given)
  source.check(x, given, draft.memory, type, offset)
  for _, piece in ipairs(add_common({}, type, offset, given, 0)) do
    local part = piece.type
    local what = view.copy(x, piece.from, part.size)
    check_bytes(draft, piece, what)
    if part.is_scalar then
      what = scalar.raw(part, what)
    end
    drafts.add(draft, part, piece.offset, what)
  end
end

--- Prepare to copy a view or value whose bytes need no check, from where they are then.
function source.prepare(of, type, offset, x, given)
  memory.check_reserved(of, type, offset)
  source.check(x, given, of, type, offset)
  return {
    memory = of, source = x, given = given, pieces = add_common({}, type, offset, given, 0),
  }
end

-- Whether two memories are the same, so that a copy between them needs care.
local function is_same(a, b)
  return a == b or a.bytes ~= nil and b.bytes ~= nil and a.base == b.base
end

--- Store what `prepare` gave. A view or value of the place's type is copied in one piece. It may
-- overlap the place.
function source.store(assignment)
  local x, of = assignment.source, assignment.memory
  local ends_before = memory.ends[0]
  local from = view.memory(x)
  if not (from and memory.is_accessible(from) and memory.is_accessible(of)) then
    return false
  elseif is_same(from, of) then
    assignment.copy = view.copy(x, 0, assignment.given.size)
    return store_pieces(of, assignment.pieces, ffi.cast("uint8_t *", assignment.copy), ends_before)
  end
  return store_pieces(of, assignment.pieces, view.address(x), ends_before)
end

return source

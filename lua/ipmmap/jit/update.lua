-- Changes of one field that depend on its value, in LuaJIT. src/lua/update.c and fold.c do the same
-- for Lua.
local bit = require "bit"
local ffi = require "ffi"

local errors = require "ipmmap.jit.errors"
local guards = require "ipmmap.jit.guards"
local handle = require "ipmmap.jit.handle"
local lock = require "ipmmap.jit.lock"
local memory = require "ipmmap.jit.memory"
local refusal = require "ipmmap.jit.refusal"
local scalar = require "ipmmap.jit.scalar"
local structs = require "ipmmap.jit.struct"

local find, load_scalar = structs.find, scalar.load
local check_writer = handle.check_writer
local methods = handle.methods

local function check_unreserved(of, part)
  if part.offset < of.reserved then
    errors.complain(of, part.type, part.offset, "set only by creation, touch and clear")
  end
end

-- Converts a value for a field. Raises if it is no value of the field.
local function convert(of, part, value)
  local fits, stored = scalar.convert(part.type, value)
  if not fits then
    refusal.complain(of, part.type, part.offset, value)
  end
  return stored
end

-- Raises if the part is missing. The handle holds its lock.
local function check_there(of, part)
  if part.guards then
    guards.check(of, part)
  end
end

-- update ---------------------------------------------------------------------------------------

-- Calls the function and writes what it returns, under the lock.
local function update(_, self, path, fn)
  local state = handle.check(self)
  local of = state.memory
  local epoch = of.block.epoch
  check_there(of, find(of.struct, path))
  local new = fn(self:read(path))
  if not memory.is_active(of.block) or of.block.epoch ~= epoch then
    errors.refuse("%s: the function of update has released the lock", state.name)
  end
  local part = find(of.struct, path)
  if new == nil and part.type.kind ~= "optional" then
    errors.complain(of, part.type, part.offset,
      "the function of update returned nil instead of the new value")
  end
  check_there(of, part)
  self:write(path, new)
  return self:read(path)
end

function methods:update(path, fn)
  local state = check_writer(self)
  local of = state.memory
  local part = find(of.struct, path)
  memory.check_reserved(of, part.type, part.offset)
  lock.check_function("update", fn)
  if memory.is_active(of.block) then
    return update(nil, self, path, fn)
  end
  return self:with(update, self, path, fn)
end

-- max, min, bor, band --------------------------------------------------------------------------

local scratch = ffi.new "uint64_t[1]"

-- The scalar that is stored, as a number or an integer of 64 bits that compares as its type does.
local function as_stored(type_, stored)
  scalar.store(type_, scratch, stored)
  local kind = type_.kind
  if kind == "int64" then
    return ffi.cast("int64_t *", scratch)[0]
  end
  return kind == "uint64" and scratch[0] or load_scalar(type_, scratch)
end

local folds = {
  max = function(old, n) return (old ~= old or n > old) and n or old end,
  min = function(old, n) return (old ~= old or n < old) and n or old end,
  bor = bit.bor,
  band = bit.band,
}

local takes_integers = { bor = true, band = true }

local is_integer = {
  int8 = true, uint8 = true, int16 = true, uint16 = true, int32 = true, uint32 = true,
  int64 = true, uint64 = true,
}

-- For bits, all integers have 64.
local function wide(n)
  return type(n) == "number" and ffi.cast("int64_t", n) or n
end

local function fold(state, part, n, name)
  local kind = part.type
  check_there(state.memory, part)
  local at = state.memory.block.base + part.offset
  local old = as_stored(kind, load_scalar(kind, at))
  local new
  if takes_integers[name] then
    new = folds[name](wide(old), wide(n))
  else
    new = folds[name](old, n)
  end
  if new == old or new ~= new and old ~= old then
    return true, load_scalar(kind, at)
  end
  local fits, stored = scalar.convert(kind, new)
  at = fits and memory.change(state.memory, part.offset, kind.size)
  if not at then
    return false, new
  end
  scalar.store(kind, at, stored)
  return true, load_scalar(kind, at)
end

local function check_kind(of, part, name)
  local kind = part.type
  check_unreserved(of, part)
  local is_bits, names = takes_integers[name], kind.names
  local is_whole = is_integer[kind.kind] and (not names or is_bits and names.is_flags)
  if not is_whole and (is_bits or kind.kind ~= "float" and kind.kind ~= "double") then
    errors.complain(of, kind, part.offset, "%s is not %s, which %s takes", kind.name,
      is_bits and "an integer" or "a number", name)
  end
end

local function fold_by(name)
  return function(self, path, n)
    while true do
      local state = check_writer(self)
      local of = state.memory
      local part = find(of.struct, path)
      check_kind(of, part, name)
      local given = as_stored(part.type, convert(of, part, n))
      local is_done, is_folded, result = lock.change(state, of, fold, part, given, name)
      if is_done and is_folded then
        return result
      elseif is_done then
        refusal.complain(of, part.type, part.offset, result)
      end
      handle.retry(state, of)
    end
  end
end

for name in pairs(folds) do
  methods[name] = fold_by(name)
end

-- swap -----------------------------------------------------------------------------------------

local function swap(state, part, expected, new)
  local kind = part.type
  check_there(state.memory, part)
  local old = load_scalar(kind, state.memory.block.base + part.offset)
  if old ~= expected and (old == old or expected == expected) then
    return true, false
  end
  local at = memory.change(state.memory, part.offset, kind.size)
  if at == nil then
    return false
  end
  scalar.store(kind, at, new)
  return true, true
end

local is_text = { char = true, char16 = true, char32 = true }

-- A value as `read` would return it if the field held it.
local function as_read(type_, stored)
  if is_text[type_.kind] then
    return stored
  end
  scalar.store(type_, scratch, stored)
  return load_scalar(type_, scratch)
end

function methods:swap(path, expected, new)
  local state = check_writer(self)
  local of = state.memory
  local part = find(of.struct, path)
  if not part.type.is_scalar then
    errors.complain(of, part.type, part.offset,
      "swap compares one value, and %s has several: use update", part.type.name)
  end
  check_unreserved(of, part)
  local old, stored = as_read(part.type, convert(of, part, expected)), convert(of, part, new)
  local is_done, _, is_swapped = lock.change(state, of, swap, part, old, stored)
  if not is_done then
    return handle.retry(state, of) and self:swap(path, expected, new)
  end
  return is_swapped
end

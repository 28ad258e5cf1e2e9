-- Parts that may be missing: the elements of lists, and optional values. A part that was found by
-- its path has `guards`, the lists and optional values on the way to it, from the outside to the
-- inside, as { type, offset, index }.
local ffi = require "ffi"
local elements = require "ipmmap.jit.elements"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"

local guards = {}

local count_p = ffi.typeof "const uint32_t *"

--- The number of elements of a list at an address. It may be more than the list has room for.
function guards.count(at)
  return tonumber(ffi.cast(count_p, at)[0])
end

--- The first guard that lacks the part, or nil; and of a list the number of its elements. `at` is
-- the address of the byte at the offset `part.from`.
function guards.missing(part, at)
  for _, guard in ipairs(part.guards) do
    local head = at + (guard.offset - part.from)
    local count = guard.index and guards.count(head)
    if count and (count < guard.index or count > guard.type.count)
      or not count and head[0] == 0 then
      return guard, count
    end
  end
end

--- Whether what `missing` has found is the element after the last one of a list, and the part is
-- that element.
function guards.is_next(part, guard, count)
  return guard ~= nil and guard == part.guards[#part.guards] and count ~= nil
    and part.type == guard.type.element and count + 1 == guard.index
end

--- Raise an error about what `missing` has found in a memory.
function guards.complain(of, part, guard, count)
  if not guard.index then
    errors.complain(of, part.type, part.offset, "%s is absent",
      memory.path(of, guard.type, guard.offset))
  elseif count > guard.type.count then
    memory.complain_count(of, guard.type, guard.offset, count)
  end
  elements.complain_index(of, guard.type, guard.offset, guard.index, count)
end

--- Raise an error unless a part is there in the memory of a handle that holds its lock.
function guards.check(of, part)
  local guard, count = guards.missing(part, of.block.base + part.from)
  if guard then
    guards.complain(of, part, guard, count)
  end
end

return guards

-- The metamethods of the views of arrays and lists. A list takes one element more than it has, if
-- it has room, and gives up its last one. Its count is loaded for each access, and checked.
local accessors = require "ipmmap.jit.accessors"
local errors = require "ipmmap.jit.errors"
local memory = require "ipmmap.jit.memory"
local scalar = require "ipmmap.jit.scalar"

local elements = {}

local type = type

--- Assign a value to the element after the `count` elements of a list at an offset. assign.lua sets
-- it.
function elements.append() end

--- Store the number of elements of a list. assign.lua sets it.
function elements.set_count() end

--- Whether a key is an integer.
function elements.is_index(key)
  return scalar.is_wide(key) or type(key) == "number" and key % 1 == 0
end

-- The index that an integer of 64 bits is, as a number.
local function to_index(whole, i)
  if scalar.is_wide(i) and i >= 1 and i <= whole.count then
    return tonumber(i)
  end
end

-- The function that reads an element, where `count_of` tells the number of elements.
local function reader(is_live, whole, tools, count_of)
  local use = tools.users(is_live)
  local get = tools.getter(is_live, whole, whole.element, nil, use)
  function use.index(self, i)
    local index = to_index(whole, i)
    if index then
      return get(self, index)
    end
    local count = count_of(self)
    if i ~= count + 1 then -- the element after the last one is nil
      use.refuse(self, i, count)
    end
  end
  return get, use
end

-- Arrays ---------------------------------------------------------------------------------------

local function array_writer(is_live, whole, tools)
  local part, use = whole.element, tools.users(is_live)
  local set
  function use.index(self, i, x)
    local index = to_index(whole, i)
    if not index then
      tools.complain_key(self, i)
    end
    return set(self, index, x)
  end
  set = part.is_scalar and accessors.set(is_live, whole, part, nil, use)
    or function(self, i, x)
      if not (type(i) == "number" and i >= 1 and i <= whole.count and i % 1 == 0) then
        return use.index(self, i, x)
      end
      tools.assign_part(self, part, (i - 1) * part.size, x)
    end
  return set
end

local function array_metamethods(is_live, whole, tools)
  local function count_of(self)
    tools.check_access(self)
    return whole.count
  end
  local get, use = reader(is_live, whole, tools, count_of)
  use.refuse = tools.complain_key
  return { __index = get, __newindex = array_writer(is_live, whole, tools), __len = count_of }
end

-- Lists ----------------------------------------------------------------------------------------

--- Raise an error: a list of `count` elements has none with the index.
function elements.complain_index(of, list, offset, index, count)
  if count == 0 then
    errors.complain(of, list, offset, "index %s is out of range: the list is empty",
      errors.shown(index))
  end
  errors.complain(of, list, offset, "index %s is out of range (1 to %d)", errors.shown(index),
    count)
end

local function list_writer(is_live, whole, tools, count_of, refuse)
  local part, use = whole.element, tools.users(is_live)
  local set

  -- Whether there may be such an element comes before what it may be.
  local convert = use.convert
  function use.convert(self, element, span, x)
    local index, count = (span - whole.inner) / part.size + 1, count_of(self)
    if index > count + 1 then
      refuse(self, index, count)
    end
    return convert(self, element, span, x)
  end

  local append = part.is_scalar and accessors.append(is_live, whole, use)

  -- Only the last element can be removed. To remove one behind it changes nothing.
  function use.remove(self, i)
    local count = count_of(self)
    if not elements.is_index(i) or i < 1 or i > count + 1 then
      refuse(self, i, count)
    end
    local of, offset = tools.locate(self)
    memory.check_writable(of, whole, offset)
    if i == count then
      elements.set_count(of, whole, offset, count - 1)
    elseif i < count then
      errors.complain(of, whole, offset, "only the last element can be removed, %d, not %s: assign "
        .. "a table, or move the last one here first", count, errors.shown(i))
    end
  end

  function use.index(self, i, x)
    local index, count = to_index(whole, i), count_of(self)
    if index then
      return set(self, index, x)
    elseif x == nil then
      return use.remove(self, i)
    elseif i ~= count + 1 then
      refuse(self, i, count)
    elseif append and count < whole.count then
      return append(self, i, x)
    end
    local of, offset = tools.locate(self)
    elements.append(of, whole, offset, count, x)
  end

  set = part.is_scalar and accessors.set(is_live, whole, part, nil, use)
    or function(self, i, x)
      local is_there = type(i) == "number" and i >= 1 and i <= count_of(self) and i % 1 == 0
      if x == nil or not is_there then
        return use.index(self, i, x)
      end
      tools.assign_part(self, part, whole.inner + (i - 1) * part.size, x)
    end
  return set
end

local function list_metamethods(is_live, whole, tools)
  local count_of = accessors.count(is_live, whole, {
    corrupt = function(self, count)
      local of, offset = tools.locate(self)
      memory.complain_count(of, whole, offset, count)
    end,
  })
  local function refuse(self, i, count)
    if not elements.is_index(i) or i < 1 then
      tools.complain_key(self, i)
    end
    local of, offset = tools.locate(self)
    elements.complain_index(of, whole, offset, i, count)
  end
  local get, use = reader(is_live, whole, tools, count_of)
  use.refuse = refuse
  return {
    __index = get, __newindex = list_writer(is_live, whole, tools, count_of, refuse),
    __len = count_of,
  }
end

--- The metamethods of the views of an array or a list type. `tools` are functions of view.lua.
function elements.metamethods(is_live, whole, tools)
  local new = whole.kind == "list" and list_metamethods or array_metamethods
  return new(is_live, whole, tools)
end

return elements

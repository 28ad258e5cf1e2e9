--- Enumerations and flags: names of numbers.
-- @submodule ipmmap
local array = require "ipmmap.array"
local check = require "ipmmap.check"
local compat = require "ipmmap.compat"
local registry = require "ipmmap.registry"
local types = require "ipmmap.types"
local pairs = require("ipmmap.loops").pairs

local core, is_integer = compat.core, compat.is_integer
local is_name, refuse, show = check.is_name, check.refuse, check.show

local enum = {}

-- The key of an Enum's layout in its metatable. It stays the same if this module is loaded again.
local LAYOUT = core.enums

local INTEGERS = {
  int8 = true, uint8 = true, int16 = true, uint16 = true, int32 = true, uint32 = true,
  int64 = true, uint64 = true,
}

--- The layout of an Enum; nil if the value is none.
-- @local
function enum.layout(value)
  local metatable = type(value) == "table" and getmetatable(value)
  return type(metatable) == "table" and rawget(metatable, LAYOUT) or nil
end

--- The Enum of a layout.
-- @local
function enum.new(layout)
  local description = core.struct.type(layout)
  local name, names = description.name, description.names
  local numbers = {}
  for _, constant in ipairs(names) do numbers[constant.name] = constant.number end

  local function refuse_key(key)
    local list = {}
    for i, constant in ipairs(names) do list[i] = constant.name end
    refuse(3, "%s has no %s: its names are %s", name, show(key), table.concat(list, ", "))
  end

  local function next_constant(_, last)
    local i = 1
    while last ~= nil and names[i].name ~= last do i = i + 1 end
    local following = names[last == nil and 1 or i + 1]
    if following then
      return following.name, following.number
    end
  end

  return setmetatable({}, {
    [LAYOUT] = layout,
    __name = "ipmmap.enum",
    __index = function(self, key)
      if is_integer(key) then
        return array.new(self, name, "", key)
      end
      local number = numbers[key]
      if number == nil then
        refuse_key(key)
      end
      return number
    end,
    __newindex = function(_, key)
      refuse(2, "%s: an enumeration cannot be changed (%s)", name, show(key))
    end,
    __pairs = function(self)
      return next_constant, self, nil
    end,
    __tostring = function()
      return tostring(layout)
    end,
  })
end

-- Definitions ----------------------------------------------------------------------------------

-- Whether one decimal text of an integer is less than another one.
local function is_less(a, b)
  local is_negative = a:sub(1, 1) == "-"
  if is_negative ~= (b:sub(1, 1) == "-") then
    return is_negative
  elseif #a ~= #b then
    return (#a < #b) ~= is_negative
  end
  return a ~= b and (a < b) ~= is_negative
end

-- The constants { name, text of the number } of a list of names.
local function number_list(name, names, is_flags, level)
  local constants = {}
  for key in pairs(names) do
    if not is_integer(key) then
      refuse(level, "%s: names are either a list or a table of numbers by name: %s is in a list",
        name, show(key))
    end
  end
  for i = 1, check.last_index(names) do
    if not is_name(names[i]) then
      refuse(level, "%s: the name %d, %s, is not %s", name, i, show(names[i]), check.NAME)
    end
    constants[i] = { names[i], ("%.0f"):format(is_flags and 2 ^ (i - 1) or i - 1) }
  end
  return constants
end

-- The constants of a table of numbers by name, in the order of the numbers.
local function sort_table(name, integer, names, level)
  local constants = {}
  for key, number in pairs(names) do
    if not is_name(key) then
      refuse(level, "%s: %s is not %s", name, show(key), check.NAME)
    end
    local text = core.number_text(number, integer == "uint64")
    if not text or not text:find "^-?%d+$" then
      refuse(level, "%s.%s: %s is not an integer", name, key, show(number))
    end
    constants[#constants + 1] = { key, text }
  end
  table.sort(constants, function(a, b)
    if a[2] == b[2] then
      return a[1] < b[1]
    end
    return is_less(a[2], b[2])
  end)
  return constants
end

--- Defines an enumeration, or flags. `level` is as for `error`.
-- @local
function enum.define(name, integer, names, is_flags, replaces, level)
  if not is_name(name) then
    refuse(level, "%s is not %s", show(name), check.NAME)
  elseif types.scalars[name] then
    refuse(level, "'%s' is the name of a type already", name)
  elseif not INTEGERS[integer] then
    refuse(level, "%s: %s is not an integer type, such as 'uint8'", name, show(integer))
  elseif type(names) ~= "table" then
    refuse(level, "%s: names are a list, or a table of numbers by name, not %s", name, show(names))
  end
  local constants = names[1] ~= nil and number_list(name, names, is_flags, level + 1)
    or sort_table(name, integer, names, level + 1)
  local lines = { ("%s %s : %s {\n"):format(is_flags and "flags" or "enum", name, integer) }
  for i, constant in ipairs(constants) do
    lines[i + 1] = ("  %s = %s\n"):format(constant[1], constant[2])
  end
  local layout, message = core.struct.parse(table.concat(lines) .. "}\n")
  if not layout then
    refuse(level, "%s", (message:gsub("^([%w_]+): line %d+: ", "%1: ", 1)))
  end
  return registry.add(name, layout, enum.new(layout), replaces, level + 1)
end

--- Define and register an enumeration: names for the values of an integer type. A field of this
-- type is read as the name of its number, or as the number if it has no name. It takes a name, or
-- any number of the integer type.
--
-- If the name is registered with the same enumeration already, the result is the registered Enum.
-- @function enum
-- @tparam string name letters, digits and `_`, at most 63 characters
-- @tparam string type an integer type, such as `"uint8"`
-- @tparam table names a list of names, whose numbers are 0, 1, 2, …; or a table of numbers by name
-- @treturn Enum
-- @raise an error if a name is invalid, if there is none, if two have the same number, if a number
-- is outside the type, or if `name` is registered with another definition
function enum.enum(name, type, names)
  return enum.define(name, type, names, false, false, 2)
end

--- Define and register flags: names for the bits of an integer type. The values of a field of this
-- type are numbers. A program combines and tests them by `|` and `&`.
-- @function flags
-- @tparam string name as for `enum`
-- @tparam string type as for `enum`
-- @tparam table names a list of names, whose numbers are 1, 2, 4, …; or a table of numbers by name,
-- where a number may have several bits
-- @treturn Enum
-- @raise as for `enum`; an error if a number is 0
function enum.flags(name, type, names)
  return enum.define(name, type, names, true, false, 2)
end

--- An Enum `E` stands for an enumeration or for flags. `E.walk` is the number that has the name
-- `walk`; any other name raises an error that tells the names. `pairs(E)` gives each name and its
-- number, in the order of declaration. `E[N]` is the type of an array of N of these.
-- `tostring(E)` is the canonical schema text.
-- @type Enum

return enum

-- The registry of the names of structs and of enumerations. Each Lua state has one.
--
-- The C core has the layouts. `core.structs` maps each name to the core's object for a layout: a
-- Struct, or the layout of an enumeration, which programs never see. `core.enums` maps the names of
-- enumerations to their Enums.
local check = require "ipmmap.check"
local compat = require "ipmmap.compat"

local core, refuse = compat.core, check.refuse

local registry = {}

local layouts, enums = core.structs, core.enums

-- Whether a name has been given to another type than before.
local has_replaced = false

--- The Struct or Enum that is registered under a name, or nil.
-- @local
function registry.find(name)
  return enums[name] or layouts[name]
end

--- The layout that is registered under a name, or nil.
-- @local
function registry.layout(name)
  return layouts[name]
end

-- The first lines in which two schema texts differ.
local function line_difference(old, new)
  local LINE = "%s*([^\n]*)\n"
  local next_old, next_new = tostring(old):gmatch(LINE), tostring(new):gmatch(LINE)
  local there, here
  repeat
    there, here = next_old(), next_new()
  until there ~= here or not there
  return ("%s there, %s here"):format(there or "nothing", here or "nothing")
end

-- What differs between two layouts of the same name, or nil.
local function difference(old, new)
  if tostring(old) == tostring(new) then
    return nil
  end
  local are_structs = not core.struct.is_enum(old) and not core.struct.is_enum(new)
  return are_structs and core.struct.difference(old, new) or line_difference(old, new)
end

-- The texts of the structs and enumerations of a layout, as an iterator of name and text.
local function declarations(layout)
  return tostring(layout):gmatch "%a+ ([%w_]+)([^\n]*{\n.-\n}\n)"
end

local function own_declaration(layout)
  local last
  for _, text in declarations(layout) do last = text end
  return last
end

-- Refuses a struct that would contain a part that was redefined, as it was before. The core finds
-- parts by name, so one struct cannot contain both.
local function check_parts(name, new, level)
  for part, text in declarations(new) do
    if part ~= name and text ~= own_declaration(layouts[part]) then
      refuse(level, "%s: a type of its fields contains the %s of before it was redefined: redefine "
        .. "that type, too", name, part)
    end
  end
end

--- Register a layout under its name, or find the equal one that is registered already. Raises an
-- error at `level` if another one is registered and `replaces` is false.
-- @local
-- @tparam string name
-- @param new the core's layout
-- @param enum for the layout of an enumeration: its Enum
-- @treturn Struct|Enum the registered one
function registry.add(name, new, enum, replaces, level)
  local old = layouts[name]
  local changed = old and difference(old, new)
  if changed and not replaces then
    refuse(level, "%s is defined already with another %s: %s", name,
      enums[name] and enum and "list of names" or "layout", changed)
  elseif old and not changed then
    return registry.find(name)
  end
  if has_replaced and not enum then
    check_parts(name, new, level + 1)
  end
  has_replaced = has_replaced or old ~= nil
  layouts[name], enums[name] = new, enum
  return registry.find(name)
end

return registry

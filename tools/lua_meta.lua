--- Writes lua/ipmmap/meta.lua, the annotations for lua-language-server, from the LDoc comments.
-- usage: lua5.4 tools/lua_meta.lua >lua/ipmmap/meta.lua
--
-- The classes here have "ipmmap." in their names, so that none has the name of a struct, for which
-- `ipmmap schema --luals` writes a class. A view or value may be of any of those classes.

package.path = "./?.lua;" .. package.path
local lua_comments = require "tools.lua_comments"

local PREFACE <const> = [[
---@meta ipmmap
-- luacheck: ignore
-- Annotations for lua-language-server: no program loads this file. `make annotations` generates it
-- from the comments in the sources.

---A view or a value. `---@type Player` before its variable gives it the class that
---`ipmmap schema --luals` writes for the struct.
---@alias ipmmap.View any

---@alias ipmmap.Value any

---@class ipmmap.Error
---@field code string
---@field message string

---@class ipmmap.Struct
---@field name string
---@field size integer in bytes
---@field align integer in bytes
---@field [integer] table the type of an array of so many of it
local Struct = {}

---@class ipmmap.Reader
local Reader = {}

---@class ipmmap.Editor: ipmmap.Reader
local Editor = {}

---@class ipmmap.Manager: ipmmap.Editor
local Manager = {}

---@class ipmmap
---@field _VERSION string
---@field base ipmmap.Struct
local ipmmap = {}
]]

local TYPES <const> = {
  Struct = "ipmmap.Struct", view = "ipmmap.View", value = "ipmmap.Value", func = "function",
}

local ROLES <const> = {
  manager = "ipmmap.Manager", editor = "ipmmap.Editor", reader = "ipmmap.Reader",
}

-- A type of the comments as lua-language-server writes it: `{string,...}` is `string[]`.
local function type_of(type)
  type = type:gsub("^%?(.*)$", "%1|nil"):gsub("{(%a+),%.%.%.}", "%1[]")
  return (type:gsub("%a+", TYPES))
end

-- Print a line without the blanks at its end.
local function print_line(format, ...)
  print((format:format(...):gsub("[ #]+$", "")))
end

local function comment(text)
  return (("\n" .. text):gsub("\n", "\n---"):sub(2))
end

-- The class that has a method: the weakest role that may use it.
local function class_of(entry)
  if entry.class ~= "Handle" then
    return entry.class or "ipmmap"
  elseif entry.description:find("Managers only%.") then
    return "Manager"
  end
  return entry.description:find("Editors and managers%.") and "Editor" or "Reader"
end

local function options_class(entry)
  return ("ipmmap.%sOptions"):format((entry.name:gsub("^%l", string.upper)))
end

-- The fields of the options table of `manager`, by name.
local function options_of(entry)
  local options = {}
  for _, parameter in ipairs(entry.parameters) do
    local name = parameter.name:match("^options%.(.*)$")
    if name then
      options[name] = parameter
      options[#options + 1] = name
    end
  end
  return options
end

-- The options of another function are those of `manager` that its description names.
local function print_options(entry, all)
  local parameter = entry.parameters[2]
  if not parameter or parameter.name ~= "options" then return end
  print(("\n---@class %s"):format(options_class(entry)))
  for _, name in ipairs(all) do
    if entry.name == "manager" or parameter.description:find("`" .. name .. "`", 1, true) then
      print_line("---@field %s? %s %s", name, type_of(all[name].type), all[name].description)
    end
  end
end

local function print_parameters(entry)
  local names = {}
  for _, parameter in ipairs(entry.parameters) do
    if parameter.name == "..." or not parameter.name:find(".", 1, true) then
      local type = parameter.name == "options" and options_class(entry) or type_of(parameter.type)
      print_line("---@param %s%s %s %s", parameter.name, parameter.is_optional and "?" or "", type,
                 parameter.description)
      names[#names + 1] = parameter.name
    end
  end
  return table.concat(names, ", ")
end

-- The results by their groups: those of success, and those of failure.
local function groups_of(entry)
  local groups = { {}, {} }
  for _, result in ipairs(entry.results) do
    table.insert(groups[result.group], result)
  end
  return groups[1], groups[2]
end

-- One line for each result, with its type in both groups: `string?` exists in the second alone.
local function print_results(entry)
  local succeeded, failed = groups_of(entry)
  for index = 1, math.max(#succeeded, #failed) do
    local result, other = succeeded[index], failed[index]
    if not result then
      local name = other.description:match("^(%a+)") or ""
      print_line("---@return %s? %s # %s", type_of(other.type), name, other.description)
    elseif result.type == "any" then
      print_line("---@return any ... # %s", result.description)
    else
      print_line("---@return %s%s # %s", ROLES[entry.name] or type_of(result.type),
                 other and "|" .. other.type or "", result.description)
    end
  end
end

local function print_function(entry)
  local class = class_of(entry)
  print("\n" .. comment(entry.description))
  local names = print_parameters(entry)
  print_results(entry)
  print(("function %s%s%s(%s) end"):format(class, entry.class and ":" or ".", entry.name, names))
end

local entries, all = {}, nil
for _, entry in ipairs(lua_comments.read()) do
  if entry.is_function then
    entries[#entries + 1] = entry
    all = entry.name == "manager" and options_of(entry) or all
  end
end

io.write(PREFACE)
for _, entry in ipairs(entries) do print_options(entry, all) end
for _, entry in ipairs(entries) do print_function(entry) end
print("\nreturn ipmmap")

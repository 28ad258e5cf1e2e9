--- Writes lua/ipmmap/meta.lua, the annotations for lua-language-server, from the LDoc comments.
-- usage: lua5.4 tools/lua_meta.lua >lua/ipmmap/meta.lua
--
-- The classes here have "ipmmap." in their names. No struct can have such a name, so no class that
-- `ipmmap schema --luals` writes for a struct has the name of one of these. The two structs that
-- each segment begins with are here too, as `ipmmap schema --luals` writes them.
local lua_comments = require "tools.lua_comments"

local PREFACE <const> = [[
---@meta ipmmap
-- luacheck: ignore
-- Annotations for lua-language-server; programs do not load this file. `make annotations` writes it
-- from the comments of the sources.

---A view. To see its fields in the editor, give the variable the struct's class, which
---`ipmmap schema --luals` writes: `---@type Player`.
---@alias ipmmap.View any

---A detached value, whose class is the struct's as for a view.
---@alias ipmmap.Value any

---@class MmapStructureHeader
---@field header_code integer # int16
---@field time_stamp number # double

---@class BaseMmapStructure
---@field header MmapStructureHeader # MmapStructureHeader

---@alias ipmmap.Code %s

---@class ipmmap.Error
---@field code ipmmap.Code
---@field message string

---@class ipmmap.ArrayType
---@field [integer] ipmmap.ArrayType

---@class ipmmap.Field
---@field [1] string
---@field [2] string|ipmmap.Struct|ipmmap.Enum|ipmmap.ArrayType
---@field default? boolean|number|string|(boolean|number|string)[]
---@field min? number
---@field max? number
---@field unit? string
---@field doc? string

---@class ipmmap.Type
---@field name string
---@field kind string
---@field size integer
---@field align integer
---@field count? integer
---@field element? ipmmap.Type
---@field inner? integer
---@field fields? ipmmap.TypeField[]
---@field parent? ipmmap.Type
---@field pack? integer
---@field names? { name: string, number: integer }[]
---@field flags? boolean
---@field min? number
---@field max? number

---@class ipmmap.TypeField
---@field name string
---@field offset integer
---@field type ipmmap.Type
---@field default? boolean|number|string|(boolean|number|string)[]
---@field unit? string
---@field doc? string

---@class ipmmap.Info
---@field name string
---@field role "manager"|"editor"|"reader"
---@field tag string
---@field path string
---@field lock_path string
---@field size integer
---@field feed integer
---@field version integer
---@field recoveries integer
---@field max_readers integer
---@field readers integer
---@field writer_pid integer
---@field pending boolean
---@field writable boolean
---@field lockable boolean
---@field replaced boolean
---@field migrated? ipmmap.Migration
---@field last_commit? number
---@field last_writer? { pid: integer, start: integer, alive?: boolean }
---@field attached ipmmap.Attached[]
---@field share? ipmmap.Share

---@class ipmmap.Attached
---@field pid integer
---@field role "manager"|"editor"|"reader"
---@field since integer
---@field start integer

---@class ipmmap.Migration
---@field kept string[]
---@field added string[]
---@field dropped string[]

---@class ipmmap.Share
---@field place "unshared"|"home"|"replica"
---@field epoch? integer
---@field ahead? integer
---@field token? integer
---@field deadline? number

---@class ipmmap.RemoteOptions
---@field timeout? number
---@field password_file? string
---@field ca? string
---@field cert? string
---@field key? string
---@field insecure? boolean
---@field lock_dir? string
---@field trust? integer|integer[]|string

---@class ipmmap.Remote
---@field set fun(self: ipmmap.Remote, fields: table): integer?, string?, string?
---@field write fun(self: ipmmap.Remote, path: string, value: any): integer?, string?, string?
---@field add fun(self: ipmmap.Remote, path: string, n: number): number?, integer|string, string?
---@field update fun(self: ipmmap.Remote, path: string, fn: function): any, integer|string, string?
---@field with fun(self: ipmmap.Remote, fn: function): integer?, string?, string?
---@field edit fun(self: ipmmap.Remote, fn: function): integer?, string?, string?
---@field close fun(self: ipmmap.Remote)

---@class ipmmap.Feed
local Feed = {}

---@class ipmmap.User
---@field pid integer
---@field tid integer
---@field since integer
---@field alive boolean
---@field writes boolean
---@field waits boolean
---@field next boolean

---@class ipmmap.Struct
---@field name string
---@field size integer
---@field align integer
---@field [integer] ipmmap.ArrayType
local Struct = {}

---An enumeration or flags: the number of each name.
---@class ipmmap.Enum
---@field [string] integer
---@field [integer] ipmmap.ArrayType

---@class ipmmap.Reader
local Reader = {}

---@class ipmmap.Editor: ipmmap.Reader
local Editor = {}

---@class ipmmap.Manager: ipmmap.Editor
local Manager = {}

---@class ipmmap.Module
---@field _VERSION string
---@field base ipmmap.Struct
local ipmmap = {}
]]

local TYPES <const> = {
  Struct = "ipmmap.Struct", Enum = "ipmmap.Enum", Feed = "ipmmap.Feed", view = "ipmmap.View",
  value = "ipmmap.Value", Remote = "ipmmap.Remote",
}

-- Parameters and results for which the comments have no more than "table" or "Handle".
local PARAMETERS <const> = {
  ["struct fields"] = "ipmmap.Field[]", ["Struct:extend fields"] = "ipmmap.Field[]",
  ["struct options"] = "{ pack?: 1|2|4|8 }", ["Struct:extend options"] = "{ pack?: 1|2|4|8 }",
  ["enum names"] = "string[]|table<string, integer>",
  ["flags names"] = "string[]|table<string, integer>",
  ["manager options"] = "ipmmap.ManagerOptions", ["editor options"] = "ipmmap.Options",
  ["reader options"] = "ipmmap.Options", ["repair options"] = "ipmmap.RepairOptions",
  ["adopt options"] = "ipmmap.AdoptOptions", ["remote options"] = "ipmmap.RemoteOptions",
  ["Handle:set_share share"] = "ipmmap.Share",
}
local RESULTS <const> = {
  manager = "ipmmap.Manager", editor = "ipmmap.Editor", reader = "ipmmap.Reader",
  ["Struct:type"] = "ipmmap.Type", ["Handle:info"] = "ipmmap.Info",
  ["Handle:users"] = "ipmmap.User[]", ["Handle:share"] = "ipmmap.Share",
  ["Feed:commits"] = "fun(): ipmmap.Value, integer, integer",
  ["Feed:changes"] = "fun(): string, any",
}

-- A type as lua-language-server writes it: `{string,...}` is `string[]`.
local function type_of(type)
  type = type:gsub("^%?(.*)$", "%1|nil"):gsub("{(%a+),%.%.%.}", "%1[]")
  return (type:gsub("%a+", TYPES))
end

local function line(...)
  return (table.concat({ ... }, " "):gsub(" +$", ""))
end

local function code_alias(entries)
  local codes = {}
  for code in lua_comments.list(entries.ipmmap, "The codes:") do
    codes[#codes + 1] = ('"%s"'):format(code)
  end
  return table.concat(codes, "|")
end

-- A class of options: all of the manager's, or those that the comment `named` names.
local function add_options(out, class, manager, named)
  out[#out + 1] = "\n---@class " .. class
  for _, param in ipairs(manager.params) do
    local name = param.name:match "^options%.(.*)"
    if name and (not named or named:find("`" .. name .. "`", 1, true)) then
      out[#out + 1] = line("---@field", name .. "?", type_of(param.type), param.text)
    end
  end
end

local function param_named(entry, name)
  for _, param in ipairs(entry.params) do
    if param.name == name then return param end
  end
end

local function add_params(out, entry)
  local names = {}
  for _, param in ipairs(entry.params) do
    if not param.name:find "%w%." then
      local type = PARAMETERS[entry.name .. " " .. param.name] or type_of(param.type or "any")
      local optional = param.is_optional and param.name ~= "..." and "?" or ""
      out[#out + 1] = line("---@param", param.name .. optional, type, param.text)
      names[#names + 1] = param.name
    end
  end
  return table.concat(names, ", ")
end

-- A result that only failures have: its text begins with its name.
local function failure_line(result)
  local name, rest = result.text:match "^(%a+)[:,]?%s*(.*)$"
  local type = name == "code" and "ipmmap.Code" or type_of(result.type)
  return line("---@return", type .. "?", name, rest)
end

local function add_results(out, entry)
  local succeeded, failed = entry.results[1] or {}, entry.results[2] or {}
  for i = 1, math.max(#succeeded, #failed) do
    local result = succeeded[i]
    if not result then
      out[#out + 1] = failure_line(failed[i])
    elseif not result.type then
      out[#out + 1] = line("---@return any ... #", result.text)
    else
      local type = RESULTS[entry.name] or type_of(result.type)
      local text = result.text ~= "" and "# " .. result.text or ""
      out[#out + 1] = line("---@return", type .. (failed[i] and "|nil" or ""), text)
    end
  end
end

-- The class whose method a function is: of handles, that of the weakest role which may call it.
local function owner_of(entry)
  local class = entry.name:match "^%a+:"
  if class == "Struct:" or class == "Feed:" then
    return class
  elseif not entry.name:find "^Handle:" then
    return "ipmmap."
  elseif entry.text:find "Managers only%." then
    return "Manager:"
  end
  return entry.text:find "Editors and managers%." and "Editor:" or "Reader:"
end

local function add_function(out, entry)
  out[#out + 1] = "\n---" .. entry.text:gsub("\n", "\n---")
  local names = add_params(out, entry)
  add_results(out, entry)
  local name = entry.name:match "[^:]*$"
  out[#out + 1] = ("function %s%s(%s) end"):format(owner_of(entry), name, names)
end

local entries, names = lua_comments.read(), {}
for name, entry in pairs(entries) do
  if entry.kind == "function" then names[#names + 1] = name end
end
table.sort(names)

local out = { (PREFACE:gsub("\n$", ""):format(code_alias(entries))) }
add_options(out, "ipmmap.ManagerOptions", entries.manager)
add_options(out, "ipmmap.Options", entries.manager, param_named(entries.editor, "options").text)
add_options(out, "ipmmap.RepairOptions", entries.manager,
  param_named(entries.repair, "options").text)
add_options(out, "ipmmap.AdoptOptions", entries.manager, param_named(entries.adopt, "options").text)
for _, name in ipairs(names) do add_function(out, entries[name]) end
out[#out + 1] = "\nreturn ipmmap"
print(table.concat(out, "\n"))

--- Writes docs/lua-api.md from the LDoc comments of the sources and from docs/lua_examples.lua.
-- usage: lua5.4 tools/lua_api.lua >docs/lua-api.md
local lua_comments = require "tools.lua_comments"

local SECTIONS <const> = {
  { "Structs", "struct", "base", "Struct:extend", "redefine", "lookup", "load", "parse",
    "describe", "Struct:new", "Struct:offsetof", "Struct:type", "Struct:convert" },
  { "Enumerations", "enum", "flags" },
  { "Open and close", "manager", "editor", "reader", "Handle:close", "Handle:destroy", "repair",
    "adopt" },
  { "Lock", "Handle:lock", "Handle:try_lock", "Handle:unlock", "Handle:rollback", "Handle:with",
    "Handle:try_with" },
  { "Read", "Handle:read", "Handle:snapshot", "Handle:versioned_snapshot" },
  { "Write", "Handle:write", "Handle:set", "Handle:add", "Handle:update", "Handle:swap",
    "Handle:max", "Handle:min", "Handle:bor", "Handle:band", "Handle:touch", "Handle:clear",
    "Handle:flush" },
  { "Wait for commits", "Handle:version", "Handle:wait", "Handle:changed", "wait_any", "Handle:fd",
    "Handle:drain" },
  { "Follow every commit", "Handle:feed", "Feed:next", "Feed:commits", "Feed:changes", "Feed:time",
    "Feed:patch", "Feed:close" },
  { "Several machines", "remote", "Handle:share", "Handle:set_share", "Handle:apply",
    "Handle:edit" },
  { "Inspect a segment", "Handle:info", "Handle:users", "Handle:last_update" },
  { "Views and values", "totable", "bytes", "setbytes", "pointer", "check", "pairs", "ipairs",
    "len" },
  { "Time", "now", "boottime", "sleep" },
}

-- The classes whose descriptions begin sections.
local CLASSES <const> = { Structs = "Struct", Enumerations = "Enum" }

local COMMENTS <const> = "the comments of the sources"
local EXAMPLES <const> = "docs/lua_examples.lua"

local INTRODUCTION <const> = [[
# The Lua reference

`tools/lua_api.lua` makes this page from the comments in the sources. A test runs each example: text
after `-->` is what the line prints. The [README](../README.md) is an introduction, and
[guarantees.md](guarantees.md) lists what ipmmap promises.
]]

local OBJECTS <const> = { Handle = "handle", Feed = "feed", Struct = "S" }

-- "Handle:lock" as a program writes it.
local function written(name)
  local class, method = name:match "^(%a+):(.*)$"
  if not class then return "ipmmap." .. name end
  return OBJECTS[class] .. ":" .. method
end

local function link(name)
  local fragment = written(name):lower():gsub("[^%w _-]", "")
  return ("[`%s`](#%s)"):format(written(name), fragment)
end

-- The arguments of a call, optional ones in brackets; fields of an options table are left out.
local function arguments(entry)
  local text, brackets = "", 0
  for _, param in ipairs(entry.params) do
    if not param.name:find "%w%." then
      if param.is_optional then
        text = text .. (text == "" and "[" or " [")
        brackets = brackets + 1
      end
      text = text .. (text:find "%w" and ", " or "") .. param.name
    end
  end
  return text .. ("]"):rep(brackets)
end

local function type_text(type)
  return ("*%s*"):format((type:gsub("^%?(.*)", "%1|nil"):gsub("|", " or ")))
end

local function item(head, text)
  return head .. (text ~= "" and ": " or "") .. text
end

local function param_line(param)
  local head = ("- `%s`"):format(param.name)
  if param.type then head = head .. " " .. type_text(param.type) end
  if param.default then
    head = ("%s, default `%s`"):format(head, param.default)
  elseif param.is_optional and param.type then
    head = head .. ", optional"
  end
  return item(head, param.text)
end

-- One way to return: "*view*: ...", or "`nil`, message, code".
local function result_text(results)
  local parts = {}
  for i, result in ipairs(results) do
    if results[1].type == "nil" then
      parts[i] = i == 1 and "`nil`" or result.text
    else
      parts[i] = result.type and item(type_text(result.type), result.text) or result.text
    end
  end
  return table.concat(parts, results[1].type == "nil" and ", " or "; ")
end

local function add_results(out, results)
  for number, list in ipairs(results) do
    out[#out + 1] = (number == 1 and "- " or "- or ") .. result_text(list)
  end
end

local function add_entry(out, entry, example)
  out[#out + 1] = ("\n### `%s`\n"):format(written(entry.name))
  if entry.kind == "function" then
    out[#out + 1] = ("`%s(%s)`\n"):format(written(entry.name), arguments(entry))
  end
  out[#out + 1] = entry.text
  if #entry.params > 0 then
    out[#out + 1] = "\nArguments:\n"
    for _, param in ipairs(entry.params) do out[#out + 1] = param_line(param) end
  end
  if #entry.results > 0 then
    out[#out + 1] = "\nReturns:\n"
    add_results(out, entry.results)
  end
  if entry.raises then out[#out + 1] = "\nRaises: " .. entry.raises end
  out[#out + 1] = ("\n```lua\n%s\n```"):format(example)
end

-- The parts of the examples' file, by the names at their heads.
local function read_examples()
  local file <close> = assert(io.open(EXAMPLES))
  local examples, lines = {}, nil
  for line in file:lines() do
    local name = line:match "^%-%-%- (%S+)$"
    if name then
      lines = {}
      examples[name] = lines
    elseif lines then
      lines[#lines + 1] = line
    end
  end
  for name, text in pairs(examples) do
    examples[name] = table.concat(text, "\n"):gsub("^\n+", ""):gsub("\n+$", "")
  end
  return examples
end

-- Takes the thing of that name out of a table, so that what is left over can be reported.
local function take(from, name, where)
  local found = from[name] or error(("%s is not in %s"):format(name, where), 0)
  from[name] = nil
  return found
end

local function contents()
  local out = { "| section | |", "| --- | --- |" }
  for _, section in ipairs(SECTIONS) do
    local links = {}
    for i = 2, #section do links[i - 1] = link(section[i]) end
    out[#out + 1] = ("| %s | %s |"):format(section[1], table.concat(links, ", "))
  end
  return table.concat(out, "\n")
end

local entries, examples = lua_comments.read(), read_examples()

local function add_section(out, section)
  out[#out + 1] = "\n## " .. section[1]
  local class = CLASSES[section[1]]
  if class then
    out[#out + 1] = "\n" .. take(entries, class, COMMENTS).text
  end
  for i = 2, #section do
    add_entry(out, take(entries, section[i], COMMENTS), take(examples, section[i], EXAMPLES))
  end
end

local out = { INTRODUCTION, contents(), "", take(entries, "ipmmap", COMMENTS).text }
out[#out + 1] = "\n## The examples\n\nEach example below begins with these definitions:\n"
out[#out + 1] = ("```lua\n%s\n```"):format(take(examples, "preamble", EXAMPLES))
for _, section in ipairs(SECTIONS) do add_section(out, section) end

local left = next(entries) or next(examples)
if left then
  error(left .. " is in no section of tools/lua_api.lua", 0)
end
print(table.concat(out, "\n"))

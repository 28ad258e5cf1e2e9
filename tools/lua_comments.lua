--- Reads the LDoc comments of the sources, for the Lua reference and for the specs that compare it.
local lua_comments = {}

local SOURCES <const> = "ls lua/ipmmap/*.lua src/lua/*.c"

-- The texts of a Lua file's comments that begin with `---`, without the dashes.
local function from_lua(text)
  local found, open = {}, nil
  for line in text:gmatch "([^\n]*)\n" do
    local first, rest = line:match "^%-%-%- (.*)", line:match "^%-%- ?(.*)"
    if first then
      open = { first }
      found[#found + 1] = open
    elseif open and rest then
      open[#open + 1] = rest
    else
      open = nil
    end
  end
  for i, lines in ipairs(found) do found[i] = table.concat(lines, "\n") end
  return found
end

-- The texts of a C file's comments that begin with `/***`.
local function from_c(text)
  local found = {}
  for comment in text:gmatch "/%*%*%*\n(.-)\n%*/" do found[#found + 1] = comment end
  return found
end

-- Cuts a comment into its description and its tags, each with all of its lines.
local function split(comment)
  local description, tags = {}, {}
  for line in (comment .. "\n"):gmatch "([^\n]*)\n" do
    local tag, modifiers, text = line:match "^@(%a+)(%b[])%s*(.*)"
    if not tag then
      tag, text = line:match "^@(%a+)%s*(.*)"
    end
    if tag then
      tags[#tags + 1] = { tag = tag, modifiers = (modifiers or ""):sub(2, -2), text = text }
    elseif #tags > 0 then
      tags[#tags].text = tags[#tags].text .. " " .. line
    else
      description[#description + 1] = line
    end
  end
  return table.concat(description, "\n"):gsub("\n+$", ""), tags
end

-- A tag `tparam` or `treturn`: its type, which has no space, and the rest.
local function typed(text)
  local type, rest = text:match "^(%S+)%s*(.*)$"
  return type, rest
end

local add = {}

function add.tparam(entry, tag)
  local type, rest = typed(tag.text)
  local name, text = rest:match "^(%S+)%s*(.*)$"
  entry.params[#entry.params + 1] = {
    name = name, type = type, text = text,
    is_optional = tag.modifiers:find "^opt" ~= nil, default = tag.modifiers:match "^opt=(.*)",
  }
end

function add.param(entry, tag)
  local name, text = tag.text:match "^(%S+)%s*(.*)$"
  entry.params[#entry.params + 1] = { name = name, text = text, is_optional = name == "..." }
end

local function add_result(entry, tag, type, text)
  local number = tonumber(tag.modifiers) or 1
  local list = entry.results[number] or {}
  entry.results[number] = list
  list[#list + 1] = { type = type, text = text }
end

function add.treturn(entry, tag)
  add_result(entry, tag, typed(tag.text))
end

add["return"] = function(entry, tag)
  add_result(entry, tag, nil, tag.text)
end

function add.raise(entry, tag)
  entry.raises = tag.text
end

-- What a comment documents, or nil for one that is about a file, or is local.
local function entry_of(comment)
  local description, tags = split(comment)
  local entry = { text = description, params = {}, results = {} }
  for _, tag in ipairs(tags) do
    if tag.tag == "function" or tag.tag == "table" or tag.tag == "type" or tag.tag == "module" then
      entry.kind, entry.name = tag.tag, tag.text
    elseif add[tag.tag] then
      add[tag.tag](entry, tag)
    end
  end
  return entry.kind and entry
end

--- All that the sources document.
-- @treturn {[string]=table,...} by name ("lock" of a handle is "Handle:lock"): `kind` ("function",
-- "table", "type", "module"), `text`, `params` (`name`, `type`, `text`, `is_optional`, `default`),
-- `results` (a list for each way to return, of `type`, `text`), `raises`
function lua_comments.read()
  local entries = {}
  for path in io.popen(SOURCES):lines() do
    local file <close> = assert(io.open(path))
    local comments_of = path:find "%.c$" and from_c or from_lua
    for _, comment in ipairs(comments_of(file:read "a")) do
      local entry = entry_of(comment)
      if entry then
        assert(not entries[entry.name], path .. ": documented twice: " .. entry.name)
        entries[entry.name] = entry
      end
    end
  end
  return entries
end

--- The names in backquotes at the heads of the items of a list in an entry's text.
-- @tparam table entry
-- @tparam string before the line before the list
-- @treturn function an iterator
function lua_comments.list(entry, before)
  local _, stop = entry.text:find("\n" .. before .. "\n\n", 1, true)
  local items = entry.text:sub(stop, (entry.text:find("\n\n", stop + 1)))
  local heads = {}
  for head in items:gmatch "\n%- (`[^:]*):" do heads[#heads + 1] = head end
  return table.concat(heads, " "):gmatch "`([^`]+)`"
end

return lua_comments

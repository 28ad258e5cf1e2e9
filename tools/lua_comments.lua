--- Reads the LDoc comments of the library's sources, for the generator lua_meta.lua.
local lua_comments = {}

-- In the order in which the reference has them.
local SOURCES <const> = {
  "lua/ipmmap/init.lua", "lua/ipmmap/struct.lua", "src/lua/layout.c", "src/lua/type.c",
  "src/lua/value.c", "lua/ipmmap/handle.lua", "src/lua",
}

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

--- The paths of the sources. A directory stands for its .c files, so that a new file is not missed.
function lua_comments.sources()
  local paths, seen = {}, {}
  local function add(path)
    if not seen[path] then
      seen[path] = true
      paths[#paths + 1] = path
    end
  end
  for _, path in ipairs(SOURCES) do
    if path:find("%.%a+$") then
      add(path)
    else
      local pipe <close> = assert(io.popen(("ls %s/*.c"):format(path)))
      for file in pipe:lines() do add(file) end
    end
  end
  return paths
end

-- The texts of a source's comments, without what marks them as comments.
local function comments_of(path)
  local text, comments = "\n" .. read(path), {}
  if path:find("%.c$") then
    for comment in text:gmatch("\n/%*%*%*\n(.-)\n%*/") do
      comments[#comments + 1] = comment
    end
    return comments
  end
  local lines
  for line in (text .. "\n"):gmatch("(.-)\n") do
    local start = line:match("^%-%-%- (.*)$")
    local more = lines and line:match("^%-%- ?(.*)$")
    if start then
      lines = { start }
    elseif more then
      lines[#lines + 1] = more
    elseif lines then
      comments[#comments + 1] = table.concat(lines, "\n")
      lines = nil
    end
  end
  return comments
end

-- A parameter: its name, type, default or nil, whether it can be left out, and its description.
local function parameter(options, text, is_typed)
  local type, rest = "any", text
  if is_typed then
    type, rest = text:match("^(%S+)%s+(.*)$")
  end
  local name, description = rest:match("^(%S+)%s*(.*)$")
  return {
    name = name, type = type, description = description,
    is_optional = options:find("^opt") ~= nil, default = options:match("^opt=(.*)$"),
  }
end

-- A result: its type, its description, and the number of the group of results it belongs to.
local function result(options, text, is_typed)
  local type, description = "any", text
  if is_typed then
    type, description = text:match("^(%S+)%s*(.*)$")
  end
  return { type = type, description = description, group = tonumber(options) or 1 }
end

local function add_tag(entry, tag, options, text)
  text = text:gsub("%s+", " "):gsub(" $", "")
  if tag == "tparam" or tag == "param" then
    table.insert(entry.parameters, parameter(options, text, tag == "tparam"))
  elseif tag == "treturn" or tag == "return" then
    table.insert(entry.results, result(options, text, tag == "treturn"))
  elseif tag == "function" then
    entry.class, entry.name = text:match("^(%a+):([%w_]+)$")
    entry.name = entry.name or text
    entry.is_function = true
  else
    entry[tag] = text
  end
end

local function parse(comment)
  local entry = { parameters = {}, results = {} }
  local tag, options, lines
  local function finish()
    local text = table.concat(lines, "\n"):gsub("\n+$", "")
    if tag then
      add_tag(entry, tag, options, text)
    else
      entry.description = text
    end
  end
  lines = {}
  for line in (comment .. "\n"):gmatch("(.-)\n") do
    local new, after = line:match("^@(%a+)(.*)$")
    if new then
      finish()
      local bracketed, text = after:match("^(%b[])%s*(.*)$")
      tag, options = new, bracketed and bracketed:sub(2, -2) or ""
      lines = { text or after:match("^%s*(.*)$") }
    else
      lines[#lines + 1] = line
    end
  end
  finish()
  return entry
end

--- The comments, each with `description`, `parameters`, `results`, and its other tags by name.
-- @treturn {table,...}
function lua_comments.read()
  local entries = {}
  for _, path in ipairs(lua_comments.sources()) do
    for _, comment in ipairs(comments_of(path)) do
      entries[#entries + 1] = parse(comment)
    end
  end
  return entries
end

return lua_comments

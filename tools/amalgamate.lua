--- Joins C files into one, for those who drop the library into their own tree.
-- usage: lua5.4 amalgamate.lua core.c ... -- binding.c ... >ipmmap.c
-- What comes after "--" needs Lua and stands under #ifdef IPM_LUA. A static name that two files
-- define gets each file's name in front; a file's macros end with it.

local files = {} -- { path, tokens, is_lua }

--- Splits C text into tokens that are enough to rename identifiers: comments, literals, words and
-- single other characters.
local function tokenize(text)
  local tokens, at = {}, 1
  local patterns = { "^/%*.-%*/", "^//[^\n]*", '^[%a_][%w_]*', "^%d[%w.]*", "^%->", "^%s+", "^." }
  while at <= #text do
    local token
    local quote = text:match("^[\"']", at)
    if quote then
      local stop = at + 1
      while text:sub(stop, stop) ~= quote do
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      token = text:sub(at, stop)
    end
    for _, pattern in ipairs(patterns) do
      token = token or text:match(pattern, at)
    end
    tokens[#tokens + 1] = token
    at = at + #token
  end
  return tokens
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local is_lua = false
for _, path in ipairs(arg) do
  if path == "--" then
    is_lua = true
  else
    files[#files + 1] = { path = path, text = read(path), is_lua = is_lua }
  end
end

--- The names of a file's own functions and variables, and of types with a body.
local function static_names(text)
  local names = {}
  for start, line in ("\n" .. text):gmatch("\n([st}]%g*) ([^\n]+)") do
    if start == "static" or start == "typedef" or start == "}" then
      local name = line:match("([%a_][%w_]*)%s*%(") or line:match("([%a_][%w_]*)[%[%]%w]* =")
          or line:match("([%a_][%w_]*);")
      if name then names[name] = true end
    end
  end
  return names
end

local owners = {}
for _, file in ipairs(files) do
  for name in pairs(static_names(file.text)) do owners[name] = (owners[name] or 0) + 1 end
end

local function rename(file)
  local own = static_names(file.text)
  local prefix = file.path:match("([%w_]+)%.c$") .. (file.is_lua and "_lua_" or "_")
  local tokens = tokenize(file.text)
  local before
  for i, token in ipairs(tokens) do
    if own[token] and owners[token] > 1 and before ~= "." and before ~= "->" then
      tokens[i] = prefix .. token
    end
    if not token:find("^%s") then before = token end
  end
  return table.concat(tokens)
end

local system = { [false] = {}, [true] = {} } -- the headers of C and Linux, and Lua's
local included = { ["src/ipmmap.h"] = true }

local function normal(path)
  repeat
    local count
    path, count = path:gsub("[^/]+/%.%./", "", 1)
  until count == 0
  return path
end

--- The text with the project's headers in the places of the #include lines.
local function expand(path, text)
  return (text:gsub('#include ([<"])([^>"]+)[>"]\n', function(kind, name)
    if kind == "<" then
      local headers = system[name:find("^l[ua]") ~= nil and not name:find("^limits")]
      headers[name] = true
      return ""
    end
    local header = normal(path:match("^(.*/)") .. name)
    if included[header] then return "" end
    included[header] = true
    return expand(header, read(header))
  end))
end

local function undefine_macros(text)
  local lines, seen = {}, {}
  for name in text:gmatch("\n#define ([%w_]+)") do
    if not seen[name] then lines[#lines + 1] = "#undef " .. name .. "\n" end
    seen[name] = true
  end
  return table.concat(lines)
end

local parts = { [false] = {}, [true] = {} }
for _, file in ipairs(files) do
  local text = expand(file.path, rename(file))
  local part = parts[file.is_lua]
  part[#part + 1] = ("\n/* ==== %s ==== */\n\n%s%s"):format(file.path, text,
                                                            undefine_macros(file.text))
end

local function includes(set)
  local lines = {}
  for name in pairs(set) do lines[#lines + 1] = "#include <" .. name .. ">\n" end
  table.sort(lines)
  return table.concat(lines)
end

io.write([[
/*
 * ipmmap ]], read("src/ipmmap.h"):match('IPM_VERSION "([^"]+)"'), [[ in one file.
 * Generated from its sources, not to be edited.
 *
 *      cc -c ipmmap.c -pthread             the C library
 *      cc -c ipmmap.c -pthread -DIPM_LUA   and luaopen_ipmmap, with Lua 5.4's headers
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

]], includes(system[false]), "#ifdef IPM_LUA\n", includes(system[true]), [[
#endif

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC visibility push(hidden)

#include "ipmmap.h"
]], table.concat(parts[false]), "\n#ifdef IPM_LUA\n", table.concat(parts[true]), [[

#endif
#pragma GCC visibility pop
]])

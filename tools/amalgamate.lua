--- Joins C files into one, for a tree that includes the library as two files.
-- usage: lua5.4 amalgamate.lua core.c ... -- binding.c ... >ipmmap.c
-- The files after "--" need Lua, so they stand under #ifdef IPM_LUA. Names of static functions,
-- types and macros are unique in src/, so the files only have to follow one another.

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function normal(path)
  repeat
    local count
    path, count = path:gsub("[^/]+/%.%./", "", 1)
  until count == 0
  return path
end

local included = { ["src/ipmmap.h"] = true } -- the file that comes with the amalgamation

--- The text of a file with the project's headers in place of their first #include lines. Those of
-- other headers go to `others`: what these declare must not be hidden.
local function expand(path, others)
  return (read(path):gsub('#include ([<"])([^>"]+)[>"]\n', function(kind, name)
    if kind == "<" then
      others[#others + 1] = ("#include <%s>\n"):format(name)
      return ""
    end
    local header = normal(path:match("^(.*/)") .. name)
    if included[header] then return "" end
    included[header] = true
    return expand(header, others)
  end))
end

--- The text of files one after the other, and the other headers that they include.
local function join(paths)
  local parts, others, unique, seen = {}, {}, {}, {}
  for _, path in ipairs(paths) do
    parts[#parts + 1] = ("\n/* ==== %s ==== */\n\n%s"):format(path, expand(path, others))
  end
  for _, line in ipairs(others) do
    if not seen[line] then unique[#unique + 1] = line end
    seen[line] = true
  end
  return table.concat(parts), table.concat(unique)
end

local core, binding = {}, {}
local files = core
for _, path in ipairs(arg) do
  if path == "--" then
    files = binding
  else
    files[#files + 1] = path
  end
end
local core_text, core_headers = join(core)
local binding_text, binding_headers = join(binding)

io.write([[
/*
 * ipmmap ]], read("src/ipmmap.h"):match('IPM_VERSION "([^"]+)"'), [[ in one file.
 * Generated from its sources, not to be edited.
 *
 *      cc -c ipmmap.c -pthread             the C library
 *      cc -c ipmmap.c -pthread -DIPM_LUA   and luaopen_ipmmap, with the headers of Lua 5.4 or 5.5
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

]], core_headers, "#ifdef IPM_LUA\n", binding_headers, [[
#endif

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow" /* of static functions of another file */
#pragma GCC visibility push(hidden)

#include "ipmmap.h"
]], core_text, "\n#ifdef IPM_LUA\n", binding_text, [[

#endif
#pragma GCC visibility pop
]])

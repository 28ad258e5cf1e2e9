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

--- The text of a file with the project's headers in place of their first #include lines.
local function expand(path)
  return (read(path):gsub('#include "([^"]+)"\n', function(name)
    local header = normal(path:match("^(.*/)") .. name)
    if included[header] then return "" end
    included[header] = true
    return expand(header)
  end))
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

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC visibility push(hidden)

#include "ipmmap.h"
]])
for _, path in ipairs(arg) do
  if path == "--" then
    io.write("\n#ifdef IPM_LUA\n")
  else
    io.write(("\n/* ==== %s ==== */\n\n%s"):format(path, expand(path)))
  end
end
io.write("\n#endif\n#pragma GCC visibility pop\n")

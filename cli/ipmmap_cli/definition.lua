--- Structs that a Lua file defines.
local failure = require "ipmmap_cli.failure"
local files = require "ipmmap_cli.files"
local ipmmap = require "ipmmap"
local segment = require "ipmmap_cli.segment"

local definition = {}

--- Splits the argument of --struct.
-- @return the file and the struct's name, or nil
function definition.split(text)
  return text:match("^(.+):([%a_][%w_]*)$")
end

--- Runs a Lua file, which may require other files beside it, and finds a struct that it defines; or
-- ends the command.
-- @param text FILE.lua:Name
-- @return Struct
function definition.load(text)
  local path, name = definition.split(text)
  files.assert(files.status(path))
  package.path = segment.split(path) .. "/?.lua;" .. package.path
  local chunk, message = loadfile(path)
  local ok, problem = xpcall(chunk or error, tostring, message)
  if not ok then failure.raise("usage", "%s", problem) end
  local S = ipmmap.lookup(name)
  if not S then failure.raise("usage", "%s defines no struct %s", path, name) end
  return S
end

return definition

--- Opens a segment of any struct by the path of its data file.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"

local segment = {}

local MAX_TAG <const> = 128
-- Seconds to retry if the segment is replaced by one of another layout while it is opened.
local PATIENCE <const> = 2

--- Splits a data file's path.
-- @return the directory, and the file's name
function segment.split(path)
  local dir, name = path:match("^(.*)/([^/]*)$")
  if not dir then return ".", path end
  return dir == "" and "/" or dir, name
end

--- Whether a text is a valid tag of a segment.
function segment.is_tag(text)
  return #text <= MAX_TAG and not text:find("[^%w._-]") and not text:find("..", 1, true)
end

--- Reads the struct from a data file, and makes the options that open its segment.
-- @param args the command line's `lock_dir` and `trust`
-- @return Struct, options; or nil, message, code
function segment.describe(path, args)
  local S, message, code = ipmmap.describe(path)
  if not S then return nil, message, code end
  local dir, name = segment.split(path)
  local tag = name:match("^" .. S.name .. "_(.*)%.mmap$")
  if not tag or not segment.is_tag(tag) then
    return nil, ("%s holds a %s and could be opened if it were called %s_<tag>.mmap")
      :format(path, S.name, S.name), "corrupt"
  end
  return S, { mmap_dir = dir, lock_dir = args.lock_dir or dir, tag = tag, trust = args.trust }
end

--- Opens the segment in a role.
-- @return handle, Struct; or nil, message, code
function segment.try_open(role, path, args)
  local deadline = ipmmap.now() + PATIENCE
  while true do
    local S, options, why = segment.describe(path, args)
    if not S then return nil, options, why end
    local handle, message, code = ipmmap[role](S, options)
    if handle then return handle, S end
    if code ~= "layout" or ipmmap.now() > deadline then return nil, message, code end
  end
end

--- Opens the segment in a role, or ends the command.
-- @return handle, Struct
function segment.open(role, path, args)
  return failure.assert(segment.try_open(role, path, args))
end

return segment

--- Opening a segment by the name of its data file, whatever its struct.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"

local segment = {}

local MAX_TAG <const> = 128
local PATIENCE <const> = 2 -- seconds, with one that is replaced by other layouts again and again

--- Takes a data file's path apart.
-- @return the directory, and the name in it
function segment.split(path)
  local dir, name = path:match("^(.*)/([^/]*)$")
  if not dir then return ".", path end
  return dir == "" and "/" or dir, name
end

--- Whether a text can be the tag of a segment.
function segment.is_tag(text)
  return #text <= MAX_TAG and not text:find("[^%w._-]") and not text:find("..", 1, true)
end

--- What the file describes, and the options that open it.
-- @param args of the command line: `lock_dir` and `trust`
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

--- Opens a log of `ipmmap record`, and goes through its states.
local failure = require "ipmmap_cli.failure"
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local parts = require "ipmmap_cli.parts"
local segment = require "ipmmap_cli.segment"

local recording = {}

--- Ends the command with an error about a damaged log.
-- @param opened the log; only its `path` and its `consequence` are used
function recording.damaged(opened, format, ...)
  failure.raise("corrupt", "%s is damaged: %s%s", opened.path, format:format(...),
    opened.consequence and "; " .. opened.consequence or "")
end

local function open_file(path)
  local file, message = io.open(path, "rb")
  if file then return file end
  failure.raise(message:find("No such file", 1, true) and "not_found" or "permission",
    "cannot read %s", message)
end

--- Whether a file begins like a log, of this version or another. Ends the command if the file
-- cannot be read.
function recording.is_log(path)
  local file <close> = open_file(path)
  return file:read(6) == "IPMLOG"
end

--- Opens a log, or ends the command.
-- @param consequence what messages about damage add, or nil
-- @return { reader, file, path, consequence, S (the struct), tag, paths (what was recorded; none:
-- everything) }
function recording.open(path, consequence)
  local file = open_file(path)
  local opened = { file = file, path = path, consequence = consequence }
  local reader = log.reader(file)
  if not reader then
    failure.raise("usage", "%s cannot be read twice: save what comes from the pipe in a file", path)
  end
  local schema, tag, paths = reader:header()
  if not schema and tag then
    failure.raise("corrupt", "%s is a log of another version of ipmmap: %s", path, tag)
  elseif not schema then
    failure.raise("corrupt", "%s is not a log of ipmmap record", path)
  end
  local S, problem = ipmmap.parse(schema)
  if not S then recording.damaged(opened, "its schema: %s", problem) end
  if S.size > log.MAX_SIZE then recording.damaged(opened, "a struct of %d bytes", S.size) end
  if not segment.is_tag(tag) then recording.damaged(opened, "'%s' is no tag", tag) end
  local ok, why = pcall(parts.of, S, paths)
  if not ok then recording.damaged(opened, "%s", why.message or why) end
  opened.reader, opened.S, opened.tag, opened.paths = reader, S, tag, paths
  return opened
end

--- The states of a log, for a loop. Ends the command if one is damaged.
-- @param on_cut called if the log ends within a state
-- @return an iterator of: the value, which is the same each time; the frame; the value's bytes
function recording.states(opened, on_cut)
  local reader, size = opened.reader, opened.S.size
  local bytes, value = ("\0"):rep(size), opened.S:new()
  return function()
    local at = reader.file:seek()
    local frame, why = reader:frame(size)
    if why == "damaged" then recording.damaged(opened, "the frame at byte %d", at) end
    if not frame then
      if why == "cut" then on_cut() end
      return nil
    end
    bytes = log.apply(frame, bytes)
    local ok, problem = pcall(ipmmap.setbytes, value, bytes)
    if not ok then recording.damaged(opened, "the frame at byte %d: %s", at, problem) end
    return value, frame, bytes
  end
end

return recording

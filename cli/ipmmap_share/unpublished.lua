--- Saves commits that no other machine has got: those of a home that has lost its lease before it
-- could publish them. The file is a log of `ipmmap record`, for `replay` and `export`.
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local new_runs = require "ipmmap_cli.runs"
local trouble = require "ipmmap_share.trouble"
local uv = require "luv"

local unpublished = {}

local MODE <const> = 384 -- 600 in octal

local function check(result, message)
  if result ~= nil then return result end
  trouble.raise("system", "cannot save what was not published: %s", message)
end

-- Makes the file, also if one was made in the same second.
local function create(stem)
  for number = 1, math.huge do
    local path = ("%s%s.log"):format(stem, number > 1 and "-" .. number or "")
    local file, message, name = uv.fs_open(path, "wx", MODE)
    if file then return file, path end
    if name ~= "EEXIST" then check(nil, message) end
  end
end

-- The states to save, oldest first: an iterator of value, version, time. The first is the last one
-- that was published, if the ring still tells it.
local function states(handle, feed)
  local is_told = false
  return function()
    local value, version, code = feed:next(0)
    if value then
      is_told = true
      local time = feed:time()
      return value, version, time > 0 and time or ipmmap.now()
    elseif code ~= "timeout" then
      trouble.raise(code, "%s", version)
    elseif not is_told then -- the segment had no commit since it was made
      is_told = true
      value, version = handle:versioned_snapshot()
      return value, version, ipmmap.now()
    end
  end
end

-- Writes the log. Returns how many commits after `published` it has.
local function write(file, handle, S, tag, published)
  local count, runs = 0, nil
  local feed <close> = handle:feed(math.max(0, published - 1))
  local bytes, sum = log.header(tostring(S), tag)
  check(uv.fs_write(file, bytes, -1))
  for value, version, time in states(handle, feed) do
    local changed
    if runs then
      changed = runs(value) or {}
    else
      changed, runs = new_runs(S, {}, feed, value)
    end
    local frame
    frame, sum = log.frame(time, version, changed, sum)
    check(uv.fs_write(file, frame, -1))
    if version > published then count = count + 1 end
  end
  check(uv.fs_fsync(file))
  return count
end

--- Saves what a segment has beyond a version. Nobody may commit meanwhile.
-- @param handle of the segment
-- @param S its struct
-- @param epoch in which the commits were made
-- @param published the last version that was published; 0: none that is known, so all commits are
-- saved that the segment's ring still tells
-- @return the path of the log, beside the data file, and the number of commits; or nil if there is
-- nothing to save. Failures are raised
function unpublished.save(handle, S, epoch, published)
  local info = handle:info()
  if published > 0 and info.version <= published then return nil end
  if S.size > log.MAX_SIZE then
    trouble.raise("system", "%s has %d bytes, which a log cannot hold", info.path, S.size)
  end
  local stem = ("%s.unpublished-%d-%s"):format(info.path:gsub("%.mmap$", ""), epoch,
    os.date("!%Y%m%dT%H%M%SZ"))
  local file, path = create(stem)
  local ok, result = pcall(write, file, handle, S, info.tag, published)
  uv.fs_close(file)
  if not ok then
    uv.fs_unlink(path)
    error(result, 0)
  end
  return path, result
end

return unpublished

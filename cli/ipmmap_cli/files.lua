--- Directories, the attributes of files, and processes; by luv.
local failure = require "ipmmap_cli.failure"
local uv = require "luv"

local files = {}

local CODES <const> = {
  ENOENT = "not_found", ENOTDIR = "not_found", EACCES = "permission", EPERM = "permission",
  EROFS = "permission", ENOSPC = "no_space", EDQUOT = "no_space", EEXIST = "usage",
}

--- Like assert, for the results of a luv function. Its messages look like "ENOENT: no such file:
-- path"; this drops the name in front.
function files.assert(result, message, name)
  if result == nil or result == false then
    failure.raise(CODES[name] or "system", "%s", (message:gsub("^%u+: ", "")))
  end
  return result
end

function files.status(path) return uv.fs_lstat(path) end

--- The same of what a link leads to; nil if there is nothing.
function files.stat(path) return (uv.fs_stat(path)) end

--- The sorted paths of the files in a directory whose names match a pattern. Hidden files are left
-- out, because a segment's name never begins with a dot.
function files.in_directory(dir, pattern)
  local scan = files.assert(uv.fs_scandir(dir))
  local list = {}
  for name in function() return uv.fs_scandir_next(scan) end do
    if name:find(pattern) and name:sub(1, 1) ~= "." then
      list[#list + 1] = dir == "." and name or (dir:gsub("/+$", "")) .. "/" .. name
    end
  end
  table.sort(list)
  return list
end

--- Whether a process with this id exists.
function files.is_alive(pid)
  local ok, _, name = uv.kill(pid, 0)
  return ok ~= nil or name == "EPERM"
end

--- The name of a process's command, or "?" if it cannot be read.
function files.command_of(pid)
  local file = io.open(("/proc/%d/comm"):format(pid))
  if not file then return "?" end
  local _ <close> = file
  return file:read("l") or "?"
end

return files

--- The processes that have a segment open, and the one that committed last, for people.
local files = require "ipmmap_cli.files"
local uv = require "luv"

local processes = {}

--- A process for people, such as "123 (lua5.4)".
function processes.describe(pid)
  local command = files.command_of(pid)
  return command == "?" and tostring(pid) or ("%d (%s)"):format(pid, command)
end

--- The handles on a segment, without those of this process.
-- @param attached `info().attached`
function processes.others(attached)
  local list, own = {}, uv.os_getpid()
  for _, one in ipairs(attached) do
    if one.pid ~= own then list[#list + 1] = one end
  end
  return list
end

--- The same, one entry for each process and role, with the number of `handles`. `since` is that of
-- the oldest one. The oldest come first.
function processes.grouped(attached)
  local list, known = {}, {}
  for _, one in ipairs(processes.others(attached)) do
    local key = one.pid .. one.role
    local group = known[key]
    if group then
      group.handles, group.since = group.handles + 1, math.min(group.since, one.since)
    else
      group = { pid = one.pid, role = one.role, since = one.since, handles = 1 }
      known[key], list[#list + 1] = group, group
    end
  end
  table.sort(list, function(a, b)
    if a.since ~= b.since then return a.since < b.since end
    if a.pid ~= b.pid then return a.pid < b.pid end
    return a.role < b.role
  end)
  return list
end

--- How long ago a time was, in few characters, such as "5 s" or "3 h".
function processes.age(seconds, now)
  local age = math.max(0, math.floor(now - seconds))
  if age < 100 then return age .. " s" end
  if age < 100 * 60 then return age // 60 .. " min" end
  if age < 100 * 3600 then return age // 3600 .. " h" end
  return age // 86400 .. " d"
end

return processes

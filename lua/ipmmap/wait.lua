-- Waiting for the change of one of several fields: the form of `wait` that takes a table.
local compat = require "ipmmap.compat"
local pairs = require("ipmmap.loops").pairs
local show = require("ipmmap.check").show

local core, is_integer = compat.core, compat.is_integer
local methods = core.methods
local wait_once = core.wait_once or methods.wait -- this file may be loaded again
core.wait_once = wait_once

local NAN, ABSENT = {}, {}

-- What a field holds, to be compared: a scalar, the bytes of a struct or an array, NAN or ABSENT.
local function held(self, path)
  local ok, value = pcall(methods.read, self, path)
  if not ok then
    return nil, value
  elseif type(value) == "userdata" or type(value) == "cdata" and not tonumber(value) then
    return core.bytes(value)
  end
  if value == nil then
    return ABSENT
  elseif value ~= value then
    return NAN
  end
  return value
end

-- What the fields hold, or nil and why one cannot be read.
local function held_all(self, paths)
  local all = {}
  for i, path in ipairs(paths) do
    local value, problem = held(self, path)
    if value == nil then
      return nil, problem
    end
    all[i] = value
  end
  return all
end

local function is_below(path, of)
  return path == of or path:sub(1, #of) == of and path:find("^[.%[]", #of + 1) ~= nil
end

-- Whether a field may have changed after a version. A list or an optional field that is told by its
-- own path may have got or lost what is in it.
local function has_changed(self, paths, version)
  local ok, changed = pcall(methods.changed, self, version)
  if not ok then
    return nil, changed
  end
  for _, path in ipairs(changed) do
    for _, of in ipairs(paths) do
      if is_below(path, of) or is_below(of, path) then
        return true
      end
    end
  end
  return false
end

local function differs(now, before)
  for i, value in ipairs(now) do
    if value ~= before[i] then
      return true
    end
  end
  return false
end

-- Raises a mistake of the program, at the position of the caller: all calls up to here are tail
-- calls. A failure is nil, message and code.
local function fail(problem)
  if type(problem) ~= "table" or not problem.code then
    error(problem, type(problem) == "string" and 2 or 0)
  end
  return nil, problem.message, problem.code
end

-- What is wrong with the table, or nil.
local function check(given)
  local count = 0
  for key, value in pairs(given) do
    if is_integer(key) and key >= 1 and key <= #given then
      count = count + 1
      if type(value) ~= "string" then
        return ("%s is not a path"):format(show(value))
      end
    elseif key ~= "version" and key ~= "seconds" then
      return ("wait takes a list of paths, version and seconds, not %s"):format(show(key))
    end
  end
  local version, seconds = given.version, given.seconds
  if count == 0 then
    return "wait takes at least one path"
  elseif version ~= nil and not (is_integer(version) and version >= 0) then
    return ("%s is not a version"):format(show(version))
  elseif seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds) then
    return ("%s is not a number of seconds"):format(show(seconds))
  end
end

local function wait_for_fields(self, given)
  local wrong = check(given)
  if wrong then
    error(("wait: %s"):format(wrong), 2)
  end
  local ok, now = pcall(methods.version, self)
  if not ok then
    return fail(now)
  end
  local deadline = given.seconds and core.ticks() + given.seconds
  local before, problem = held_all(self, given)
  if not before then
    return fail(problem)
  end
  if given.version then
    local changed
    changed, problem = has_changed(self, given, given.version)
    if changed == nil then
      return fail(problem)
    elseif changed then
      return now
    end
  end
  while true do
    local left = deadline and math.max(deadline - core.ticks(), 0)
    local is_awake, version, message, code = pcall(wait_once, self, now, left)
    if not is_awake then
      return fail(version)
    elseif not version then
      return version, message, code
    end
    now = version
    local present
    present, problem = held_all(self, given)
    if not present then
      return fail(problem)
    elseif differs(present, before) then
      return now
    end
  end
end

--- Waits for a commit or a field, as the core does; or for one of several fields.
function methods:wait(version, seconds)
  if type(version) == "table" then
    if seconds ~= nil then
      error("wait: seconds and version are keys of the list, not more arguments", 2)
    end
    return wait_for_fields(self, version)
  end
  return wait_once(self, version, seconds)
end

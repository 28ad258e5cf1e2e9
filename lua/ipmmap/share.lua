--- Where a segment that several machines have may be written: the form of `set_share` that takes a
-- table.
-- @submodule ipmmap

local check = require "ipmmap.check"
local compat = require "ipmmap.compat"
local pairs = require("ipmmap.loops").pairs

local core = compat.core
local show = check.show

-- What IPM_UNSHARED, HOME and REPLICA are called.
local PLACES = { unshared = 0, home = 1, replica = 2 }

local LAST_TIME = 9e9 -- seconds, which must fit into nanoseconds

local function check_count(value)
  local text = core.number_text(value)
  return not (text and text:find "^%d+$") and "is not a number from 0 on" or nil
end

-- For each part, a function that returns what is wrong with a value, or nil.
local checks = {
  place = function(value)
    return not PLACES[value] and 'is neither "unshared", "home" nor "replica"' or nil
  end,
  epoch = check_count,
  ahead = check_count,
  token = function(value)
    local text = core.number_text(value, true)
    return not (text and text:find "^%d+$") and "is not an integer" or nil
  end,
  deadline = function(value)
    if type(value) ~= "number" or not (value >= 0 and value <= LAST_TIME) then
      return "is not a time in seconds"
    end
  end,
}

-- What is wrong with the table, or nil.
local function check_share(share)
  if type(share) ~= "table" then
    return ("it takes a table, not %s"):format(show(share))
  elseif share.place == nil then
    return "there is no place"
  end
  for name, value in pairs(share) do
    if not checks[name] then
      return ("there is no %s"):format(show(name))
    end
    local wrong = checks[name](value)
    if wrong then
      return ("%s %s %s"):format(name, show(value), wrong)
    end
  end
end

--- Say where the segment may be written, for the program that carries its commits between machines.
-- All processes see it at once, and a rollback does not undo it. The handle holds its lock. Without
-- the lock only the deadline of a home can be moved: everything else stays as it is. Managers only.
-- @function Handle:set_share
-- @tparam table share `place`, `epoch`, `ahead`, `token` and `deadline`, as `share` returns them.
-- Numbers that it does not have are 0. A home has a deadline, which may be in the past, and only a
-- home has a deadline and a token
-- @raise an error if the manager does not have the option `shares`, if the handle does not hold its
-- lock, or if the table has anything else; an error object: `"replaced"`, `"forked"`, `"system"`
function core.methods:set_share(share)
  local wrong = check_share(share)
  if wrong then
    error(("set_share: %s"):format(wrong), 2)
  end
  return core.set_share(self, PLACES[share.place], share.deadline or 0, share.epoch or 0,
    share.ahead or 0, share.token or 0)
end

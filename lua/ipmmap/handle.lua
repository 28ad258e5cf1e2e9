--- Opening segments: the three roles and their options.
-- @submodule ipmmap

local core = require "ipmmap.core"
local struct = require "ipmmap.struct"

local handle = {}

local MAX_READERS = 128
local MAX_TAG = 128
local ANYONE = 0xffffffff -- IPM_ANYONE

local function is_user(value)
  return math.type(value) == "integer" and value >= 0 and value < ANYONE
end

-- The users that an option's value names, or nil.
local function users_of(value)
  if value == "anyone" then
    return { ANYONE }
  end
  local users = type(value) == "table" and value or { value }
  for index, user in pairs(users) do
    if not is_user(user) or math.type(index) ~= "integer" or index < 1 or index > #users then
      return nil
    end
  end
  return users
end

local function check_directory(value)
  if type(value) ~= "string" then
    return "is not a string"
  elseif value == "" or value:find "\0" then
    return "is not a directory's name"
  end
end

local function check_boolean(value)
  return type(value) ~= "boolean" and "is not a boolean" or nil
end

-- What is wrong with an option's value, or nil.
local checks = {
  tag = function(value)
    if type(value) ~= "string" then
      return "is not a string"
    elseif value:find "[^%w._-]" or value:find("..", 1, true) or #value > MAX_TAG then
      return "is not a tag (letters, digits, '.', '_' and '-', without '..', at most 128)"
    end
  end,
  mmap_dir = check_directory,
  lock_dir = check_directory,
  create = check_boolean,
  force = check_boolean,
  mode = function(value)
    local is_octal = type(value) == "string" and value:find "^0?[0-7][0-7]?[0-7]?$"
    if not is_octal or tonumber(value, 8) == 0 then
      return 'is not octal text for permission bits, such as "600"'
    end
  end,
  max_readers = function(value)
    if math.type(value) ~= "integer" or value < 1 or value > MAX_READERS then
      return "is not a number of readers (1 to 128)"
    end
  end,
  prefault = check_boolean,
  mlock = check_boolean,
  trust = function(value)
    if not users_of(value) then
      return 'is neither a user id (a number, not a name), nor a list of them, nor "anyone"'
    end
  end,
  layout = function(value)
    if value ~= "exact" and value ~= "compatible" then
      return 'is neither "exact" nor "compatible"'
    end
  end,
  follow = check_boolean,
  wait = function(value)
    if type(value) ~= "number" or value ~= value then
      return "is not a number of seconds"
    end
  end,
}

local of_managers = { create = true, force = true, mode = true, max_readers = true }

-- What is wrong with giving an option to a role, or nil.
local function check_role(name, role)
  if of_managers[name] and role ~= "manager" then
    return ("option '%s' is for a manager, not for this %s: a table that both share has no create, "
      .. "force, mode and max_readers; give the manager a copy with them"):format(name, role)
  elseif name == "wait" and role == "manager" then
    return "option 'wait' is for editors and readers, not for this manager: a manager makes the "
      .. "segment with 'create'"
  end
end

local function show(value)
  if type(value) == "table" then
    return "the table"
  end
  return type(value) == "string" and ("'%s'"):format(value) or tostring(value)
end

-- A copy for the core; nil and what is wrong with them.
local function check_options(role, options)
  if options == nil then
    return {}
  elseif type(options) ~= "table" then
    return nil, ("options are a table, not %s"):format(show(options))
  end
  for name in pairs(options) do
    if not checks[name] then
      return nil, ("there is no option %s"):format(show(name))
    end
  end
  local checked = {}
  for name, check in pairs(checks) do
    local value = options[name] -- its own, or what it inherits by __index
    if value ~= nil then
      local misplaced = check_role(name, role)
      if misplaced then
        return nil, misplaced
      end
      local wrong = check(value)
      if wrong then
        return nil, ("option '%s': %s %s"):format(name, show(value), wrong)
      end
      checked[name] = value
    end
  end
  if checked.force and not checked.create then
    return nil, "option 'force' starts afresh what 'create' makes: give both"
  end
  checked.mode = checked.mode and tonumber(checked.mode, 8)
  checked.trust = checked.trust and users_of(checked.trust)
  return checked
end

local function open(role, shared, options)
  shared = struct.check_shared(shared, 4)
  local checked, wrong = check_options(role, options)
  if not checked then
    error(("%s: %s"):format(shared.name, wrong), 3)
  end
  local opened, message, code = core.open(role, shared, checked)
  if code == "invalid" then
    error(message, 3)
  end
  return opened, message, code
end

--- Open a segment as its manager. A manager may create, reset and destroy the segment, and do
-- everything that an editor may.
-- @function manager
-- @tparam Struct|string shared the struct, or its registered name; it must descend from `base`
-- @tparam[opt] table options those below. `create`, `force`, `mode` and `max_readers` are for
-- managers alone, and the other roles refuse them. If several roles share a table, leave these four
-- out of it, and give the manager a copy with them, or a table that inherits from it by `__index`
-- @tparam[opt=""] string options.tag names one of several segments of the same struct: letters,
-- digits, `.`, `_`, `-`
-- @tparam[opt="./.mmap"] string options.mmap_dir the directory of `<Struct>_<tag>.mmap`
-- @tparam[opt=mmap_dir] string options.lock_dir the directory of `<Struct>_<tag>.lock`
-- @tparam[opt=false] boolean options.create make the segment if it is not there; an existing one of
-- the same layout is kept as it is
-- @tparam[opt=false] boolean options.force with `create`: start afresh. An existing segment of the
-- same layout is reset in place, one of another layout is replaced. This waits for the segment's
-- lock, ten seconds at most. If the lock is not free by then, the code is `"timeout"`, and the
-- segment is unchanged
-- @tparam[opt="600"] string options.mode permission bits of both files, in octal; a directory that
-- is made gets the matching x bits, and the setgid bit of the directory above
-- @tparam[opt=128] integer options.max_readers how many readers can hold the lock at the same time,
-- 1 to 128
-- @tparam[opt=false] boolean options.prefault touch each page at opening, so that later use takes
-- no page fault
-- @tparam[opt=false] boolean options.mlock keep all pages in memory; includes `prefault`. The limit
-- is `ulimit -l`
-- @tparam[opt] integer|{integer,...}|string options.trust trusted user ids, or `"anyone"`. In a
-- directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to
-- this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the
-- owner of the data file. A manager that creates a segment also checks the directory, which must
-- belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may
-- write to it.
-- `"anyone"` is for directories that are shared on purpose
-- @tparam[opt="exact"] string options.layout `"compatible"`: the file may hold more fields than the
-- struct, and have them elsewhere, as long as it has each of the struct's by path and type. The
-- handle then works by the file's layout: its views, its values and its paths have all fields of
-- the file. A value of your own Struct can be assigned to them, and `snapshot` fills one. A manager
-- keeps such a file; `force` resets it
-- @tparam[opt=false] boolean options.follow when the segment is replaced, go on with the one that
-- has its name then. The next call outside a lock opens it; until there is one, calls fail with
-- `"replaced"`, and if its layout does not fit, with `"layout"`. A lock that is held stays on the
-- old segment, and its `unlock` raises `"replaced"`. A `wait` that is under way returns the version
-- of the new segment, which may be lower, or the field's value there. `fd` stays the same
-- descriptor, and becomes readable. With `layout = "compatible"` the handle takes the new file's
-- layout
-- @tparam[opt=0] number options.wait editors and readers alone: how many seconds to wait for a
-- manager to make the segment; `math.huge`: for ever. If there is none by then, the code is
-- `"timeout"`. Any other failure, such as another layout, comes at once. Ctrl-C ends the wait
-- @treturn[1] Handle
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"not_found"`, `"layout"`, `"corrupt"`, `"permission"`, `"no_space"`,
-- `"system"`, `"incompatible"`, `"timeout"`
-- @raise a struct that is not registered or has no common header; a bad option
function handle.manager(shared, options)
  local opened, message, code = open("manager", shared, options)
  return opened, message, code
end

--- Open a segment as an editor. An editor may lock it for writing, read and write.
-- @function editor
-- @tparam Struct|string shared as for `manager`
-- @tparam[opt] table options `tag`, `mmap_dir`, `lock_dir`, `prefault`, `mlock`, `trust`,
-- `layout`, `follow` and `wait`, as for `manager`
-- @treturn[1] Handle
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code, as for `manager`
-- @raise as for `manager`
function handle.editor(shared, options)
  local opened, message, code = open("editor", shared, options)
  return opened, message, code
end

--- Open a segment as a reader. A reader may lock it for reading, and read. It maps the data
-- read-only. If it may not write to the lock file, or the disk has no room for that file, it can
-- still read without the lock.
-- @function reader
-- @tparam Struct|string shared as for `manager`
-- @tparam[opt] table options `tag`, `mmap_dir`, `lock_dir`, `prefault`, `mlock`, `trust`,
-- `layout`, `follow` and `wait`, as for `manager`
-- @treturn[1] Handle
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code, as for `manager`
-- @raise as for `manager`
function handle.reader(shared, options)
  local opened, message, code = open("reader", shared, options)
  return opened, message, code
end

local of_repair = { lock_dir = true, trust = true }

--- Repair a data file that is `"corrupt"` as far as that needs no guess: a header code that
-- something else has overwritten is set again. It is a transaction of its own, so others may be
-- using the segment.
-- @function repair
-- @tparam string path of the data file, `<Struct>_<tag>.mmap`
-- @tparam[opt] table options `lock_dir` and `trust`, as for `manager`; `lock_dir` is otherwise the
-- directory of the data file
-- @treturn[1] boolean whether there was something to repair, and it was
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"corrupt"`, with what is damaged and stays so; `"timeout"`: the lock
-- was not free within 10 seconds; or as for `editor`
-- @raise the path is not named so; a bad option
function handle.repair(path, options)
  if type(path) ~= "string" then
    error(("repair takes a data file's path, not %s"):format(show(path)), 2)
  end
  local checked, wrong = check_options("editor", options)
  for name in pairs(checked or {}) do
    if not of_repair[name] then
      checked, wrong = nil, ("option '%s' is not for a repair"):format(name)
      break
    end
  end
  if not checked then
    error(("%s: %s"):format(path, wrong), 2)
  end
  local repaired, message, code = core.repair(path, checked)
  if code == "invalid" then
    error(message, 2)
  end
  return repaired, message, code
end

return handle

--- Opening segments: the three roles and their options.
-- @submodule ipmmap

local check = require "ipmmap.check"
local compat = require "ipmmap.compat"
local struct = require "ipmmap.struct"
local pairs = require("ipmmap.loops").pairs

local core, is_integer = compat.core, compat.is_integer

local handle = {}

local MAX_READERS = 128
local MAX_TAG = 128
local ANYONE = 0xffffffff -- IPM_ANYONE

local function is_user(value)
  return is_integer(value) and value >= 0 and value < ANYONE
end

-- The list of user ids that the value of the option `trust` stands for, or nil if it is invalid.
local function users_of(value)
  if value == "anyone" then
    return { ANYONE }
  end
  local users = type(value) == "table" and value or { value }
  local count, last = 0, 0
  for index, user in pairs(users) do
    if not is_user(user) or not is_integer(index) or index < 1 then
      return nil
    end
    count, last = count + 1, math.max(last, index)
  end
  return count == last and users or nil
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

-- For each option, a function that returns what is wrong with a value, or nil.
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
    if not is_integer(value) or value < 1 or value > MAX_READERS then
      return "is not a number of readers (1 to 128)"
    end
  end,
  migrate = function(value)
    if type(value) ~= "boolean" and value ~= "lossy" then
      return 'is neither a boolean nor "lossy"'
    end
  end,
  feed = function(value)
    if not is_integer(value) or value < 0 then
      return "is not a number of bytes"
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
  shares = check_boolean,
  init = function(value)
    if type(value) ~= "table" and type(value) ~= "userdata" and type(value) ~= "cdata" then
      return "is neither a table nor a value"
    end
  end,
  wait = function(value)
    if type(value) ~= "number" or value ~= value then
      return "is not a number of seconds"
    end
  end,
}

local of_managers = {
  create = true, force = true, migrate = true, mode = true, max_readers = true, feed = true,
  init = true, shares = true,
}

-- What IPM_MIGRATE_NO, YES and LOSSY are called.
local MIGRATE = { [false] = 0, [true] = 1, lossy = 2 }

-- What is wrong with giving an option to a role, or nil.
local function check_role(name, role)
  if of_managers[name] and role ~= "manager" then
    return ("option '%s' is for a manager, not for this %s: a table that both share has no create, "
      .. "force, migrate, mode, max_readers, feed, init and shares; give the manager a copy with "
      .. "them"
      ):format(name, role)
  elseif name == "wait" and role == "manager" then
    return "option 'wait' is for editors and readers, not for this manager: a manager makes the "
      .. "segment with 'create'"
  end
end

local function show(value)
  return type(value) == "table" and "the table" or check.show(value)
end

-- Checks the options. Returns a copy for the core, or nil and what is wrong.
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
  for name, check_option in pairs(checks) do
    local value = options[name] -- may be inherited by __index
    if value ~= nil then
      local misplaced = check_role(name, role)
      if misplaced then
        return nil, misplaced
      end
      local wrong = check_option(value)
      if wrong then
        return nil, ("option '%s': %s %s"):format(name, show(value), wrong)
      end
      checked[name] = value
    end
  end
  if checked.force and not checked.create then
    return nil, "option 'force' starts afresh what 'create' makes: give both"
  elseif checked.migrate and not checked.create then
    return nil, "option 'migrate' changes the layout of what 'create' finds: give both"
  elseif checked.init and not checked.create then
    return nil, "option 'init' has the first values of what 'create' makes: give both"
  elseif checked.migrate and checked.force then
    return nil, "option 'force' starts afresh, and 'migrate' keeps the values: give one"
  end
  checked.migrate = MIGRATE[checked.migrate]
  checked.mode = checked.mode and tonumber(checked.mode, 8)
  checked.trust = checked.trust and users_of(checked.trust)
  return checked
end

local function open(role, shared, options)
  shared = struct.check_shared(shared, 4)
  local checked, wrong = check_options(role, options)
  if not checked then
    error(("%s: %s"):format(shared.name, wrong), 3)
  elseif checked.init then
    local is_valid, init = pcall(core.struct.initial, shared, checked.init)
    if not is_valid then
      error(init, 3)
    end
    checked.init = init
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
-- @tparam[opt] table options the options below. `create`, `force`, `migrate`, `mode`,
-- `max_readers`, `feed`, `init` and `shares` are for managers only, and the other roles refuse
-- them. If several roles share a table, leave these eight out of it, and give the manager a copy
-- with them, or a table that inherits from it by `__index`
-- @tparam[opt=""] string options.tag tells several segments of the same struct apart: letters,
-- digits, `.`, `_` and `-`, without `..`, at most 128 characters
-- @tparam[opt="./.mmap"] string options.mmap_dir the directory of `<Struct>_<tag>.mmap`
-- @tparam[opt=mmap_dir] string options.lock_dir the directory of `<Struct>_<tag>.lock`
-- @tparam[opt=false] boolean options.create make the segment if there is none; an existing segment
-- of the same layout is kept as it is
-- @tparam[opt=false] boolean options.force with `create`: start with an empty segment. An existing
-- segment of the same layout is reset in place, one of another layout is replaced. This waits for
-- the segment's lock for at most ten seconds. If the lock is not free by then, the code is
-- `"timeout"`, and the segment is unchanged
-- @tparam[opt=false] boolean|string options.migrate with `create`: if the segment has another
-- layout, replace it by one of this layout, with its values, version and time stamp. `true`
-- refuses what could lose a value, with the code `"layout"`; `"lossy"` does not.
-- @{Struct:convert} has the rules. `info().migrated` lists what was done: `kept`, `added` and
-- `dropped` are lists of paths. A path stands for all that is below it, and an index for this
-- element and all after it. A field is `dropped` if it is not in the new layout, or if a value
-- of it did not fit. Handles of the old segment follow, or fail with `"replaced"`. This waits
-- for the segment's lock as `force` does, and no commit is lost. The file's owner, mode and
-- `max_readers` stay as they are
-- @tparam[opt="600"] string options.mode the permission bits of both files, in octal. If a
-- directory is made, it gets the matching x bits, and the setgid bit of the directory above
-- @tparam[opt=128] integer options.max_readers how many readers can hold the lock at the same time,
-- 1 to 128
-- @tparam[opt=0] integer options.feed with `create`: the bytes of a ring in the data file, which
-- keeps what the last commits changed, for feeds. In the ring each commit takes 40 bytes, 8 for
-- each 8 bytes that it changed, and 8 for each 256 bytes of the struct that contain them. The ring
-- must be large enough for a change of the whole struct. An existing segment keeps its ring, or has
-- none
-- @tparam[opt] table|value options.init with `create`: the first values of a segment that is made
-- or, with `force`, reset: a table, as for `Handle:set`, or a value of the struct. Fields that a
-- table does not have get their defaults, or zeros. The values are checked before anything is made
-- @tparam[opt=false] boolean options.shares for the program that carries the segment's commits
-- between machines. The handle may call `set_share`, `apply` and `edit`, and may write where
-- editors get the code `"not_home"`. A segment that it makes is a replica from the first moment
-- @tparam[opt=false] boolean options.prefault touch each page at opening, so that later accesses
-- cause no page faults
-- @tparam[opt=false] boolean options.mlock keep all pages in memory; includes `prefault`.
-- `ulimit -l` limits how much memory a process can keep
-- @tparam[opt] integer|{integer,...}|string options.trust trusted user ids, or `"anyone"`. In a
-- directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to
-- this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the
-- owner of the data file. A manager that creates a segment also checks the directory, which must
-- belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may
-- write to it.
-- `"anyone"` is for directories that are shared on purpose
-- @tparam[opt="exact"] string options.layout with `"compatible"` the file may have more fields
-- than the struct, and fields at other offsets. It must have each field of the struct, by path
-- and type. The handle then uses the file's layout: its views, values and paths have all fields
-- of the file. A value of your own Struct can be assigned to them, and `snapshot` can fill one.
-- A manager keeps such a file, also with `migrate`; `force` resets it
-- @tparam[opt=false] boolean options.follow when the segment is replaced, go on with the
-- segment that has its name then. The next call outside a lock opens that segment. Until there
-- is one, calls fail with `"replaced"`; if its layout does not fit, they fail with `"layout"`.
-- A lock that is held stays on the old segment, and its `unlock` raises `"replaced"`. A `wait`
-- that is under way returns the version of the new segment, which may be lower, or the field's
-- value there. `fd` stays the same descriptor, and becomes readable. With
-- `layout = "compatible"` the handle takes the layout of the new file
-- @tparam[opt=0] number options.wait for editors and readers: how many seconds to wait for a
-- manager to make the segment; `math.huge` waits without a limit. If there is still no segment
-- then, the code is `"timeout"`. Any other failure, such as another layout, is returned at
-- once. Ctrl-C ends the wait
-- @treturn[1] Handle
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"not_found"`, `"layout"`, `"corrupt"`, `"permission"`, `"no_space"`,
-- `"system"`, `"incompatible"`, `"timeout"`; with `force` or `migrate` also `"not_home"`
-- @raise an error if the struct is not registered or has no common header, or if an option is
-- unknown or has a bad value
function handle.manager(shared, options)
  local opened, message, code = open("manager", shared, options)
  return opened, message, code
end

--- Open a segment as an editor. An editor may take the write lock, read and write.
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

--- Open a segment as a reader. A reader may take the read lock, and read. It maps the data
-- read-only. If it may not write to the lock file, or if the disk has no room for that file, it can
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

-- The options for what has only some of them.
local function check_for(purpose, allowed, role, options)
  local checked, wrong = check_options(role, options)
  for name in pairs(checked or {}) do
    if not allowed[name] then
      return nil, ("option '%s' is not for %s"):format(name, purpose)
    end
  end
  return checked, wrong
end

local of_repair = { lock_dir = true, trust = true }

--- Repair a data file that is `"corrupt"`. Only damage that can be repaired without a guess is
-- repaired: a header code that another program has overwritten is set again. This is a transaction,
-- so other processes may use the segment at the same time.
-- @function repair
-- @tparam string path the path of the data file, `<Struct>_<tag>.mmap`
-- @tparam[opt] table options `lock_dir` and `trust`, as for `manager`. `lock_dir` is by default the
-- directory of the data file
-- @treturn[1] boolean true: the file was repaired; false: there was nothing to repair
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"corrupt"`: there is other damage, which the message names;
-- `"timeout"`: the lock was not free within 10 seconds; or as for `editor`
-- @raise an error if the path is not the name of a data file, or if an option is unknown or has a
-- bad value
function handle.repair(path, options)
  if type(path) ~= "string" then
    error(("repair takes a data file's path, not %s"):format(show(path)), 2)
  end
  local checked, wrong = check_for("a repair", of_repair, "editor", options)
  if not checked then
    error(("%s: %s"):format(path, wrong), 2)
  end
  local repaired, message, code = core.repair(path, checked)
  if code == "invalid" then
    error(message, 2)
  end
  return repaired, message, code
end

local of_adopt = { tag = true, mmap_dir = true, lock_dir = true, max_readers = true, trust = true }

--- Make a segment of a plain file that begins with the struct's bytes, the common header included,
-- such as Python's ipmmap makes. It has all the values, the time stamp too, and version 0. Without
-- `tag` and `mmap_dir` it takes the file's place, atomically, and keeps its owner, group and mode;
-- the file is then called `<Struct>_<tag>.mmap`. End the programs that write to the file first:
-- what they write later is lost.
-- @function adopt
-- @tparam Struct|string shared the struct, or its registered name
-- @tparam string path of the file: at least as many bytes as the struct has, and after these only
-- zeros
-- @tparam[opt] table options `tag` and `mmap_dir`: the segment goes where they say, as for
-- `manager`, and the file stays as it is; `lock_dir`, `max_readers` and `trust`, as for `manager`
-- @treturn[1] boolean true, also if the file is a segment of this layout already
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: `"layout"`: the file is too short, or has something after the struct;
-- `"corrupt"`: it does not start with the header code, or is a damaged segment; or as for `manager`
-- @raise the file is not named so; a struct that is not registered; a bad option
function handle.adopt(shared, path, options)
  shared = struct.check_shared(shared, 3)
  if type(path) ~= "string" then
    error(("adopt takes a file's path, not %s"):format(show(path)), 2)
  end
  local checked, wrong = check_for("an adoption", of_adopt, "manager", options)
  if not checked then
    error(("%s: %s"):format(shared.name, wrong), 2)
  end
  local adopted, message, code = core.adopt(shared, path, checked)
  if code == "invalid" then
    error(message, 2)
  end
  return adopted, message, code
end

return handle

--- Editing a segment whose home is another machine. The rock of the command has what that needs.
-- @submodule ipmmap

local NEEDS = "ipmmap.remote needs the rock ipmmap-cli, which is for Lua 5.4 and 5.5, and Debian's "
  .. "packages lua-cqueues and lua-luaossl: %s"

--- Open a replica to edit the segment at its home, another machine. It reads here, and sends each
-- edit to the home, by the Redis server that carries the segment's commits. Each of its methods
-- waits for the answer, within a cqueues loop or without one:
--
-- - `r:set(fields)` and `r:write(path, value)`, as of a handle, return the version that the replica
--   gets with the edit.
-- - `r:add(path, n)` and `r:update(path, fn)` return the new value and that version. If another
--   process has changed the field meanwhile, they begin again.
-- - `r:with(fn)` calls `fn(value)` with a copy of the struct, sends what it has changed if the
--   struct is still the same at the home, and returns that version. If it is not, it begins again.
-- - `r:edit(fn)` makes several changes as one transaction: it calls `fn(draft)`, and the draft has
--   the methods `read`, `write`, `set`, `add` and `update`. If what they have read is not the same
--   at the home, it begins again. It returns that version.
-- - `r:close()`, which lets an edit that is under way end; it can also be a `<close>` variable.
--
-- The version is 0 if it is not known, because the replica has not followed the home yet.
--
-- A failure is `nil, message, code`. The codes are those of a handle, and `conflict`: other
-- processes changed the same fields again and again; `refused`: the home does not take the edit;
-- `timeout`: it was not made, and will not be; `unknown`: it may have been made. A value that the
-- field does not take raises an error, as in a handle. A Remote makes one edit at a time.
--
-- It is in the rock `ipmmap-cli`, and needs the modules `cqueues` and `luaossl`.
-- @function remote
-- @tparam string file the data file of the replica, which `ipmmap follow` keeps
-- @tparam string url of the server, as for `ipmmap follow`: `rediss://user@host`
-- @tparam[opt] table options `timeout`: how many seconds an edit may take, by default 10;
-- `password_file`, `ca`, `cert` and `key`: files; `insecure`: true to allow a server on another
-- machine without TLS; `lock_dir` and `trust`, as for `reader`
-- @treturn[1] Remote
-- @treturn[2] nil
-- @treturn[2] string message
-- @treturn[2] string code: as for `reader`; `"not_found"` also if the server does not have the
-- segment, and `"system"` if a module is missing or the server cannot be reached; `refused` if the
-- file is not shared, and `invalid` for a bad URL, or an option that does not go with it
-- @raise an error if the rock is missing, or an option is unknown or has a bad value
local function remote(file, url, options)
  local is_there, open = pcall(require, "ipmmap_share.remote")
  if not is_there then
    error(NEEDS:format(tostring(open):match "^[^\n]*"), 2)
  end
  return open(file, url, options)
end

return remote

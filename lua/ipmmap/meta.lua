---@meta ipmmap
-- luacheck: ignore
-- Annotations for lua-language-server; programs do not load this file. `make annotations` writes it
-- from the comments of the sources.

---A view. To see its fields in the editor, give the variable the struct's class, which
---`ipmmap schema --luals` writes: `---@type Player`.
---@alias ipmmap.View any

---A detached value, whose class is the struct's as for a view.
---@alias ipmmap.Value any

---@class MmapStructureHeader
---@field header_code integer # int16
---@field time_stamp number # double

---@class BaseMmapStructure
---@field header MmapStructureHeader # MmapStructureHeader

---@alias ipmmap.Code "not_found"|"layout"|"corrupt"|"permission"|"no_space"|"system"|"timeout"|"deadlock"|"incompatible"|"replaced"|"forked"|"not_home"

---@class ipmmap.Error
---@field code ipmmap.Code
---@field message string

---@class ipmmap.ArrayType
---@field [integer] ipmmap.ArrayType

---@class ipmmap.Field
---@field [1] string
---@field [2] string|ipmmap.Struct|ipmmap.Enum|ipmmap.ArrayType
---@field default? boolean|number|string|(boolean|number|string)[]
---@field min? number
---@field max? number
---@field unit? string
---@field doc? string

---@class ipmmap.Type
---@field name string
---@field kind string
---@field size integer
---@field align integer
---@field count? integer
---@field element? ipmmap.Type
---@field inner? integer
---@field fields? ipmmap.TypeField[]
---@field parent? ipmmap.Type
---@field pack? integer
---@field names? { name: string, number: integer }[]
---@field flags? boolean
---@field min? number
---@field max? number

---@class ipmmap.TypeField
---@field name string
---@field offset integer
---@field type ipmmap.Type
---@field default? boolean|number|string|(boolean|number|string)[]
---@field unit? string
---@field doc? string

---@class ipmmap.Info
---@field name string
---@field role "manager"|"editor"|"reader"
---@field tag string
---@field path string
---@field lock_path string
---@field size integer
---@field feed integer
---@field version integer
---@field recoveries integer
---@field max_readers integer
---@field readers integer
---@field writer_pid integer
---@field pending boolean
---@field writable boolean
---@field lockable boolean
---@field replaced boolean
---@field migrated? ipmmap.Migration
---@field last_commit? number
---@field last_writer? { pid: integer, start: integer, alive?: boolean }
---@field attached ipmmap.Attached[]
---@field share? ipmmap.Share

---@class ipmmap.Attached
---@field pid integer
---@field role "manager"|"editor"|"reader"
---@field since integer
---@field start integer

---@class ipmmap.Migration
---@field kept string[]
---@field added string[]
---@field dropped string[]

---@class ipmmap.Share
---@field place "unshared"|"home"|"replica"
---@field epoch? integer
---@field ahead? integer
---@field token? integer
---@field deadline? number

---@class ipmmap.RemoteOptions
---@field timeout? number
---@field password_file? string
---@field ca? string
---@field cert? string
---@field key? string
---@field insecure? boolean
---@field lock_dir? string
---@field trust? integer|integer[]|string

---@class ipmmap.Remote
---@field set fun(self: ipmmap.Remote, fields: table): integer?, string?, string?
---@field write fun(self: ipmmap.Remote, path: string, value: any): integer?, string?, string?
---@field add fun(self: ipmmap.Remote, path: string, n: number): number?, integer|string, string?
---@field update fun(self: ipmmap.Remote, path: string, fn: function): any, integer|string, string?
---@field with fun(self: ipmmap.Remote, fn: function): integer?, string?, string?
---@field edit fun(self: ipmmap.Remote, fn: function): integer?, string?, string?
---@field close fun(self: ipmmap.Remote)

---@class ipmmap.Feed
local Feed = {}

---@class ipmmap.User
---@field pid integer
---@field tid integer
---@field since integer
---@field alive boolean
---@field writes boolean
---@field waits boolean
---@field next boolean

---@class ipmmap.Struct
---@field name string
---@field size integer
---@field align integer
---@field [integer] ipmmap.ArrayType
local Struct = {}

---An enumeration or flags: the number of each name.
---@class ipmmap.Enum
---@field [string] integer
---@field [integer] ipmmap.ArrayType

---@class ipmmap.Reader
local Reader = {}

---@class ipmmap.Editor: ipmmap.Reader
local Editor = {}

---@class ipmmap.Manager: ipmmap.Editor
local Manager = {}

---@class ipmmap.Module
---@field _VERSION string
---@field base ipmmap.Struct
local ipmmap = {}

---@class ipmmap.ManagerOptions
---@field tag? string tells several segments of the same struct apart: letters, digits, `.`, `_` and `-`, without `..`, at most 128 characters
---@field mmap_dir? string the directory of `<Struct>_<tag>.mmap`
---@field lock_dir? string the directory of `<Struct>_<tag>.lock`
---@field create? boolean make the segment if there is none; an existing segment of the same layout is kept as it is
---@field force? boolean with `create`: start with an empty segment. An existing segment of the same layout is reset in place, one of another layout is replaced. This waits for the segment's lock for at most ten seconds. If the lock is not free by then, the code is `"timeout"`, and the segment is unchanged
---@field migrate? boolean|string with `create`: if the segment has another layout, replace it by one of this layout, with its values, version and time stamp. `true` refuses what could lose a value, with the code `"layout"`; `"lossy"` does not. @{Struct:convert} has the rules. `info().migrated` lists what was done: `kept`, `added` and `dropped` are lists of paths. A path stands for all that is below it, and an index for this element and all after it. A field is `dropped` if it is not in the new layout, or if a value of it did not fit. Handles of the old segment follow, or fail with `"replaced"`. This waits for the segment's lock as `force` does, and no commit is lost. The file's owner, mode and `max_readers` stay as they are
---@field mode? string the permission bits of both files, in octal. If a directory is made, it gets the matching x bits, and the setgid bit of the directory above
---@field max_readers? integer how many readers can hold the lock at the same time, 1 to 128
---@field feed? integer with `create`: the bytes of a ring in the data file, which keeps what the last commits changed, for feeds. In the ring each commit takes 40 bytes, 8 for each 8 bytes that it changed, and 8 for each 256 bytes of the struct that contain them. The ring must be large enough for a change of the whole struct. An existing segment keeps its ring, or has none
---@field init? table|ipmmap.Value with `create`: the first values of a segment that is made or, with `force`, reset: a table, as for `Handle:set`, or a value of the struct. Fields that a table does not have get their defaults, or zeros. The values are checked before anything is made
---@field shares? boolean for the program that carries the segment's commits between machines. The handle may call `set_share`, `apply` and `edit`, and may write where editors get the code `"not_home"`. A segment that it makes is a replica from the first moment
---@field prefault? boolean touch each page at opening, so that later accesses cause no page faults
---@field mlock? boolean keep all pages in memory; includes `prefault`. `ulimit -l` limits how much memory a process can keep
---@field trust? integer|integer[]|string trusted user ids, or `"anyone"`. In a directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the owner of the data file. A manager that creates a segment also checks the directory, which must belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may write to it. `"anyone"` is for directories that are shared on purpose
---@field layout? string with `"compatible"` the file may have more fields than the struct, and fields at other offsets. It must have each field of the struct, by path and type. The handle then uses the file's layout: its views, values and paths have all fields of the file. A value of your own Struct can be assigned to them, and `snapshot` can fill one. A manager keeps such a file, also with `migrate`; `force` resets it
---@field follow? boolean when the segment is replaced, go on with the segment that has its name then. The next call outside a lock opens that segment. Until there is one, calls fail with `"replaced"`; if its layout does not fit, they fail with `"layout"`. A lock that is held stays on the old segment, and its `unlock` raises `"replaced"`. A `wait` that is under way returns the version of the new segment, which may be lower, or the field's value there. `fd` stays the same descriptor, and becomes readable. With `layout = "compatible"` the handle takes the layout of the new file
---@field wait? number for editors and readers: how many seconds to wait for a manager to make the segment; `math.huge` waits without a limit. If there is still no segment then, the code is `"timeout"`. Any other failure, such as another layout, is returned at once. Ctrl-C ends the wait

---@class ipmmap.Options
---@field tag? string tells several segments of the same struct apart: letters, digits, `.`, `_` and `-`, without `..`, at most 128 characters
---@field mmap_dir? string the directory of `<Struct>_<tag>.mmap`
---@field lock_dir? string the directory of `<Struct>_<tag>.lock`
---@field prefault? boolean touch each page at opening, so that later accesses cause no page faults
---@field mlock? boolean keep all pages in memory; includes `prefault`. `ulimit -l` limits how much memory a process can keep
---@field trust? integer|integer[]|string trusted user ids, or `"anyone"`. In a directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the owner of the data file. A manager that creates a segment also checks the directory, which must belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may write to it. `"anyone"` is for directories that are shared on purpose
---@field layout? string with `"compatible"` the file may have more fields than the struct, and fields at other offsets. It must have each field of the struct, by path and type. The handle then uses the file's layout: its views, values and paths have all fields of the file. A value of your own Struct can be assigned to them, and `snapshot` can fill one. A manager keeps such a file, also with `migrate`; `force` resets it
---@field follow? boolean when the segment is replaced, go on with the segment that has its name then. The next call outside a lock opens that segment. Until there is one, calls fail with `"replaced"`; if its layout does not fit, they fail with `"layout"`. A lock that is held stays on the old segment, and its `unlock` raises `"replaced"`. A `wait` that is under way returns the version of the new segment, which may be lower, or the field's value there. `fd` stays the same descriptor, and becomes readable. With `layout = "compatible"` the handle takes the layout of the new file
---@field wait? number for editors and readers: how many seconds to wait for a manager to make the segment; `math.huge` waits without a limit. If there is still no segment then, the code is `"timeout"`. Any other failure, such as another layout, is returned at once. Ctrl-C ends the wait

---@class ipmmap.RepairOptions
---@field lock_dir? string the directory of `<Struct>_<tag>.lock`
---@field trust? integer|integer[]|string trusted user ids, or `"anyone"`. In a directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the owner of the data file. A manager that creates a segment also checks the directory, which must belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may write to it. `"anyone"` is for directories that are shared on purpose

---@class ipmmap.AdoptOptions
---@field tag? string tells several segments of the same struct apart: letters, digits, `.`, `_` and `-`, without `..`, at most 128 characters
---@field mmap_dir? string the directory of `<Struct>_<tag>.mmap`
---@field lock_dir? string the directory of `<Struct>_<tag>.lock`
---@field max_readers? integer how many readers can hold the lock at the same time, 1 to 128
---@field trust? integer|integer[]|string trusted user ids, or `"anyone"`. In a directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the owner of the data file. A manager that creates a segment also checks the directory, which must belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may write to it. `"anyone"` is for directories that are shared on purpose

---The fields whose bytes were changed by the commit that was told last, in memory order. If commits
---before it were missed, the fields whose bytes differ from those of the commit told before.
---@return fun(): string, any # an iterator of path and value, for `for path, value in feed:changes() do`: each scalar and each text, with paths as `read` takes them, such as `"trail[3].x"`. For a list, its own path and a copy of it if its count may have changed, and then those of its elements that it has; for an optional struct or array, its own path, and a copy or nil, if its presence may have changed. It raises after the feed went on
function Feed:changes() end

---Close the feed. To close it again has no effect. A feed is also closed at the end of its block if it
---is a `<close>` variable, when its handle is closed, and when it is collected. Any use of its value
---afterwards raises an error.
function Feed:close() end

---The commits for a loop: `for value, version, missed in feed:commits(1) do`. The loop ends when no
---commit comes in time. A `break` leaves the feed at the commit that it told last.
---@param seconds? number the longest time to wait for each commit; without it, there is no limit
---@return fun(): ipmmap.Value, integer, integer # an iterator that returns what `next` returns. If `next` fails with another code than `"timeout"`, the iterator raises an error object
function Feed:commits(seconds) end

---Go on to the next commit. If there is none yet, sleep until there is one. If this fails, the feed
---stays at its commit. The commits of a segment that was destroyed or replaced are told first; after
---that the code is `"replaced"`, unless the handle follows.
---@param seconds? number the longest time to wait; without it, the wait has no limit
---@return ipmmap.Value|nil # the struct as of that commit. It is the same value each time, until the feed goes on with a segment of another layout. It cannot be written, and any use after the feed was closed or has another value raises an error. `S:new(value)` copies it
---@return integer|nil # the version of the commit
---@return integer|nil # missed: how many commits before it were lost because the ring had overwritten them; 0 for a feed that keeps up
function Feed:next(seconds) end

---What the commit that was told last has changed, as text for `Handle:apply` of another segment: the
---bytes that make the value before it the value as of it, also if commits were missed between the two.
---@return string # pieces of the struct in ascending order, each with its offset, in 8 bytes, and its size, in 4, little-endian; "" if no commit was told yet
function Feed:patch() end

---The time when the commit that was told last was made.
---@return number # Unix seconds, exact to a tick of the kernel's clock (1 to 10 ms). 0 if the time is not known: the segment has no ring, the commit is no longer in it, or no commit was told yet
function Feed:time() end

---Add to a number, atomically: no other process writes between the read of the old value and the write
---of the new one. Editors and managers.
---@param path string the path of a number
---@param n number the number to add, which may be negative; integral if the field is an integer
---@return number # the new value
function Editor:add(path, n) end

---Commit what a patch says, as another machine has committed it. This is a transaction of its own, or
---the first change under the handle's lock. If it fails, nothing is changed. Managers only.
---@param patch string as `Feed:patch` returns it; it may be empty, and includes the common header
---@param version integer the version that the segment gets with this commit. It is greater than the present one, and may skip some
---@param time? number when the commit was made, in Unix seconds, as `Feed:time` returns it; by default now
---@return boolean|nil # true
---@return string? message
---@return ipmmap.Code? code `"corrupt"`: it is no patch of this struct, or would store what is no value of a field; or a code that `lock` raises
function Manager:apply(patch, version, time) end

---Keep only some bits of an integer, as one transaction. If the others are clear already, nothing is
---changed, and there is no commit. Editors and managers.
---@param path string the path of an integer
---@param n integer the bits to keep: a value that `write` takes
---@return integer # the new value
function Editor:band(path, n) end

---Set bits of an integer, as one transaction. If they are set already, nothing is changed, and there
---is no commit. Editors and managers.
---@param path string the path of an integer
---@param n integer the bits to set: a value that `write` takes
---@return integer # the new value
function Editor:bor(path, n) end

---The fields that may have changed since a version: every scalar and text that has other bytes than
---then is in the list, in memory order.
---
---If the segment has a ring (the option `feed`) that still has all commits since the version, the list
---is exact: it has the fields whose bytes those commits changed. Without it, or in the handle's lock,
---a field is also in the list if another one in the same 256 bytes of the struct was changed.
---`header.time_stamp` is a field too, and `touch` changes it. A list is there by its own path if its
---count may have changed, and otherwise by its elements in use; an optional field by its own path.
---@param version integer a version, as `version`, `wait` or a feed returned it
---@return string[] # the paths, as `read` takes them, such as `"trail[3].x"`
function Reader:changed(version) end

---Set every field to its default or to zero, and the time stamp to zero; the header's code stays. Like
---`write`, this is a transaction of its own unless the handle holds its lock. Editors and managers.
function Editor:clear() end

---Close the handle. If it holds its lock, the lock is released, and an editor's changes are rolled
---back. Its feeds are closed. To close it again has no effect. A handle is also closed at the end of
---its block if it is a
---`<close>` variable, and when it is collected.
function Reader:close() end

---Remove both files. After that all handles of the segment, this one too, fail with `"replaced"`. If
---this handle holds its lock, its changes are rolled back and the lock is released. Managers only.
function Manager:destroy() end

---Make the descriptor of `fd` unreadable until the next commit.
---@return integer # the present version. Any commit after it makes the descriptor readable
function Reader:drain() end

---Change the segment at its home for another machine: store the bytes of a patch if other bytes still
---are as expected. This is a transaction of its own, or a part of that of the handle's lock. It is
---refused where an editor would be. Managers only.
---@param expected string a patch of the bytes that the segment must have; it may be empty
---@param patch string of the bytes to store; without the common header
---@return boolean|nil # true: they are stored; false: the segment has other bytes than expected, and nothing was changed
---@return string? message
---@return ipmmap.Code? code `"not_home"`; `"corrupt"`: one is no patch of this struct, or would store what is no value of a field; or a code that `lock` raises
function Manager:edit(expected, patch) end

---A file descriptor for an event loop. It becomes readable after each commit, and when the segment is
---replaced or destroyed. `drain` makes it unreadable again. It also becomes readable a second after
---the last `drain`, because an editor may die between its commit and the notification. It does not
---report commits from before the first call of `fd`, so read the segment after that call.
---
---An editor makes one system call for the first commit after a `drain`, and none if no process
---listens. If a reader may not write to the lock file, its descriptor becomes readable every 10 ms.
---@return integer # the descriptor, the same one at each call. A program may only poll it; the handle closes it
function Reader:fd() end

---Follow the segment's commits. A handle can have any number of feeds at the same time. A feed takes
---no lock and delays no editor. If the segment has a ring (the manager's option `feed`), the feed
---tells every commit that is still in the ring. Without a ring it tells the latest commit, and how
---many it missed. If the handle follows (the option `follow`), its feeds go on with the new segment.
---@param version? integer the feed begins with the commit after this version; by default with the first commit after this call
---@return ipmmap.Feed # the feed, for a `<close>` variable: `local feed <close> = reader:feed()`. It keeps its handle open; closing the handle closes its feeds
function Reader:feed(version) end

---Write the data to disk, and return when it is there. Editors and managers.
function Editor:flush() end

---Information about the segment, the handle and the lock.
---@return ipmmap.Info # with the fields `name`, of the struct; `role`, of the handle; `tag`; `path` and `lock_path`, of the two files; `size`, of the struct in bytes; `feed`: the bytes of the ring that feeds read, 0 if there is none; `version`; `recoveries`: how many transactions were rolled back because their writer died; `pending`: whether a writer died in a transaction, which the next writer will roll back; `max_readers`; `readers`: how many read locks are held now; `writer_pid`: the process that holds the write lock now, or 0; `writable`: whether this role may write; `lockable`: false if this reader can only read without the lock; `replaced`: whether the segment was replaced or destroyed, or its file was removed; the other fields then show what was last known; `migrated`: what the opening of this handle migrated, or nil: `kept`, `added` and `dropped`, lists of paths, see the option `migrate`; `last_commit`: when the last commit was made, in Unix seconds, to within 10 ms, or nil if there was none; `last_writer`: the process that made it: `pid`, in its own pid namespace; `start`, which tells it from a later process with the same pid: the clock ticks between the boot and its start; and `alive`, nil if that cannot be told, because it is of another pid namespace; `attached`: a table for each handle that a living process has open on the segment, this one included: `pid`, `role`, `since` in Unix seconds, and `start`. At most 160 handles are listed, and no reader without the lock file. The call makes four system calls for each of them; `share`: what `share` returns, nil if the segment was replaced
function Reader:info() end

---The time when the segment was last touched, or else created: `header.time_stamp`.
---@return number # Unix seconds
function Reader:last_update() end

---Take the lock, and wait for it. Editors and managers take the write lock, readers
---the read lock. The view belongs in a `<close>` variable: `local data <close> = editor:lock()`.
---
---The end of the variable's block releases the lock and commits the changes, also if the block ends by
---`return`, `break` or `goto`. If an error ends the block, the changes are rolled back. They are also
---rolled back if `coroutine.close`, `os.exit(code, true)` or a C function closes the view; a C
---function can call `unlock` to commit.
---
---Without `<close>` the lock is held until `unlock` or `rollback`, or until the collector finds that
---the view was forgotten; it then rolls back, releases the lock and warns. The same happens if a debug
---hook (a watchdog, Ctrl-C) raises an error after `lock` has returned and before the variable is
---marked, or while the view is closed. A program that goes on after such an error should use `with`,
---which has no such moment.
---@param seconds? number how long to wait at most; without it the call waits for ever
---@return ipmmap.View # the struct in live memory
function Reader:lock(seconds) end

---Raise a number to at least `n`, as one transaction. If the number is that already, nothing is
---changed, and there is no commit. Editors and managers.
---
---NaN counts as no number: `n` replaces a field that is NaN, and an `n` that is NaN changes nothing. A
---`uint64` is compared without a sign, so -1, which stands for its 64 bits, is the greatest.
---@param path string the path of a number
---@param n number a value that `write` takes
---@return number # the new value: the greater of the two
function Editor:max(path, n) end

---Lower a number to at most `n`, as one transaction. If the number is that already, nothing is
---changed, and there is no commit. NaN and `uint64` are as for `max`. Editors and managers.
---@param path string the path of a number
---@param n number a value that `write` takes
---@return number # the new value: the smaller of the two
function Editor:min(path, n) end

---Read one field. If the handle holds its lock, the result includes the handle's own changes.
---Otherwise it is the field as last committed, and the call waits for no writer.
---@param path string such as `"multi_pts.multi_points[3].x"`; indices start at 1
---@return boolean|integer|number|string|ipmmap.Value|nil # a scalar; or, for a struct, an array or a list, a detached value; nil for an optional field that is absent and all in it, and for the element after the last one of a list
function Reader:read(path) end

---Undo all changes since the lock was taken, and release the lock. Editors and managers.
function Editor:rollback() end

---Write several fields: all of them, or none. If the handle holds its lock, this is part of that
---transaction. Otherwise it is a transaction of its own. Editors and managers.
---@param fields table|ipmmap.View|ipmmap.Value a table of the fields to set, with nested tables for structs and arrays; or a view or value of the same struct. The header of a view, of a value, and of a table from `totable` is left out: the segment keeps its own
function Editor:set(fields) end

---Say where the segment may be written, for the program that carries its commits between machines.
---All processes see it at once, and a rollback does not undo it. The handle holds its lock. Without
---the lock only the deadline of a home can be moved: everything else stays as it is. Managers only.
---@param share ipmmap.Share `place`, `epoch`, `ahead`, `token` and `deadline`, as `share` returns them. Numbers that it does not have are 0. A home has a deadline, which may be in the past, and only a home has a deadline and a token
function Manager:set_share(share) end

---Where the segment may be written, if several machines have it. One of them is its *home*: editors
---may write there. The others have *replicas*, whose editors get the code `"not_home"`. A home may be
---written until a deadline, which the program that shares the segment moves again and again. All
---others are unshared.
---@return ipmmap.Share # `place`: `"unshared"`, `"home"` or `"replica"`; `epoch`, of the home whose commits the segment has, 0 if that is not known; `ahead`: how much larger the segment's version is than that of the home; `token`, of the home's lease, 0 if it has none; `deadline`: until when editors may commit, in seconds of `boottime`, nil if there is none, or if it is of another boot or time namespace
function Reader:share() end

---Copy the whole struct as last committed. The call does not wait for an editor that holds the lock,
---is stopped or has died. If the handle itself holds the lock, the copy does not include the changes
---of the open transaction.
---@param into? ipmmap.Value a detached value of the same struct, which is overwritten. Its layout may have fewer fields than the segment, or have them elsewhere: then its fields are copied
---@return ipmmap.Value # `into`, or a new value
function Reader:snapshot(into) end

---Write a field if it has the expected value, as one transaction. Editors and managers.
---
---The field is compared with `expected` as the field would hold it: a `float` with the nearest
---`float`, 0.0 with -0.0 as equal, and NaN as equal to NaN.
---@param path string the path of a scalar or a text, not of a struct or an array
---@param expected boolean|integer|number|string a value that `write` takes
---@param new boolean|integer|number|string a value that `write` takes
---@return boolean # whether the field had the expected value and now has the new one. If it is false, nothing was changed
function Editor:swap(path, expected, new) end

---Set `header.time_stamp` to the present time. Like `write`, this is a transaction of its own unless
---the handle holds its lock. Editors and managers.
function Editor:touch() end

---Take the lock as `lock` does, but wait at most for the given time.
---@param seconds? number how long to wait at most; with 0 or less the call tries once
---@return ipmmap.View|nil # as for `lock`
---@return string? message
---@return ipmmap.Code? code `"timeout"`, or a code that `lock` raises
function Reader:try_lock(seconds) end

---Call a function as `with` does, but wait for the lock at most for the given time. If the lock cannot
---be had, the function is not called.
---@param seconds? number how long to wait at most; with 0 or less the call tries once. It may be left out: `handle:try_with(fn)`
---@param fn function called as `fn(view, ...)`
---@param ... any further arguments for `fn`
---@return any ... # the results of `fn`
---@return string? message
---@return ipmmap.Code? code `"timeout"`, or a code that `lock` raises
function Reader:try_with(seconds, fn, ...) end

---Release the lock. An editor's changes are committed.
function Reader:unlock() end

---Change a field by a function of its value, as one transaction. If the handle holds its lock, this is
---a part of that transaction. Editors and managers.
---
---An error in the function is passed on, and the field stays as it is. A transaction that `update` has
---begun is rolled back; in the handle's own lock, the transaction goes on without this change.
---@param path string such as `"multi_pts.multi_points[3].x"`; indices start at 1
---@param fn function called as `fn(old)`, with the value as `read` returns it, under the lock. It returns the new value, of any form that `write` takes
---@return boolean|integer|number|string|ipmmap.Value # the new value, as `read` returns it
function Editor:update(path, fn) end

---The threads that hold the lock or wait for it now. `info().attached` lists the processes that only
---have the segment open.
---@return ipmmap.User[] # a table for each thread, with the fields `pid`, of its process; `tid`, of the thread, as the kernel numbers it: the first thread of a process has the number of the process, and a dead one has 0; `alive`: false if the process has died, in which case the next process that asks gets the lock; `writes`: true for the write lock, false for the read lock; `waits`: true if the thread waits for the lock, false if it holds it; `next`: true if it waits for the present readers alone, and all others that wait come after it; `since`: when it got the lock or began to wait, in Unix seconds. At most 64 threads that wait are listed. The list is empty if this reader cannot use the lock file
function Reader:users() end

---The number of commits since the segment was created.
---@return integer
function Reader:version() end

---Copy the whole struct as `snapshot` does, and return the version of the copy too. A separate call of
---`version` could give another version, because an editor may commit between the two calls.
---@param into? ipmmap.Value a detached value of the same struct, which is overwritten
---@return ipmmap.Value # `into`, or a new value
---@return integer # the version
function Reader:versioned_snapshot(into) end

---Wait for a commit, or for the change of a field.
---
---With a version, the call waits for a commit after that version. If there was one already, it returns
---at once.
---
---With the path of a field, the call waits until the field's value differs from the value that `wait`
---saw last through this handle. The first wait for a field has no such value: it returns at once if
---there was a commit since the handle was opened, and otherwise after the next commit that changes the
---field.
---
---With a table, the call waits until one of several fields has other bytes than at the call:
---`handle:wait { "a.b", "c", version = v, seconds = 1 }`. If the table has a `version`, and one of the
---fields may have changed since that version (see `changed`), it returns at once. The version that it
---returns can be given to the next call, which then misses no change.
---@param version integer|string|table a version, as `version` or `wait` returned it; the path of a field that is not in a list or in an optional field; or a table of paths, with `version` and `seconds` if they are wanted
---@param seconds? number how long to wait at most; without it the call waits for ever
---@return integer|boolean|number|string|ipmmap.Value|nil # with a version or a table, the present version; with a path, the field's new value, as `read` returns it
---@return string? message
---@return ipmmap.Code? code `"timeout"`, `"replaced"`, `"forked"`, `"system"`
function Reader:wait(version, seconds) end

---Call a function while the handle holds its lock. When the function returns, the changes are
---committed. If it raises an error, an editor's changes are rolled back, and the error is passed on.
---No error leaves the lock held, not even an error that a debug hook raises.
---@param fn function called as `fn(view, ...)`
---@param ... any further arguments for `fn`
---@return any ... # the results of `fn`
function Reader:with(fn, ...) end

---Write one field. If the handle holds its lock, the write is part of that transaction. Otherwise it
---waits for the lock and is a transaction of its own. Editors and managers.
---@param path string such as `"multi_pts.multi_points[3].x"`; indices start at 1
---@param value boolean|integer|number|string|table|ipmmap.View|ipmmap.Value a value of the field's type; for a struct or an array a table, or a view or value of the same type; nil makes an optional field absent. A path to the element after the last one of a list appends the value
function Editor:write(path, value) end

---Convert a struct of another layout, such as a value that was stored before the definition changed.
---Each field that both have, by its path, is copied if its type is the same, a wider number of the
---same kind (an enumeration counts as its integer), a longer text, or a longer array or list; an array
---may become a list, and a value may become optional. Structs are converted field by field. All other
---fields have their default, or zero. What could lose a value, also by the new limits, is refused,
---unless `how` is `"lossy"`. Then each value is stored if assignment would take it, and otherwise is
---lost: its field has the default, or zero. A text that is too long is cut after a whole character.
---@param from ipmmap.View|ipmmap.Value a struct, whatever its name
---@param how? string `"lossy"`
---@return ipmmap.Value|nil
---@return table|nil # `kept`, `added` and `dropped`, lists of paths, as in `info().migrated`
---@return ipmmap.Code? code `"layout"`
function Struct:convert(from, how) end

---Define and register a struct that extends this one: it has this struct's fields at the same
---offsets, followed by its own.
---@param name string
---@param fields ipmmap.Field[] as for `struct`; may be empty
---@param options? { pack?: 1|2|4|8 } as for `struct`. A struct that descends from `base` cannot be packed itself, but its fields can be of packed structs
---@return ipmmap.Struct
function Struct:extend(name, fields, options) end

---Make a detached value in this process's memory. All its bytes are zero, except for the fields that
---`init` sets.
---@param init? table|ipmmap.View|ipmmap.Value a table of the fields to set; or a view or value of the same struct to copy
---@return ipmmap.Value
function Struct:new(init) end

---The offset of a part of the struct.
---@param path string such as `"multi_pts.multi_points[3].x"`; indices start at 1
---@return integer # bytes from the start of the struct
function Struct:offsetof(path) end

---Describe the struct and all types in it. Each type is described by a table with
---
---- `name`, as in a definition (`"char[256]"`, `"Point2D[24]"`, `"Item[<=64]"`, `"int32?"`);
---- `kind`: `"bool"`, `"int8"`, … `"double"`, `"char"`, `"char16"`, `"char32"`, `"array"`, `"list"`,
---  `"optional"`, `"struct"`; of an enumeration and of flags, that of the integer type;
---- `size` and `align` in bytes.
---
---Further keys are, for
---
---- enumerations and flags: `names`, a list of `{ name, number }` in the order of declaration; and
---  `flags`, whether these are flags;
---- numbers with limits: `min` and `max`, each a number or nil;
---- arrays: `count`, and `element`, the description of the elements' type;
---- lists: `count`, the greatest number of elements; `element`; and `inner`, the offset of the first
---  element. The number of elements in use is a uint32 at offset 0;
---- optional fields: `element`, the description of the value's type; and `inner`, its offset. Whether
---  there is a value is a bool at offset 0;
---- structs: `fields`, a list of `{ name, offset, type, unit, doc, default }` in memory order, with
---  offsets in bytes from the struct's start; `parent`, the description of the struct that it extends,
---  or nil; and `pack`, or nil. `default` is nil, a value for the field or for each of its elements,
---or a list of values for its elements in memory order.
---@return ipmmap.Type # the description of the struct. A type that occurs several times has one table
function Struct:type() end

---Make a segment of a plain file that begins with the struct's bytes, the common header included,
---such as Python's ipmmap makes. It has all the values, the time stamp too, and version 0. Without
---`tag` and `mmap_dir` it takes the file's place, atomically, and keeps its owner, group and mode;
---the file is then called `<Struct>_<tag>.mmap`. End the programs that write to the file first:
---what they write later is lost.
---@param shared ipmmap.Struct|string the struct, or its registered name
---@param path string of the file: at least as many bytes as the struct has, and after these only zeros
---@param options? ipmmap.AdoptOptions `tag` and `mmap_dir`: the segment goes where they say, as for `manager`, and the file stays as it is; `lock_dir`, `max_readers` and `trust`, as for `manager`
---@return boolean|nil # true, also if the file is a segment of this layout already
---@return string? message
---@return ipmmap.Code? code `"layout"`: the file is too short, or has something after the struct; `"corrupt"`: it does not start with the header code, or is a damaged segment; or as for `manager`
function ipmmap.adopt(shared, path, options) end

---The time since the machine was started, in which deadlines count. It includes the time for which the
---machine was suspended, and nobody can set it.
---@return number # seconds
function ipmmap.boottime() end

---The raw bytes of a view or value as they lie in memory, in native byte order and with padding; or
---those of some elements of an array.
---@param v ipmmap.View|ipmmap.Value
---@param i? integer the index of the first element, if `v` is an array
---@param j? integer the index of the last element; by default that of the array's last one. If it is `i` - 1, there are no bytes
---@return string # as many bytes as `v`, or that part of it, has
function ipmmap.bytes(v, i, j) end

---Check the values of a view or value against the limits of its fields, the counts of its lists
---against the numbers of elements that they hold, and its bools. Assignments are always checked, but
---`setbytes` does not check limits, and a program in C may store anything.
---@param v ipmmap.View|ipmmap.Value
---@return boolean|nil # true
---@return string? message the first value that is refused, and its path
function ipmmap.check(v) end

---Make a Struct from the schema in a segment's data file. This is for tools that open any segment. The
---Struct is not registered, so it can be opened but not nested.
---@param path string the path of the data file
---@return ipmmap.Struct|nil
---@return string? message
---@return ipmmap.Code? code `"not_found"`, `"corrupt"`, `"permission"`, `"system"`
function ipmmap.describe(path) end

---Open a segment as an editor. An editor may take the write lock, read and write.
---@param shared ipmmap.Struct|string as for `manager`
---@param options? ipmmap.Options `tag`, `mmap_dir`, `lock_dir`, `prefault`, `mlock`, `trust`, `layout`, `follow` and `wait`, as for `manager`
---@return ipmmap.Editor|nil
---@return string? message
---@return ipmmap.Code? code as for `manager`
function ipmmap.editor(shared, options) end

---Define and register an enumeration: names for the values of an integer type. A field of this
---type is read as the name of its number, or as the number if it has no name. It takes a name, or
---any number of the integer type.
---
---If the name is registered with the same enumeration already, the result is the registered Enum.
---@param name string letters, digits and `_`, at most 63 characters
---@param type string an integer type, such as `"uint8"`
---@param names string[]|table<string, integer> a list of names, whose numbers are 0, 1, 2, …; or a table of numbers by name
---@return ipmmap.Enum
function ipmmap.enum(name, type, names) end

---Define and register flags: names for the bits of an integer type. The values of a field of this
---type are numbers. A program combines and tests them by `|` and `&`.
---@param name string as for `enum`
---@param type string as for `enum`
---@param names string[]|table<string, integer> a list of names, whose numbers are 1, 2, 4, …; or a table of numbers by name, where a number may have several bits
---@return ipmmap.Enum
function ipmmap.flags(name, type, names) end

---Iterate over the elements of an array as the standard `ipairs` does in Lua. See `pairs`.
---@param v ipmmap.View|ipmmap.Value|table
---@return any ... # three values, for the loop `for i, element in ipmmap.ipairs(v) do`
function ipmmap.ipairs(v) end

---The number of elements of an array: `#v`.
---@param v ipmmap.View|ipmmap.Value|table
---@return integer
function ipmmap.len(v) end

---Load modules that define structs, so that these structs are registered.
---@param modules string[] the modules' names, as for `require`
---@return any ... # what each module returned, in the same order
function ipmmap.load(modules) end

---The Struct or Enum that is registered under a name.
---@param name string
---@return ipmmap.Struct|ipmmap.Enum|nil # nil if none has the name
function ipmmap.lookup(name) end

---Open a segment as its manager. A manager may create, reset and destroy the segment, and do
---everything that an editor may.
---@param shared ipmmap.Struct|string the struct, or its registered name; it must descend from `base`
---@param options? ipmmap.ManagerOptions the options below. `create`, `force`, `migrate`, `mode`, `max_readers`, `feed`, `init` and `shares` are for managers only, and the other roles refuse them. If several roles share a table, leave these eight out of it, and give the manager a copy with them, or a table that inherits from it by `__index`
---@return ipmmap.Manager|nil
---@return string? message
---@return ipmmap.Code? code `"not_found"`, `"layout"`, `"corrupt"`, `"permission"`, `"no_space"`, `"system"`, `"incompatible"`, `"timeout"`; with `force` or `migrate` also `"not_home"`
function ipmmap.manager(shared, options) end

---The present time, in the same form as `header.time_stamp`.
---@return number # Unix seconds
function ipmmap.now() end

---Iterate over a view or value as the standard `pairs` does in Lua: over the fields of a struct in
---memory order, or over the elements of an array. For programs that also run in LuaJIT, where the
---standard function takes only tables. Anything else is passed to the standard function.
---@param v ipmmap.View|ipmmap.Value|table
---@return any ... # three values, for the loop `for name, field in ipmmap.pairs(v) do`
function ipmmap.pairs(v) end

---Make a Struct from schema text, as `tostring` of a Struct gives it. This is for tools that work
---with any struct. The Struct is not registered, so it can be opened but not nested.
---@param text string
---@return ipmmap.Struct|ipmmap.Enum|nil # the last struct or enumeration that the text defines
---@return string? message what is wrong with the text
function ipmmap.parse(text) end

---The address of a view's or value's bytes, for a C function of the host. The bytes lie in memory as
---`bytes` gives them.
---
---The address of a view is valid until its lock is released, and that of a value as long as the
---program keeps the value, or a view of a part of it. Nothing checks what a C function does there. It
---may write to all bytes of an editor's view, except the segment's header: they are prepared, so a
---roll back restores them. The memory of a reader's view is read-only, and a write to it ends the
---process. The value of a feed must not be changed.
---@param v ipmmap.View|ipmmap.Value
---@return userdata # a light userdata; in LuaJIT a `void *`
---@return integer # the number of bytes
function ipmmap.pointer(v) end

---Open a segment as a reader. A reader may take the read lock, and read. It maps the data
---read-only. If it may not write to the lock file, or if the disk has no room for that file, it can
---still read without the lock.
---@param shared ipmmap.Struct|string as for `manager`
---@param options? ipmmap.Options `tag`, `mmap_dir`, `lock_dir`, `prefault`, `mlock`, `trust`, `layout`, `follow` and `wait`, as for `manager`
---@return ipmmap.Reader|nil
---@return string? message
---@return ipmmap.Code? code as for `manager`
function ipmmap.reader(shared, options) end

---Define a struct or an enumeration, and register it in the place of what has its name. Objects of
---the old definition, such as handles, values, and structs that contain it, go on working. A new
---struct cannot contain the old definition.
---@param name string
---@param what table|ipmmap.Struct|string the fields, as for `struct`; or the parent, as for `extend`; or an integer type, as for `enum`, or for `flags` if `name` is the name of flags
---@param more? table the options; or the fields of the child; or the names
---@param options? table those of the child
---@return ipmmap.Struct|ipmmap.Enum
function ipmmap.redefine(name, what, more, options) end

---Open a replica to edit the segment at its home, another machine. It reads here, and sends each
---edit to the home, by the Redis server that carries the segment's commits. Each of its methods
---waits for the answer, within a cqueues loop or without one:
---
---- `r:set(fields)` and `r:write(path, value)`, as of a handle, return the version that the replica
---  gets with the edit.
---- `r:add(path, n)` and `r:update(path, fn)` return the new value and that version. If another
---  process has changed the field meanwhile, they begin again.
---- `r:with(fn)` calls `fn(value)` with a copy of the struct, sends what it has changed if the
---  struct is still the same at the home, and returns that version. If it is not, it begins again.
---- `r:edit(fn)` makes several changes as one transaction: it calls `fn(draft)`, and the draft has
---  the methods `read`, `write`, `set`, `add` and `update`. If what they have read is not the same
---  at the home, it begins again. It returns that version.
---- `r:close()`, which lets an edit that is under way end; it can also be a `<close>` variable.
---
---The version is 0 if it is not known, because the replica has not followed the home yet.
---
---A failure is `nil, message, code`. The codes are those of a handle, and `conflict`: other
---processes changed the same fields again and again; `refused`: the home does not take the edit;
---`timeout`: it was not made, and will not be; `unknown`: it may have been made. A value that the
---field does not take raises an error, as in a handle. A Remote makes one edit at a time.
---
---It is in the rock `ipmmap-cli`, and needs the modules `cqueues` and `luaossl`.
---@param file string the data file of the replica, which `ipmmap follow` keeps
---@param url string of the server, as for `ipmmap follow`: `rediss://user@host`
---@param options? ipmmap.RemoteOptions `timeout`: how many seconds an edit may take, by default 10; `password_file`, `ca`, `cert` and `key`: files; `insecure`: true to allow a server on another machine without TLS; `lock_dir` and `trust`, as for `reader`
---@return ipmmap.Remote|nil
---@return string? message
---@return ipmmap.Code? code as for `reader`; `"not_found"` also if the server does not have the segment, and `"system"` if a module is missing or the server cannot be reached; `refused` if the file is not shared, and `invalid` for a bad URL, or an option that does not go with it
function ipmmap.remote(file, url, options) end

---Repair a data file that is `"corrupt"`. Only damage that can be repaired without a guess is
---repaired: a header code that another program has overwritten is set again. This is a transaction,
---so other processes may use the segment at the same time.
---@param path string the path of the data file, `<Struct>_<tag>.mmap`
---@param options? ipmmap.RepairOptions `lock_dir` and `trust`, as for `manager`. `lock_dir` is by default the directory of the data file
---@return boolean|nil # true: the file was repaired; false: there was nothing to repair
---@return string? message
---@return ipmmap.Code? code `"corrupt"`: there is other damage, which the message names; `"timeout"`: the lock was not free within 10 seconds; or as for `editor`
function ipmmap.repair(path, options) end

---Set the raw bytes of a view or value, or of some elements of an array.
---@param v ipmmap.View|ipmmap.Value the view or value to overwrite
---@param bytes string exactly as many bytes as `v` has; with an index, those of any number of whole elements. Each bool is 0 or 1. Only zeros follow the first NUL of a text. If `v` is the view of a whole segment, the bytes begin with the segment's header as it is, because only creation, `touch` and `clear` set it. Limits are not checked: see `check`
---@param i? integer the index of the first element to overwrite, if `v` is an array
function ipmmap.setbytes(v, bytes, i) end

---Sleep. Ctrl-C ends the sleep.
---@param seconds number how long to sleep; with 0 or less the call returns at once
function ipmmap.sleep(seconds) end

---Define and register a plain struct. Other structs can nest it.
---If the name is registered with the same layout already, the result is the registered Struct.
---@param name string letters, digits and `_`, at most 63 characters
---@param fields ipmmap.Field[] a list of `{ name, type }` in memory order. A type is `bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float double char char16 char32`, the name of a registered struct or enumeration, a Struct, or an Enum. Any number of `[N]` may follow: `"char[256]"`, `"float[4][4]"`, `"Point2D[24]"`; and after those, in text, `[<=N]` for a list of at most N elements, or `?` for an optional field. A field may also have the attributes `default`, `min`, `max`, `unit` and `doc`, as in `{ "volume", "float", default = 0.8, min = 0, max = 1 }`
---@param options? { pack?: 1|2|4|8 } `pack`: 1, 2, 4 or 8, the greatest alignment of a field, as with C's `#pragma pack`
---@return ipmmap.Struct
function ipmmap.struct(name, fields, options) end

---Copy a view or value into plain tables, including all nested structs and arrays; or copy some
---elements of an array.
---@param v ipmmap.View|ipmmap.Value
---@param i? integer the index of the first element, if `v` is an array. It gets the index 1 in the list
---@param j? integer the index of the last element; by default that of the array's last one. If it is `i` - 1, the list is empty
---@return table # for a struct, a table by field name, which lacks the optional fields that are absent; for an array or a list, a list
function ipmmap.totable(v, i, j) end

---Wait for a commit to any of several segments: for the first one that `wait_any` has not reported of
---that handle. For a handle that it has not reported yet, that is a commit since the handle was
---opened. If several handles have one, they are reported in turn.
---
---It takes any number of handles, of any roles, and needs neither an event loop nor a descriptor for
---each of them: during the call the process has one inotify instance, and if it can have none, it
---looks every 10 ms. The cost of a call grows with the number of handles.
---@param handles handle[] a list of open handles, which do not hold their locks
---@param seconds? number how long to wait at most; without it the call waits for ever
---@return handle|nil # the handle of the segment
---@return integer|nil # its present version
---@return ipmmap.Code? code `"timeout"`, `"replaced"`, `"forked"`
---@return handle? the handle that failed, unless the code is `"timeout"`
function ipmmap.wait_any(handles, seconds) end

return ipmmap

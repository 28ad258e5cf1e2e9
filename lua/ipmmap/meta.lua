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

---@alias ipmmap.Code "not_found"|"layout"|"corrupt"|"permission"|"no_space"|"system"|"timeout"|"deadlock"|"incompatible"|"replaced"|"forked"

---@class ipmmap.Error
---@field code ipmmap.Code
---@field message string

---@class ipmmap.ArrayType
---@field [integer] ipmmap.ArrayType

---@alias ipmmap.Field { [1]: string, [2]: string|ipmmap.Struct|ipmmap.ArrayType }

---@class ipmmap.Type
---@field name string
---@field kind string
---@field size integer
---@field align integer
---@field count? integer
---@field element? ipmmap.Type
---@field fields? { name: string, offset: integer, type: ipmmap.Type }[]
---@field parent? ipmmap.Type

---@class ipmmap.Info
---@field name string
---@field role "manager"|"editor"|"reader"
---@field tag string
---@field path string
---@field lock_path string
---@field size integer
---@field version integer
---@field recoveries integer
---@field max_readers integer
---@field readers integer
---@field writer_pid integer
---@field pending boolean
---@field writable boolean
---@field lockable boolean
---@field replaced boolean

---@class ipmmap.User
---@field pid integer
---@field since integer
---@field alive boolean
---@field writes boolean
---@field waits boolean

---@class ipmmap.Struct
---@field name string
---@field size integer
---@field align integer
---@field [integer] ipmmap.ArrayType
local Struct = {}

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
---@field tag? string names one of several segments of the same struct: letters, digits, `.`, `_`, `-`
---@field mmap_dir? string the directory of `<Struct>_<tag>.mmap`
---@field lock_dir? string the directory of `<Struct>_<tag>.lock`
---@field create? boolean make the segment if it is not there; an existing one of the same layout is kept as it is
---@field force? boolean with `create`: start afresh. An existing segment of the same layout is reset in place, one of another layout is replaced. This waits for the segment's lock, ten seconds at most. If the lock is not free by then, the code is `"timeout"`, and the segment is unchanged
---@field mode? string permission bits of both files, in octal; a directory that is made gets the matching x bits, and the setgid bit of the directory above
---@field max_readers? integer how many readers can hold the lock at the same time, 1 to 128
---@field prefault? boolean touch each page at opening, so that later use takes no page fault
---@field mlock? boolean keep all pages in memory; includes `prefault`. The limit is `ulimit -l`
---@field trust? integer|integer[]|string trusted user ids, or `"anyone"`. In a directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the owner of the data file. A manager that creates a segment also checks the directory, which must belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may write to it. `"anyone"` is for directories that are shared on purpose
---@field layout? string `"compatible"`: the file may hold more fields than the struct, and have them elsewhere, as long as it has each of the struct's by path and type. The handle then works by the file's layout: its views, its values and its paths have all fields of the file. A value of your own Struct can be assigned to them, and `snapshot` fills one. A manager keeps such a file; `force` resets it
---@field follow? boolean when the segment is replaced, go on with the one that has its name then. The next call outside a lock opens it; until there is one, calls fail with `"replaced"`, and if its layout does not fit, with `"layout"`. A lock that is held stays on the old segment, and its `unlock` raises `"replaced"`. A `wait` that is under way returns the version of the new segment, which may be lower, or the field's value there. `fd` stays the same descriptor, and becomes readable. With `layout = "compatible"` the handle takes the new file's layout
---@field wait? number editors and readers alone: how many seconds to wait for a manager to make the segment; `math.huge`: for ever. If there is none by then, the code is `"timeout"`. Any other failure, such as another layout, comes at once. Ctrl-C ends the wait

---@class ipmmap.Options
---@field tag? string names one of several segments of the same struct: letters, digits, `.`, `_`, `-`
---@field mmap_dir? string the directory of `<Struct>_<tag>.mmap`
---@field lock_dir? string the directory of `<Struct>_<tag>.lock`
---@field prefault? boolean touch each page at opening, so that later use takes no page fault
---@field mlock? boolean keep all pages in memory; includes `prefault`. The limit is `ulimit -l`
---@field trust? integer|integer[]|string trusted user ids, or `"anyone"`. In a directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the owner of the data file. A manager that creates a segment also checks the directory, which must belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may write to it. `"anyone"` is for directories that are shared on purpose
---@field layout? string `"compatible"`: the file may hold more fields than the struct, and have them elsewhere, as long as it has each of the struct's by path and type. The handle then works by the file's layout: its views, its values and its paths have all fields of the file. A value of your own Struct can be assigned to them, and `snapshot` fills one. A manager keeps such a file; `force` resets it
---@field follow? boolean when the segment is replaced, go on with the one that has its name then. The next call outside a lock opens it; until there is one, calls fail with `"replaced"`, and if its layout does not fit, with `"layout"`. A lock that is held stays on the old segment, and its `unlock` raises `"replaced"`. A `wait` that is under way returns the version of the new segment, which may be lower, or the field's value there. `fd` stays the same descriptor, and becomes readable. With `layout = "compatible"` the handle takes the new file's layout
---@field wait? number editors and readers alone: how many seconds to wait for a manager to make the segment; `math.huge`: for ever. If there is none by then, the code is `"timeout"`. Any other failure, such as another layout, comes at once. Ctrl-C ends the wait

---@class ipmmap.RepairOptions
---@field lock_dir? string the directory of `<Struct>_<tag>.lock`
---@field trust? integer|integer[]|string trusted user ids, or `"anyone"`. In a directory that everybody may write to (`/tmp`, `/dev/shm`), a file is used only if it belongs to this user, to the directory's owner or to a trusted user; a lock file also if it belongs to the owner of the data file. A manager that creates a segment also checks the directory, which must belong to this user, to root or to a trusted user, and must have the sticky bit if everybody may write to it. `"anyone"` is for directories that are shared on purpose

---Add to a number, atomically: no other write comes between. Editors and managers.
---@param path string of a number
---@param n number what to add; integral if the field is an integer
---@return number # the new value
function Editor:add(path, n) end

---Zero every field and the time stamp; the header's code stays. Editors and managers.
function Editor:clear() end

---Unlock (an editor rolls back) and unmap. Closing again is harmless; a handle is also closed when
---it goes out of scope as a `<close>` variable, and when it is collected.
function Reader:close() end

---Remove both files; handles elsewhere then say `"replaced"`, and so does this one. A lock that it
---holds is rolled back and released. Managers only.
function Manager:destroy() end

---Make the descriptor of `fd` quiet until the next commit.
---@return integer # the version: a commit after it makes the descriptor readable
function Reader:drain() end

---A file descriptor for an event loop: it polls readable after each commit, and once the segment is
---replaced or destroyed. `drain` makes it quiet again. It costs an editor one system call for each
---commit that finds it drained, and nothing when nobody listens. A reader that may not write to the
---lock file gets one that is readable every 10 ms. It is also readable a second after the last
---`drain`, commit or not: an editor may die between a commit and telling of it. Commits before the
---first call are not told: look at the segment after it. The handle closes it.
---@return integer # to be polled and nothing else; the same one each time
function Reader:fd() end

---Return when the data is on disk. Editors and managers.
function Editor:flush() end

---What is known of the segment.
---@return ipmmap.Info # `name` of the struct; `role`; `tag`; `path` and `lock_path` of the two files; `size` of the struct in bytes; `version`; `recoveries`: transactions rolled back because their writer died; `writable`: whether this role may write; `lockable`: false if this reader has only lock-free reads; `pending`: a writer died in a transaction, which the next one will undo; `max_readers`; `readers`: read locks held just now; `writer_pid`: the process that holds the write lock just now, or 0; `replaced`: the segment was replaced or destroyed, or its file was removed, and the rest is the last that is known of it
function Reader:info() end

---When the segment was last touched, or else created: `header.time_stamp`.
---@return number # Unix seconds
function Reader:last_update() end

---Take the role's lock, for writing or for reading, and wait for it.
---@return ipmmap.View # the struct in live memory, to be closed: `local data <close> = editor:lock()`. The end of its block commits, also by `return`, `break` and `goto`. An error rolls back, and so does whatever else closes it: `coroutine.close`, `os.exit(code, true)`, a C function (which can call `unlock`). Without `<close>` the lock is held until `unlock` or `rollback`, or until the collector finds the view forgotten, rolls back and warns. An error that a debug hook raises (a watchdog, Ctrl-C) can come after `lock` has returned and before its view is marked, or as the view is closed: then the lock is held as without `<close>`. Programs that go on after such an error use `with`, which has no such moment
function Reader:lock() end

---Read one field. Outside a lock: as last committed, consistent, waiting for no writer. Within the
---handle's own lock: what the lock sees, its own changes included.
---@param path string such as `"multi_pts.multi_points[3].x"`; indices start at 1
---@return boolean|integer|number|string|ipmmap.Value # a scalar, or a detached value of a struct or array
function Reader:read(path) end

---Undo everything since the lock was taken, and release it. Editors and managers.
function Editor:rollback() end

---Write several fields as one transaction, all or nothing. Editors and managers.
---@param fields table|ipmmap.View|ipmmap.Value the fields to set, nested tables and all; or a view or value of the same struct. Of a view, a value, and a table that `totable` made of one, the header is left out
function Editor:set(fields) end

---Copy the whole struct as last committed. Consistent, and waits for no editor that holds the lock, is
---stopped or has died; within the handle's own lock too it shows the last commit.
---@param into? ipmmap.Value a detached value of the same struct, to be used again. Its layout may have fewer fields, or have them elsewhere: then these are copied
---@return ipmmap.Value # `into` if given
function Reader:snapshot(into) end

---Set `header.time_stamp` to now. Editors and managers.
function Editor:touch() end

---Take the role's lock if it can be had at once, or within a time.
---@param seconds? number how long to try; 0 or less: once
---@return ipmmap.View|nil # as `lock` returns it
---@return string? message
---@return ipmmap.Code? code `"timeout"`, or what `lock` raises
function Reader:try_lock(seconds) end

---Release the lock; an editor's changes are committed.
function Reader:unlock() end

---The processes that hold the lock or wait for it just now.
---@return ipmmap.User[] # each with `pid`; `alive`: the lock of a dead holder goes to the next process that asks for it; `writes`: it is the write lock; `waits`: it does not hold the lock but waits for it; `since`: Unix seconds. Empty if this reader cannot use the lock file
function Reader:users() end

---The number of commits since the segment was created: it grows with each.
---@return integer
function Reader:version() end

---The same, with the version that it shows, which `version` before or after could not tell.
---@param into? ipmmap.Value a detached value of the same struct, to be used again
---@return ipmmap.Value # `into` if given
---@return integer # the version
function Reader:versioned_snapshot(into) end

---Wait for a commit after a version.
---@param version integer|string as `version()` or `wait` gave it; or the path of a field to wait for a change of
---@param seconds? number how long at most; without it for ever
---@return integer|boolean|number|string|ipmmap.Value|nil # the version now, at once if it is newer already; or the field's new value, as `read` returns it, as soon as it differs from the one that `wait` saw last through this handle. What was there when the handle was opened counts as seen: the first wait for a field returns at once if there was a commit since
---@return string? message
---@return ipmmap.Code? code `"timeout"`, `"replaced"`, `"forked"`, `"system"`
function Reader:wait(version, seconds) end

---Call a function under the handle's lock: committed when it returns; on an error an editor rolls
---back, and the error goes on. No error leaves the lock held, one that a debug hook raises included.
---@param fn function called with the view and the other arguments
---@param ... any further arguments
---@return any ... # what `fn` returned
function Reader:with(fn, ...) end

---Write one field: within the handle's own lock as part of that transaction, outside it as a whole
---transaction, which waits for the lock. Editors and managers.
---@param path string such as `"multi_pts.multi_points[3].x"`; indices start at 1
---@param value boolean|integer|number|string|table|ipmmap.View|ipmmap.Value
function Editor:write(path, value) end

---Define and register a child: the parent's fields at the same offsets, then its own.
---@param name string
---@param fields ipmmap.Field[] as for `struct`; may be empty
---@return ipmmap.Struct
function Struct:extend(name, fields) end

---A detached value in this process's memory, zeroed, then assigned from the table.
---@param init? table|ipmmap.View|ipmmap.Value the fields to set; or a view or value of the same struct to copy
---@return ipmmap.Value
function Struct:new(init) end

---Where a part lies.
---@param path string such as `"multi_pts.multi_points[3].x"`; indices start at 1
---@return integer # bytes from the start of the struct
function Struct:offsetof(path) end

---How the struct is made up: a table with `name` as it is written (`"char[256]"`, `"Point2D[24]"`),
---`kind` (`"bool"`, `"int8"`, … `"double"`, `"char"`, `"array"`, `"struct"`), `size` and `align` in
---bytes; of an array also `count` and `element`, such a table; of a struct `fields`, a list of
---`{ name, offset, type }` in memory order with offsets from the struct's start, and `parent`.
---@return ipmmap.Type # the same table for the same type wherever it occurs in it
function Struct:type() end

---The raw bytes of a view or value, as they lie in memory: native byte order, padding included.
---@param v ipmmap.View|ipmmap.Value
---@return string # as many bytes as `v` has
function ipmmap.bytes(v) end

---The Struct that a segment's data file describes: for tools that work on any segment. It is not
---registered, so it can be opened but not nested.
---@param path string of the data file
---@return ipmmap.Struct|nil
---@return string? message
---@return ipmmap.Code? code `"not_found"`, `"corrupt"`, `"permission"`, `"system"`
function ipmmap.describe(path) end

---Open a segment as an editor. An editor may lock it for writing, read and write.
---@param shared ipmmap.Struct|string as for `manager`
---@param options? ipmmap.Options `tag`, `mmap_dir`, `lock_dir`, `prefault`, `mlock`, `trust`, `layout`, `follow` and `wait`, as for `manager`
---@return ipmmap.Editor|nil
---@return string? message
---@return ipmmap.Code? code as for `manager`
function ipmmap.editor(shared, options) end

---Load the modules that define structs, so that they are registered.
---@param modules string[] names, as for `require`
---@return any ... # what each of them returned
function ipmmap.load(modules) end

---The Struct registered under a name.
---@param name string
---@return ipmmap.Struct|nil # nil if there is none
function ipmmap.lookup(name) end

---Open a segment as its manager. A manager may create, reset and destroy the segment, and do
---everything that an editor may.
---@param shared ipmmap.Struct|string the struct, or its registered name; it must descend from `base`
---@param options? ipmmap.ManagerOptions those below. `create`, `force`, `mode` and `max_readers` are for managers alone, and the other roles refuse them. If several roles share a table, leave these four out of it, and give the manager a copy with them, or a table that inherits from it by `__index`
---@return ipmmap.Manager|nil
---@return string? message
---@return ipmmap.Code? code `"not_found"`, `"layout"`, `"corrupt"`, `"permission"`, `"no_space"`, `"system"`, `"incompatible"`, `"timeout"`
function ipmmap.manager(shared, options) end

---The time as `header.time_stamp` has it.
---@return number # Unix seconds
function ipmmap.now() end

---A Struct from schema text, as `tostring` of a Struct gives it: for tools for any struct.
---It is not registered, so it can be opened but not nested.
---@param text string
---@return ipmmap.Struct|nil # the last one in the text
---@return string? message what is wrong with the text
function ipmmap.parse(text) end

---Open a segment as a reader. A reader may lock it for reading, and read. It maps the data
---read-only. If it may not write to the lock file, or the disk has no room for that file, it can
---still read without the lock.
---@param shared ipmmap.Struct|string as for `manager`
---@param options? ipmmap.Options `tag`, `mmap_dir`, `lock_dir`, `prefault`, `mlock`, `trust`, `layout`, `follow` and `wait`, as for `manager`
---@return ipmmap.Reader|nil
---@return string? message
---@return ipmmap.Code? code as for `manager`
function ipmmap.reader(shared, options) end

---Repair a data file that is `"corrupt"` as far as that needs no guess: a header code that
---something else has overwritten is set again. It is a transaction of its own, so others may be
---using the segment.
---@param path string of the data file, `<Struct>_<tag>.mmap`
---@param options? ipmmap.RepairOptions `lock_dir` and `trust`, as for `manager`; `lock_dir` is otherwise the directory of the data file
---@return boolean|nil # whether there was something to repair, and it was
---@return string? message
---@return ipmmap.Code? code `"corrupt"`, with what is damaged and stays so; `"timeout"`: the lock was not free within 10 seconds; or as for `editor`
function ipmmap.repair(path, options) end

---Set the raw bytes of a view or value.
---@param v ipmmap.View|ipmmap.Value
---@param bytes string exactly as many as `v` has; for a whole segment they begin with the header as it is, which only creation, touch and clear set. Each bool is 0 or 1, and nothing but zeros follows the first NUL of a text
function ipmmap.setbytes(v, bytes) end

---Sleep; Ctrl-C ends it.
---@param seconds number 0 or less: not at all
function ipmmap.sleep(seconds) end

---Define and register a plain struct, which others can nest.
---Defining a name again with the same layout gives the first Struct.
---@param name string letters, digits and `_`, at most 63
---@param fields ipmmap.Field[] a list of `{ name, type }` in memory order. A type is `bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float double char`, the name of a registered struct or the Struct itself, each with any number of `[N]` after it: `"char[256]"`, `"float[4][4]"`, `"Point2D[24]"`
---@return ipmmap.Struct
function ipmmap.struct(name, fields) end

---A view or value as plain tables, recursively: structs by field name, arrays from 1.
---@param v ipmmap.View|ipmmap.Value
---@return table
function ipmmap.totable(v) end

return ipmmap

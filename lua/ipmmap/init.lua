--- Typed shared memory between independent processes.
--
--     local ipmmap = require "ipmmap"
--     ipmmap.base:extend("Counter", { { "count", "int64" } })
--     local manager = assert(ipmmap.manager("Counter", { create = true }))
--     do
--       local data <close> = manager:lock()
--       data.count = data.count + 1
--     end
--
-- `ipmmap._VERSION` is the version of the library, as text.
--
-- ## Errors
--
-- A bug in the calling program raises an error. Its message names the struct, the path of the field
-- and the value.
--
-- A failure that can happen in a correct program has a code. The functions `manager`, `editor`,
-- `reader`, `describe`, `repair` and `adopt`, the methods `convert`, `try_lock`, `try_with` and
-- `wait`, and the method `next` of feeds return it as `nil, message, code`. Methods that promise a
-- result raise an error object with the fields `code` and `message`. `tostring` of it gives the
-- caller's position and the message, as in an error that `error` raises.
--
-- The codes:
--
-- - `not_found`: there is no such segment, and `create` was not given.
-- - `layout`: the file holds another layout. The message names the first difference.
-- - `corrupt`: the file is not a segment, or is damaged.
-- - `permission`: access is denied, or the file has several names or an owner that is not trusted.
-- - `no_space`: there is no room on the disk, in the quota, or within `ulimit -f`.
-- - `system`: another call of the operating system failed. The message has its text and the path.
-- - `timeout`: what the call waited for did not happen within the given time. With the option
--   `wait`: the segment did not appear in that time.
-- - `deadlock`: this thread already holds a lock on the segment through another handle.
-- - `incompatible`: the lock file is in use by another libc, architecture or pid namespace. Readers
--   can still read without the lock.
-- - `replaced`: the segment was replaced, destroyed or removed since this handle was opened. With
--   the option `follow`: and there is no other segment of that name yet.
-- - `forked`: the parent process opened the handle before a fork.
-- - `not_home`: the segment is a replica of another machine's, or this machine is no longer its
--   home. What the block has changed is rolled back.
--
-- ## Types
--
-- A *Struct* is an object that stands for a struct's definition. A field's type is one of the names
-- below, or the name of a registered struct or enumeration, or a Struct, or an Enum. Any number of
-- `[N]` may follow: `"float[4][4]"`, `"Point[24]"`. The layout is that of a C compiler on a 64-bit
-- machine.
--
-- The types:
--
-- - `bool`: 1 byte. It takes only booleans.
-- - `int8`, `int16`, `int32`, `int64`: signed integers. A value out of range raises an error.
-- - `uint8`, `uint16`, `uint32`: unsigned integers. A value out of range raises an error.
-- - `uint64`: the 64 bits of a Lua integer.
-- - `float`, `double`: any number. A finite number outside the range of `float` raises an error.
-- - `char`: with a count, as in `"char[16]"`, a string of at most that many bytes. The rest is
--   filled with zeros, and a read stops at the first NUL. A longer string, or one that contains a
--   NUL, raises an error.
-- - `char16`, `char32`: with a count, as in `"char16[32]"`, text that is UTF-16 or UTF-32 in memory
--   and UTF-8 in Lua. The count is in units of 16 or 32 bits. Text that is not UTF-8 raises an
--   error. Unpaired surrogates are read, and taken, in their form of three bytes.
--
-- An integer field takes a float only if it is integral. No value is ever wrapped or truncated. If
-- a value is refused, the field keeps its old value.
--
-- A field of an *enumeration* (see `enum`) is read as a name, or as a number that has no name. It
-- takes a name of the enumeration, or a number of its integer type.
--
-- A type may end with `[<=N]`, as in `"Item[<=64]"`: a *list* of at most N elements. `#v.items` is
-- the number of elements; `v.items[#v.items + 1] = x` adds one, and `v.items[#v.items] = nil`
-- removes the last one. A new element has its defaults where `x` sets nothing.
--
-- A type may end with `?`, as in `"int32?"`: an *optional* field. It is nil when it is absent, and
-- assigning nil makes it absent.
--
-- A field may have attributes: `{ "volume", "float", default = 0.8, min = 0, max = 1, unit = "dB",
-- doc = "how loud" }`. `min` and `max` are the limits of the numbers that it takes, also as
-- elements of an array, a list or an optional field; NaN is outside all limits. A number for a
-- `float` is compared as it is stored. `default` is a value, or for an array one value for all
-- elements or a list of the first ones; the creation of a segment, `clear`, and new elements of
-- lists store it. `Struct:new` stores zeros. `unit` and `doc` are for tools and readers: see
-- `Struct:type`.
--
-- ## Views and values
--
-- A *view* is live memory of a segment. `lock` and `try_lock` return views, and `with` and
-- `try_with` pass them to a function. A view works while its handle holds the lock; any use
-- afterwards raises an error. An assignment to a reader's view also raises an error. A *value* is a
-- detached copy in this process's memory. `new`, `read` and `snapshot` return values. A feed's
-- value is detached too, but only its feed changes it: an assignment to it raises an error.
--
-- Both have fields (`v.name`) and elements (`v.route[1]`), and work with `#`, `pairs` and `ipairs`;
-- see below for LuaJIT. Arrays start at 1. A field may have any name, so views and values have no
-- methods: `totable`, `bytes`, `setbytes` and `pointer` are functions of the module.
--
-- A struct or array field takes a table, or a view or value of the same type. For a struct, a table
-- sets only the fields that it contains, and an unknown key raises an error. A struct whose fields
-- are all of one scalar type also takes a list of all their values, such as `{ 1, 2, 3 }`.
--
-- For an array, a table with the elements 1 to n, where n is at most the array's count, sets all of
-- it: the elements after n get their default, or zeros. A table with other indices, such as
-- `{ [3] = 5 }`, sets only these elements. An array of arrays also takes one flat list. A list
-- takes a table with the elements 1 to n, and then has n elements. An optional struct takes a table
-- as a new struct does: fields that it does not contain get their default, or zero.
--
-- ## LuaJIT
--
-- In LuaJIT everything is as described here, except for:
--
-- - There is no `<close>`. `with` and `try_with` hold a lock for the call of a function; `lock` and
--   `try_lock` raise an error.
-- - A coroutine that is forgotten while it is suspended in `with` keeps the lock until its handle
--   is closed or collected.
-- - `pairs` and `ipairs` do not take views and values, nor `pairs` an Enum: write `ipmmap.pairs`
--   and `ipmmap.ipairs`, which also work in Lua. `#` and `ipmmap.len` work with arrays and lists.
-- - A field of type `int64` or `uint64` is read as a number if it is within 2^53, so that every
--   integer of its size is a number, and otherwise as `int64_t` or `uint64_t` cdata. An integer
--   field takes both kinds of cdata and integral numbers, if they are in its range. A `uint64`
--   takes the 64 bits of any of them, of negative ones too, as in Lua. Limits and the numbers of
--   an Enum are such numbers, too.
-- - A view is cdata. Two views of the same part are equal by `==`, but not as keys of a table. A
--   number as the key of a struct raises LuaJIT's own error.
-- @module ipmmap

local compat = require "ipmmap.compat"
local enum = require "ipmmap.enum"
local handle = require "ipmmap.handle"
local struct = require "ipmmap.struct"
local remote = require "ipmmap.remote"
require "ipmmap.share"
require "ipmmap.wait"

local core = compat.core

--- Iterate over a view or value as the standard `pairs` does in Lua: over the fields of a struct in
-- memory order, or over the elements of an array. For programs that also run in LuaJIT, where the
-- standard function takes only tables. Anything else is passed to the standard function.
-- @function pairs
-- @tparam view|value|table v
-- @return three values, for the loop `for name, field in ipmmap.pairs(v) do`
-- @raise as for a view that is used

--- Iterate over the elements of an array as the standard `ipairs` does in Lua. See `pairs`.
-- @function ipairs
-- @tparam view|value|table v
-- @return three values, for the loop `for i, element in ipmmap.ipairs(v) do`
-- @raise as for a view that is used

--- The number of elements of an array: `#v`.
-- @function len
-- @tparam view|value|table v
-- @treturn integer
-- @raise as for a view that is used
local function len(v)
  return #v
end

return {
  _VERSION = core.version,
  struct = struct.struct,
  enum = enum.enum,
  flags = enum.flags,
  redefine = struct.redefine,
  base = struct.base,
  load = struct.load,
  lookup = struct.lookup,
  parse = struct.parse,
  describe = core.describe,
  manager = handle.manager,
  editor = handle.editor,
  reader = handle.reader,
  repair = handle.repair,
  adopt = handle.adopt,
  remote = remote,
  totable = core.totable,
  bytes = core.bytes,
  setbytes = core.setbytes,
  pointer = core.pointer,
  check = core.check,
  now = core.now,
  boottime = core.boottime,
  sleep = core.sleep,
  wait_any = core.wait_any,
  pairs = core.pairs or pairs,
  ipairs = core.ipairs or ipairs,
  len = len,
}

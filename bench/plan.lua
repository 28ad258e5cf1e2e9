--- What is run, what the targets are, and what the table shows.
local plan = {}

--- The programs of a round, in this order: those that are compared stand together.
plan.programs = {
  "lua/work.lua", "peer/lean.py", "peer/lmdb", "lua/field.lua", "core/read", "peer/rwlock",
  "peer/boost", "peer/ofd", "core/write", "peer/tdb", "core/snapshot", "core/wake", "peer/redis",
}

--- Those that show how it grows, in two rounds of their own.
plan.scaling = { "core/readers", "core/slots", "core/sizes", "lua/arrays.lua", "core/resident" }

--- Metrics that are one metric less another.
plan.differences = { ["c.wake"] = { "c.wake_and_answer", "floor.futex" } }

--- A ratio of two metrics within each round; `most` or `least` is what it must reach.
plan.targets = {
  { "Lua: lock + write one field + release; the lean Python way is slower by", "python.write",
    "lua.lock_1", least = 200 },
  { "Lua: read(path) outside a lock; the lean Python read is slower by", "python.read",
    "lua.read", least = 300 },
  { "Lua: lock + write 4 fields + commit, to LMDB's write transaction in C", "lua.lock_4",
    "lmdb.write", most = 1.0 },
  { "Lua: a view's field read, to a minimal C module's", "field.get", "floor.field_get",
    most = 1.3 },
  { "Lua: a view's field written, to a minimal C module's", "field.set", "floor.field_set",
    most = 1.3 },
  { "C: read lock + unlock, two processes, to pthread_rwlock", "c.read_2", "rwlock.read_2",
    most = 0.6 },
  { "C: read lock + unlock, two processes, to one alone", "c.read_2", "c.read", most = 1.3 },
  { "C: write + commit of 4 B in 64 MiB, to 688 B", "c.write_64m", "c.write", most = 1.5 },
  { "C: snapshot of 688 B, to memcpy", "c.snapshot", "floor.memcpy", most = 1.5 },
  { "C: snapshot of 64 MiB, to memcpy", "c.snapshot_64m", "floor.memcpy_64m", most = 1.1 },
  { "C: snapshot while a writer is stopped, to at rest", "c.snapshot_stopped", "c.snapshot",
    most = 6 },
  { "commit to a waiting process awake, to a bare futex", "c.wake", "floor.futex", most = 1.2 },
  { "Lua memory per lock + write + release, bytes", "memory.lock_1", most = 0 },
}

--- Sections of the table: the metrics and what they are, and how to print them.
plan.sections = {
  { "Writing, ns",
    { "lua.lock_1", "Lua: lock, write a field of the view, release" },
    { "floor.lock_1", "the same of a C module whose lock and release do nothing" },
    { "floor.lock_1_core", "the same of a C module that does nothing but the core's part" },
    { "lua.lock_4", "Lua: lock, write 4 fields, release" },
    { "lua.lock_4_nested", "Lua: the same with 3 of them in 2 nested structs" },
    { "lua.write", "Lua: write(path, value), a transaction of its own" },
    { "lua.set", "Lua: set{...} of 4 fields" },
    { "lua.add", "Lua: add(path, n)" },
    { "c.write", "C: lock, write 4 B, commit" },
    { "c.write_64m", "C: the same in a struct of 64 MiB" },
    { "c.write_nothing", "C: lock, unlock" },
    { "lmdb.write", "LMDB in C, mapped: transaction, put 688 B, commit" },
    { "lmdb.write_plain", "LMDB in C, default: the same by write(2)" },
    { "tdb.write", "tdb in C: store 688 B" },
    { "ofd.lock", "OFD file lock, unlock" },
    { "python.write", "Python: file lock, write a field, unlock" },
    { "redis.write", "Redis on a Unix socket: SET 688 B" },
  },
  { "Reading, ns",
    { "lua.read", "Lua: read(path)" },
    { "lua.read_nested", "Lua: read(path) of an array's struct's field" },
    { "lua.read_struct", "Lua: read(path) of a struct of 16 B" },
    { "lua.snapshot", "Lua: snapshot() of 688 B" },
    { "lua.snapshot_into", "Lua: snapshot(value) of 688 B" },
    { "c.read", "C: read lock, read 4 B, unlock: one process" },
    { "c.read_2", "C: the same, two at once" },
    { "rwlock.read", "pthread_rwlock: one process" },
    { "rwlock.read_2", "pthread_rwlock: two at once" },
    { "boost.read", "Boost sharable mutex: one process" },
    { "boost.read_2", "Boost sharable mutex: two at once" },
    { "c.snapshot", "C: snapshot of 688 B" },
    { "c.snapshot_stopped", "C: the same while a writer is stopped in it" },
    { "floor.memcpy", "memcpy of 688 B" },
    { "lmdb.read", "LMDB in C: renew, get, copy 688 B" },
    { "tdb.read", "tdb in C: fetch 688 B" },
    { "c.snapshot_64m", "C: snapshot of 64 MiB" },
    { "floor.memcpy_64m", "memcpy of 64 MiB" },
    { "python.read", "Python: file lock, read a field, unlock" },
    { "redis.read", "Redis on a Unix socket: GET 688 B" },
  },
  { "Fields of a view in Lua, loop included, ns",
    { "field.get", "v.data_int" },
    { "floor.field_get", "the same of a minimal C module" },
    { "field.set", "v.data_int = 7" },
    { "floor.field_set", "the same of a minimal C module" },
    { "field.get_nested", "v.data_xy.x" },
    { "field.get_element", "points[3].x" },
  },
  { "Waking, ns",
    { "c.wake", "a commit to the process that waits for it awake" },
    { "floor.futex", "the same with a bare futex" },
    { "floor.futex_limited", "a bare futex that sleeps 100 ms at most, as all waits here do" },
  },
  { "Lua memory for each, once warm, bytes",
    { "memory.lock_1", "lock, write a field of the view, release" },
    { "memory.lock_4", "lock, write 4 fields, release" },
    { "memory.write", "write(path, value)" },
    { "memory.set", "set{...}" },
    { "memory.add", "add(path, n)" },
    { "memory.read", "read(path)" },
    { "memory.read_struct", "read(path) of a struct of 16 B" },
    { "memory.snapshot", "snapshot() of 688 B" },
    { "memory.snapshot_into", "snapshot(value) of 688 B" },
  },
}

--- How something grows: `metric` is followed by "/<size>" for each size that was measured.
plan.growth = {
  { "C: write, by slots that readers used, ns", "slots.write" },
  { "C: opening and closing, by bytes of the struct, ns", "sizes.open" },
  { "C: lock, write 8 B, commit, by bytes, ns", "sizes.write" },
  { "C: snapshot, by bytes, ns", "sizes.snapshot" },
  { "C: lock after a writer's death, by bytes, ns", "sizes.recovery" },
  { "Lua: totable, by elements, ns", "arrays.totable" },
  { "Lua: bytes, by elements, ns", "arrays.bytes" },
  { "Lua: setbytes, by elements, ns", "arrays.setbytes" },
  { "Lua: assignment of a table, by elements, ns", "arrays.assign" },
  { "C: locked reads of all processes together, by processes, /s", "readers.locked" },
  { "C: lock-free reads of all processes together, by processes, /s", "readers.lock_free" },
  { "resident memory for each open segment, by open segments, bytes", "resident" },
}

return plan

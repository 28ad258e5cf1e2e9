rockspec_format = "3.0"
package = "ipmmap"
version = "scm-1"
source = {
  url = "git+https://github.com/ipmmap/ipmmap.git",
  branch = "main",
}
description = {
  summary = "Typed shared memory between independent processes",
  detailed = [[
    Lua processes share structs in a memory-mapped file, each with the rights of its role, under
    a reader-writer lock that survives the death of whoever holds it. What a process leaves
    half-written is rolled back; reads without the lock are consistent and never wait.
  ]],
  homepage = "https://github.com/ipmmap/ipmmap",
  license = "MIT",
  labels = { "ipc", "shared-memory", "linux" },
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4" }
build = {
  type = "builtin",
  modules = {
    ["ipmmap"] = "lua/ipmmap/init.lua",
    ["ipmmap.core"] = {
      sources = {
        "src/core/builder.c",
        "src/core/clock.c",
        "src/core/datafile.c",
        "src/core/difference.c",
        "src/core/error.c",
        "src/core/excerpt.c",
        "src/core/file.c",
        "src/core/fork.c",
        "src/core/layout.c",
        "src/core/listen.c",
        "src/core/lockfile.c",
        "src/core/mutex.c",
        "src/core/name.c",
        "src/core/notify.c",
        "src/core/open.c",
        "src/core/path.c",
        "src/core/resident.c",
        "src/core/rwlock.c",
        "src/core/schema.c",
        "src/core/segment.c",
        "src/core/slow_readers.c",
        "src/core/trailer.c",
        "src/core/transaction.c",
        "src/core/users.c",
        "src/core/waiters.c",
        "src/core/word.c",
        "src/lua/access.c",
        "src/lua/assign.c",
        "src/lua/changed.c",
        "src/lua/core.c",
        "src/lua/error.c",
        "src/lua/handle.c",
        "src/lua/layout.c",
        "src/lua/listen.c",
        "src/lua/lock.c",
        "src/lua/path.c",
        "src/lua/scalar.c",
        "src/lua/type.c",
        "src/lua/value.c",
        "src/lua/view.c",
        "src/lua/wait.c",
      },
      incdirs = { "src" },
      defines = { "_GNU_SOURCE" },
      libraries = { "pthread" },
      libdirs = {},
    },
    ["ipmmap.handle"] = "lua/ipmmap/handle.lua",
    ["ipmmap.struct"] = "lua/ipmmap/struct.lua",
  },
}
test = {
  type = "command",
  command = "make -s tests && busted", -- the specs; make test runs the tests in C, too
}

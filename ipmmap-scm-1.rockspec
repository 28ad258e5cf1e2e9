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

    For Lua 5.4 (5.4.3 or later) and 5.5, and, as a rock of Lua 5.1, for LuaJIT with its FFI.
  ]],
  homepage = "https://github.com/ipmmap/ipmmap",
  license = "MIT",
  labels = { "ipc", "shared-memory", "linux" },
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.1, < 5.6, ~= 5.2, ~= 5.3" } -- 5.1: LuaJIT
build = {
  type = "make",
  build_target = "--always-make", -- as nothing notices that luarocks's variables have changed
  install_target = "install-module",
  variables = {
    BUILD = "build/rock",         -- not beside what make builds with other flags
    CFLAGS = "$(CFLAGS)",
    LDFLAGS = "$(LIBFLAG)",
    LUA = "$(LUA)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LUA_DIR = "$(LUADIR)/ipmmap",
    LUA_LIBDIR = "$(LIBDIR)/ipmmap",
  },
}
test = {
  type = "command",
  command = "make -s build-tests && busted", -- the specs; make test runs the tests in C, too
}

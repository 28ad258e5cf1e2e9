rockspec_format = "3.0"
package = "ipmmap-cli"
version = "scm-1"
source = {
  url = "git+https://github.com/ipmmap/ipmmap.git",
  branch = "main",
}
description = {
  summary = "A command to look into shared memory segments of ipmmap, and to work on them",
  detailed = [[
    Shows, sets, watches, compares, records and replays the values of any segment, without its
    definition in Lua; tells who holds its lock, and what went wrong.
  ]],
  homepage = "https://github.com/ipmmap/ipmmap",
  license = "MIT",
  labels = { "ipc", "shared-memory", "linux", "cli" },
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.6", "ipmmap", "argparse >= 0.7", "luv >= 1.43" }
build = {
  type = "builtin",
  modules = {
    ["ipmmap_cli.adopt"] = "cli/ipmmap_cli/adopt.lua",
    ["ipmmap_cli.c_struct"] = "cli/ipmmap_cli/c_struct.lua",
    ["ipmmap_cli.change"] = "cli/ipmmap_cli/change.lua",
    ["ipmmap_cli.cursor"] = "cli/ipmmap_cli/cursor.lua",
    ["ipmmap_cli.decimal"] = "cli/ipmmap_cli/decimal.lua",
    ["ipmmap_cli.definition"] = "cli/ipmmap_cli/definition.lua",
    ["ipmmap_cli.diff"] = "cli/ipmmap_cli/diff.lua",
    ["ipmmap_cli.doctor"] = "cli/ipmmap_cli/doctor.lua",
    ["ipmmap_cli.failure"] = "cli/ipmmap_cli/failure.lua",
    ["ipmmap_cli.files"] = "cli/ipmmap_cli/files.lua",
    ["ipmmap_cli.follow"] = "cli/ipmmap_cli/follow.lua",
    ["ipmmap_cli.generate_c"] = "cli/ipmmap_cli/generate_c.lua",
    ["ipmmap_cli.generate_ffi"] = "cli/ipmmap_cli/generate_ffi.lua",
    ["ipmmap_cli.generate_lua"] = "cli/ipmmap_cli/generate_lua.lua",
    ["ipmmap_cli.generate_luals"] = "cli/ipmmap_cli/generate_luals.lua",
    ["ipmmap_cli.generate_python"] = "cli/ipmmap_cli/generate_python.lua",
    ["ipmmap_cli.get"] = "cli/ipmmap_cli/get.lua",
    ["ipmmap_cli.history"] = "cli/ipmmap_cli/history.lua",
    ["ipmmap_cli.holders"] = "cli/ipmmap_cli/holders.lua",
    ["ipmmap_cli.input"] = "cli/ipmmap_cli/input.lua",
    ["ipmmap_cli.json"] = "cli/ipmmap_cli/json.lua",
    ["ipmmap_cli.keys"] = "cli/ipmmap_cli/keys.lua",
    ["ipmmap_cli.leaves"] = "cli/ipmmap_cli/leaves.lua",
    ["ipmmap_cli.line"] = "cli/ipmmap_cli/line.lua",
    ["ipmmap_cli.log"] = "cli/ipmmap_cli/log.lua",
    ["ipmmap_cli.ls"] = "cli/ipmmap_cli/ls.lua",
    ["ipmmap_cli.main"] = "cli/ipmmap_cli/main.lua",
    ["ipmmap_cli.man"] = "cli/ipmmap_cli/man.lua",
    ["ipmmap_cli.migrate"] = "cli/ipmmap_cli/migrate.lua",
    ["ipmmap_cli.output"] = "cli/ipmmap_cli/output.lua",
    ["ipmmap_cli.parser"] = "cli/ipmmap_cli/parser.lua",
    ["ipmmap_cli.parts"] = "cli/ipmmap_cli/parts.lua",
    ["ipmmap_cli.record"] = "cli/ipmmap_cli/record.lua",
    ["ipmmap_cli.recording"] = "cli/ipmmap_cli/recording.lua",
    ["ipmmap_cli.replay"] = "cli/ipmmap_cli/replay.lua",
    ["ipmmap_cli.reserved_c"] = "cli/ipmmap_cli/reserved_c.lua",
    ["ipmmap_cli.rm"] = "cli/ipmmap_cli/rm.lua",
    ["ipmmap_cli.schema"] = "cli/ipmmap_cli/schema.lua",
    ["ipmmap_cli.screen"] = "cli/ipmmap_cli/screen.lua",
    ["ipmmap_cli.segment"] = "cli/ipmmap_cli/segment.lua",
    ["ipmmap_cli.set"] = "cli/ipmmap_cli/set.lua",
    ["ipmmap_cli.show"] = "cli/ipmmap_cli/show.lua",
    ["ipmmap_cli.stop"] = "cli/ipmmap_cli/stop.lua",
    ["ipmmap_cli.terminal"] = "cli/ipmmap_cli/terminal.lua",
    ["ipmmap_cli.text"] = "cli/ipmmap_cli/text.lua",
    ["ipmmap_cli.tracker"] = "cli/ipmmap_cli/tracker.lua",
    ["ipmmap_cli.types"] = "cli/ipmmap_cli/types.lua",
    ["ipmmap_cli.value"] = "cli/ipmmap_cli/value.lua",
    ["ipmmap_cli.watch"] = "cli/ipmmap_cli/watch.lua",
    ["ipmmap_cli.watch_lines"] = "cli/ipmmap_cli/watch_lines.lua",
    ["ipmmap_cli.watch_screen"] = "cli/ipmmap_cli/watch_screen.lua",
    ["ipmmap_cli.who"] = "cli/ipmmap_cli/who.lua",
  },
  install = { bin = { "bin/ipmmap" } },
}

std = "lua54"
max_line_length = 100
include_files = { "**/*.lua", "*.rockspec", ".luacheckrc", ".busted" }
exclude_files = { "build", "dist" }
files["spec/**/*_spec.lua"] = { std = "+busted", max_line_length = 120 }
files["spec/hosts/*.lua"] = { max_line_length = 120 }
files["examples/love/*.lua"] = { globals = { "love" } }
files["examples/neovim/plugin/*.lua"] = { globals = { "vim" } }
files["lua/ipmmap/jit/*.lua"] = { std = "luajit" }
files["spec/jit_spec.lua"] = { std = "luajit+busted", max_line_length = 120 }
files["cli/ipmmap_share/server.lua"] = {
  std = "lua51", read_globals = { "redis", "struct" }, max_line_length = 120,
}

std = "lua54"
max_line_length = 100
include_files = { "**/*.lua", "*.rockspec", ".luacheckrc", ".busted" }
exclude_files = { "build", "dist" }
files["spec/**/*_spec.lua"] = { std = "+busted", max_line_length = 120 }
files["lua/ipmmap/jit/*.lua"] = { std = "luajit" }
files["spec/jit_spec.lua"] = { std = "luajit+busted", max_line_length = 120 }

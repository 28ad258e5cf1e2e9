--- The same as work.lua, without LuaJIT's compiler.
jit.off() -- luacheck: ignore 113
dofile "bench/jit/work.lua"

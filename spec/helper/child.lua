--- What a spawned child runs: the chunk in its first argument, called with the others.
-- stdout is a pipe to the test, so each line must leave at once.
io.stdout:setvbuf("line")
io.stderr:setvbuf("line")
local chunk = assert(load(arg[1], "=child", "t"))
chunk(table.unpack(arg, 2))

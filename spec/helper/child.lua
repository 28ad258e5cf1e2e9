--- The program of a spawned child: it runs the chunk in its first argument with the other
-- arguments. stdout is a pipe to the test, so it is line-buffered.
io.stdout:setvbuf("line")
io.stderr:setvbuf("line")
local chunk = assert(load(arg[1], "=child", "t"))
chunk(table.unpack(arg, 2))

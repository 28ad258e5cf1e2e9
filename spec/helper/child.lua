--- The program of a spawned child: it runs the chunk in its first argument with the other
-- arguments. stdout is a pipe to the test, so it is line-buffered.
io.stdout:setvbuf("line")
io.stderr:setvbuf("line")
local chunk = assert(load(arg[1], "=child", "t"))
local unpack = table.unpack or rawget(_G, "unpack")
chunk(unpack(arg, 2))

--- Sends each line of its input as a message.
-- usage: lua say.lua NAME [DIR]
package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path
local open = require "message"

local name = assert(arg[1], "usage: lua say.lua NAME [DIR]")
local editor <close> = open("editor", arg[2])

for line in io.lines() do
  local ok, problem = pcall(editor.set, editor, { from = name, text = line })
  if not ok then io.stderr:write(tostring(problem), "\n") end -- such as a line that is too long
end

--- Prints each message once, with its number.
-- usage: lua listen.lua [DIR [NUMBER]]; with a NUMBER also those after that message
package.path = arg[0]:match("^(.-)[^/]*$") .. "?.lua;" .. package.path
local open = require "message"

local reader <close> = open("reader", arg[1])
local feed <close> = reader:feed(math.tointeger(tonumber(arg[2])))
io.stdout:setvbuf "line"
print "listening"

for message, number, missed in feed:commits() do
  if missed > 0 then print(("(%d messages are gone)"):format(missed)) end
  print(("%d %s: %s"):format(number, message.from, message.text))
end

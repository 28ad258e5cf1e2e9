--- Sends requests to a server on a Unix socket, one after the other, and prints for each what matches a
-- pattern in the answer, or "none" if the server has closed the connection without an answer.
-- usage: lua client.lua SOCKET PATH PATTERN COUNT
local socket = require "cqueues.socket"

local DEADLINE <const> = 20 -- seconds

local path, url, pattern, count = table.unpack(arg)
io.stdout:setvbuf "line"

-- Raises an error if the connection ends early.
local function request()
  local connection = socket.connect { path = path }
  connection:setmode("b", "b")
  connection:settimeout(DEADLINE)
  connection:write(("GET %s HTTP/1.0\r\n\r\n"):format(url))
  connection:flush()
  local answer = connection:read("*a")
  connection:close()
  return assert(answer:match(pattern))
end

for _ = 1, count do
  local ok, answer = pcall(request)
  print(ok and answer or "none")
end

--- `free_port()` returns a TCP port of 127.0.0.1 at which nobody listens. It is below those that
-- the kernel gives to connections: a client that tries again and again to connect to a server that
-- is down would at last be connected with itself.
local posix = require "spec.helper.posix"
local sockets = require "cqueues.socket"

local FIRST, LAST = 10000, 32000

math.randomseed(posix.getpid() * 1000 + os.time() % 1000)

return function()
  while true do
    local port = math.random(FIRST, LAST)
    local socket = sockets.listen { host = "127.0.0.1", port = port }
    socket:onerror(function(_, _, why) return why end)
    local is_free = socket:listen()
    socket:close()
    if is_free then return port end
  end
end

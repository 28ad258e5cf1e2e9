--- A server that a test writes itself, in one cqueue with its client.
local cqueues = require "cqueues"
local sockets = require "cqueues.socket"

local fake_redis = {}

local function quiet(socket)
  socket:onerror(function(_, _, why) return why end)
  return socket
end

--- Runs functions as coroutines of one cqueue until the first one returns. An error in any of them
-- is raised.
-- @tparam function first
-- @tparam function ... others
function fake_redis.together(first, ...)
  local loop, is_over = cqueues.new(), false
  loop:wrap(function()
    first()
    is_over = true
  end)
  for _, other in ipairs { ... } do loop:wrap(other) end
  while not is_over do
    local fine, message = loop:step(30)
    if not fine then error(message, 0) end
  end
end

--- Reads a call from a connection.
-- @treturn table|nil its name and arguments; nil at the end
function fake_redis.read_call(connection)
  local line = connection:xread("*L", "b")
  if not line then return nil end
  local call = {}
  for i = 1, tonumber(line:match("^%*(%d+)\r\n$")) do
    local length = tonumber(connection:xread("*L", "b"):match("^%$(%d+)\r\n$"))
    call[i] = connection:xread(length + 2, "b"):sub(1, -3)
  end
  return call
end

--- Pauses the coroutine until a client of a real server is in a blocking call.
-- @param admin another connection with the server
function fake_redis.until_blocked(admin)
  repeat
    cqueues.sleep(0.001)
  until admin:call("INFO", "clients"):find("blocked_clients:1", 1, true)
end

--- Runs a client with a server.
-- @tparam function serve called with each connection, which is closed when it returns
-- @tparam function client called with the server's address, for `redis.connect`
function fake_redis.accept(serve, client)
  local listener = quiet(sockets.listen { host = "127.0.0.1", port = 0 })
  assert(listener:listen())
  local _, _, port = listener:localname()
  fake_redis.together(function()
    client { host = "127.0.0.1", port = port, db = 0, tls = false }
  end, function()
    for connection in listener:clients() do
      cqueues.running():wrap(function()
        serve(quiet(connection))
        connection:close()
      end)
    end
  end)
  listener:close()
end

--- Runs a client with a server that answers calls.
-- @tparam function answer called with a call, its number in the connection, CLIENT SETNAME not
--   counted, and the connection; returns the bytes to send, and whether to close it then
-- @tparam function client called with the server's address, for `redis.connect`
-- @tparam[opt] string greeting the answer to CLIENT SETNAME
function fake_redis.run(answer, client, greeting)
  fake_redis.accept(function(connection)
    local count = 0
    for call in function() return fake_redis.read_call(connection) end do
      local bytes, is_last = greeting or "+OK\r\n", false
      if call[1] ~= "CLIENT" then
        count = count + 1
        bytes, is_last = answer(call, count, connection)
      end
      if not connection:xwrite(bytes, "bn") or is_last then return end
    end
  end, client)
end

return fake_redis

--- The process of a proxy, see `spec.helper.cutting_proxy`: it reads orders from stdin, a line
-- each, does them and answers with a line.
local conditions = require "cqueues.condition"
local cqueues = require "cqueues"
local sockets = require "cqueues.socket"

local CHUNK = 65536
local OTHER = { client = "server", server = "client" }

local loop = cqueues.new()
local links = {}
local frozen = { up = false, down = false }
local change = conditions.new() -- of `frozen`, or of a link's `is_over`
local own_port, server_port, listener

local function quiet(socket)
  socket:onerror(function(_, _, why) return why end)
  return socket
end

-- Ends a link, or only its connection with one side.
local function cut(link, side)
  link.is_over = true
  link.is_kept = side ~= "both"
  for _, each in ipairs { "client", "server" } do
    if side == "both" or side == each then link[each]:shutdown("rw") end
  end
  if side == "both" then links[link] = nil end
  change:signal()
end

local function wait_while_frozen(link, direction)
  while frozen[direction] and not link.is_over do change:wait() end
end

-- Passes on what one side sends. Nobody reads from the side that stays after a cut.
local function pump(link, from, direction)
  local source, target = link[from], link[OTHER[from]]
  while not link.is_over do
    wait_while_frozen(link, direction)
    local data = source:xread(-CHUNK, "b")
    wait_while_frozen(link, direction)
    if link.is_over or not data or not target:xwrite(data, "bn") then break end
  end
  if not link.is_over then cut(link, "both") end
end

local function serve(client)
  while frozen.up do change:wait() end
  local server = quiet(sockets.connect { host = "127.0.0.1", port = server_port, nodelay = true })
  if not server:connect() then return client:close() end
  local link = { client = client, server = server }
  links[link] = true
  loop:wrap(pump, link, "client", "up")
  loop:wrap(pump, link, "server", "down")
end

local function listen()
  local socket = quiet(sockets.listen { host = "127.0.0.1", port = own_port, reuseaddr = true })
  if not socket:listen() then return false end
  listener = socket
  loop:wrap(function()
    while true do
      local client = socket:accept { nodelay = true }
      if not client then return socket:close() end
      loop:wrap(serve, quiet(client))
    end
  end)
  return true
end

local orders = {}

function orders.cut(side)
  for link in pairs(links) do cut(link, side) end
end

function orders.refuse()
  if listener then listener:shutdown("r") end
  listener = nil
  orders.cut "both"
end

function orders.freeze(direction)
  frozen.up = frozen.up or direction ~= "down"
  frozen.down = frozen.down or direction ~= "up"
end

function orders.pass()
  frozen.up, frozen.down = false, false
  if not listener then assert(listen(), "another program took the proxy's port") end
  change:signal()
end

--- Runs until stdin ends.
-- @tparam string port of the proxy
-- @tparam string to the server's port
return function(port, to)
  own_port, server_port = tonumber(port), tonumber(to)
  if not listen() then return print "in use" end
  print "listening"
  loop:wrap(function()
    for line in quiet(sockets.fdopen(0)):lines() do
      local order, argument = line:match("^(%l+) ?(%l*)$")
      orders[order](argument)
      print(line)
    end
    os.exit(0)
  end)
  assert(loop:loop())
end

--- A TCP proxy between a client and a server, which a test makes fail. It is a process of its own.
-- Each method returns when the proxy has done it.
local free_port = require "spec.helper.free_port"
local process = require "spec.helper.process"

local cutting_proxy = {}

local PROGRAM = [[require "spec.helper.cutting_proxy_process" (...)]]

local Proxy = {}
Proxy.__index = Proxy

--- Starts a proxy.
-- @tparam integer port of the server, at 127.0.0.1
-- @treturn Proxy `port`: where clients connect
function cutting_proxy.start(port)
  local self = setmetatable({}, Proxy)
  repeat
    self.port = free_port()
    self.child = process.spawn(PROGRAM, tostring(self.port), tostring(port))
  until self.child:match("^(%l+)") == "listening"
  return self
end

local function ask(self, order)
  self.child:send(order)
  self.child:expect(order)
end

--- Ends all connections. New ones are accepted. With a side, `"client"` or `"server"`, only the
-- connections with that side are ended, and the other side hears nothing more.
function Proxy:cut(side)
  ask(self, "cut " .. (side or "both"))
end

--- Ends all connections, and refuses new ones.
function Proxy:refuse()
  ask(self, "refuse")
end

--- Lets nothing through from now on, in connections that are there and in new ones. What was
-- sent arrives after `pass`.
-- @tparam[opt="both"] string direction `"up"`: to the server; `"down"`: to the client; `"both"`
function Proxy:freeze(direction)
  ask(self, "freeze " .. (direction or "both"))
end

--- Lets all through again, and accepts connections.
function Proxy:pass()
  ask(self, "pass")
end

return cutting_proxy

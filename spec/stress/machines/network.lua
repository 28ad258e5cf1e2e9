--- A network of hosts for tests, each in a network namespace of its own, which needs root.
--
-- The server has a namespace, and a cable to each host: host N sees it as 10.X.N.1. A cable is cut
-- in one direction or in both without a word to either side: what one side sends then goes to a
-- hardware address that nobody has.
local exists = require "spec.helper.exists"
local finalized = require "spec.helper.finalized"
local posix = require "spec.helper.posix"
local shell = require "spec.helper.shell"

local network = {}
network.__index = network

local NOBODY <const> = "02:00:00:00:00:99"

local function ip(format, ...)
  shell.run("ip " .. format:format(...))
end

--- Whether namespaces can be made here.
function network.is_there()
  local name = "ipm" .. posix.getpid() .. "-try"
  local made = shell.try("ip netns add " .. name)
  if not made then return false end
  local good = shell.try(("ip -n %s link add one type veth peer name other"):format(name))
  shell.try("ip netns del " .. name)
  return good
end

local Host = {}
Host.__index = Host

local function hardware_address(namespace, interface)
  return shell.run(("ip -n %s -o link show %s"):format(namespace, interface))
    :match "link/ether (%S+)"
end

-- Removes namespaces of tests that were killed.
local function tidy()
  for name, pid in shell.run("ip netns list"):gmatch "(ipm(%d+)%-%w+)" do
    if not exists("/proc/" .. pid) then shell.try("ip netns del " .. name) end
  end
end

--- A new network with a number of hosts. Its namespaces end with `close`, or with the process.
function network.new(count)
  tidy()
  local self = finalized({ hosts = {}, names = {}, owner = posix.getpid() }, network)
  local prefix, net = "ipm" .. posix.getpid(), "10." .. 64 + posix.getpid() % 128
  local function namespace(name)
    local full = prefix .. "-" .. name
    ip("netns add %s", full)
    self.names[#self.names + 1] = full
    ip("-n %s link set dev lo up", full)
    return full
  end
  self.server = namespace "s"
  for number = 1, count do
    local name = namespace(number)
    local cable = "c" .. number
    ip("-n %s link add %s type veth peer name server netns %s", self.server, cable, name)
    ip("-n %s addr add %s.%d.1/30 dev %s", self.server, net, number, cable)
    ip("-n %s addr add %s.%d.2/30 dev server", name, net, number)
    ip("-n %s link set dev %s up", self.server, cable)
    ip("-n %s link set dev server up", name)
    self.hosts[number] = setmetatable({
      address = ("%s.%d.1"):format(net, number),
      within = { "ip", "netns", "exec", name },
      ends = {
        to = { name, ("%s.%d.1"):format(net, number), "server",
          hardware_address(self.server, cable) },
        from = { self.server, ("%s.%d.2"):format(net, number), cable,
          hardware_address(name, "server") },
      },
    }, Host)
  end
  return self
end

local function set_neighbour(side, address)
  ip("-n %s neigh replace %s lladdr %s nud permanent dev %s", side[1], side[2], address, side[3])
end

--- Cuts the cable between the host and the server.
-- @tparam string direction `"to"` the server, `"from"` it, or `"both"`
function Host:cut(direction)
  for name, side in pairs(self.ends) do
    if direction == name or direction == "both" then set_neighbour(side, NOBODY) end
  end
end

function Host:mend()
  for _, side in pairs(self.ends) do set_neighbour(side, side[4]) end
end

--- The start of a command line that runs in the server's namespace.
function network:within_server()
  return { "ip", "netns", "exec", self.server }
end

function network:close()
  for _, name in ipairs(self.names) do shell.try("ip netns del " .. name) end
  self.names = {}
end

function network:__gc()
  if self.owner == posix.getpid() then self:close() end
end

return network

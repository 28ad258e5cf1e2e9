--- A home that the test plays: it writes to the server whatever the test says.
local frames = require "spec.stress.machines.frames"
local redis = require "ipmmap_share.redis"
local url = require "ipmmap_share.url"

local fake_home = {}

local EPOCH <const> = 5
local KEYS <const> = { "schema", "meta", "state", "log", "lease", "epoch", "edits", "parts" }

local Home = {}
Home.__index = Home

--- Connects to the server of a world.
function fake_home.new(it)
  local address = assert(url.parse("redis://127.0.0.1:" .. it.server.port))
  return setmetatable({
    prefix = it.prefix, connection = assert(redis.connect(address, 10)), version = 10,
  }, Home)
end

function Home:call(command, key, ...)
  return self.connection:call(command, self.prefix .. key, ...)
end

--- Which process the server is.
function Home:server()
  return self.connection:call("INFO", "server"):match "run_id:(%x+)"
end

--- Removes all keys of the segment.
function Home:clear()
  for _, key in ipairs(KEYS) do self:call("DEL", key) end
end

--- The version that the segment has at the server.
function Home:position()
  return ("%d-%d"):format(EPOCH, self.version)
end

--- Writes a whole, good segment, of the next version.
function Home:publish()
  self:clear()
  self.version = self.version + 2
  self.bytes = frames.bytes(self.version)
  self:call("SET", "schema", tostring(frames.S))
  self:call("SET", "state", self.bytes)
  self:meta {}
end

--- Writes meta, with other values for some fields.
function Home:meta(other)
  local fields = {
    epoch = EPOCH, version = self.version, size = #self.bytes, time = 1700000000000000000,
    feed = 1 << 16, log_bytes = 0,
  }
  for name, value in pairs(other) do fields[name] = value end
  local list = {}
  for name, value in pairs(fields) do
    list[#list + 1], list[#list + 2] = name, tostring(value)
  end
  self:call("HSET", "meta", table.unpack(list))
end

--- Adds an entry to the log, with other values for some fields.
function Home:add(patch, other)
  other = other or {}
  local id = other.id or ("%d-%d"):format(EPOCH, self.version + 1)
  local list = { id, "p", other.p or self:position(), "t",
    other.t or "1700000000000000001" }
  if patch then table.move({ "d", patch }, 1, 2, #list + 1, list) end
  if not other.is_silent then self:meta { version = self.version + 1 } end
  return self:call("XADD", "log", table.unpack(list))
end

return fake_home

-- usage: lua5.4 spec/stress/machines/scale_followers.lua URL PREFIX COUNT
--
-- Asks the server for commits as that many followers do, each by a connection of its own, and
-- throws them away: what many followers cost the server, without what they do with the commits.

local cqueues = require "cqueues"
local redis = require "ipmmap_share.redis"
local url = require "ipmmap_share.url"

local address, prefix, count = assert(url.parse(arg[1])), arg[2], math.tointeger(arg[3])
local loop = cqueues.new()
local ready = 0

for _ = 1, count do
  loop:wrap(function()
    local connection = assert(redis.connect(address, 10))
    local meta = assert(connection:call("HMGET", prefix .. "meta", "epoch", "version"))
    local at = meta[1] .. "-" .. meta[2]
    ready = ready + 1
    if ready == count then print "ready" end
    io.stdout:flush()
    while true do
      local got, message = connection:block(2, "XREAD", "BLOCK", 2000, "COUNT", 100, "STREAMS",
        prefix .. "log", at)
      if got == nil then error(message) end
      local entries = got and got[1][2]
      if entries then at = entries[#entries][1] end
    end
  end)
end
assert(loop:loop())

-- usage: lua5.4 spec/stress/machines/sampler.lua URL DIARY PAUSE [MACHINE=DIR]...
--
-- Writes down again and again what the server has, and what homes say that they have published.
local cqueues = require "cqueues"
local ipmmap = require "ipmmap"
local redis = require "ipmmap_share.redis"
local struct = require "spec.stress.machines.struct"
local diary = require "spec.stress.machines.diary"
local status = require "ipmmap_share.status"
local url = require "ipmmap_share.url"

local address = assert(url.options(arg[1], { insecure = true }))
local out, pause = diary.open(arg[2]), tonumber(arg[3])
local PREFIX <const> = ("ipm:{%s_}:"):format(struct.S.name)
local CHAIN <const> = struct.S:offsetof "chain"

local connection

local CALLS <const> = {
  { "MULTI" },
  { "HMGET", PREFIX .. "meta", "epoch", "version" },
  { "GETRANGE", PREFIX .. "state", CHAIN, CHAIN + 7 },
  { "EXEC" },
}

local function look_at_server()
  connection = connection or redis.connect(address, 2)
  if not connection then return end
  local replies = connection:pipeline(CALLS)
  if connection.closed then
    connection = nil
  elseif replies and replies[4] then
    local meta, chain = replies[4][1], replies[4][2]
    if meta[1] and chain and #chain == 8 then
      out:write("meta", { epoch = meta[1], version = meta[2], chain = string.unpack("<i8", chain),
        at = math.floor(ipmmap.boottime() * 1e9) })
    end
  end
end

local readers = {}
for i = 4, #arg do
  local machine, dir = arg[i]:match "^(%d+)=(.*)$"
  readers[i - 3] = { machine = machine, dir = dir }
end

local function look_at_home(one)
  one.reader = one.reader or ipmmap.reader(status.Struct,
    { mmap_dir = one.dir, tag = struct.S.name .. "_", follow = true })
  if not one.reader then return end
  local there, now = pcall(one.reader.snapshot, one.reader)
  if there and now.role == "home" then
    out:write("status", { machine = one.machine, epoch = now.epoch,
      version = now.version - now.lag })
  end
end

while true do
  look_at_server()
  for _, one in ipairs(readers) do look_at_home(one) end
  cqueues.sleep(pause)
end

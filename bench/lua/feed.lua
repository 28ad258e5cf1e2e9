--- What a feed costs in Lua: commits, without and with a ring, and the same followed by a feed.
local measure = require "measure"

local RING <const> = 1 << 20

local struct = measure.demo()
local without <close> = measure.manager(struct, "without")
local manager <close> = measure.manager(struct, "feed", RING)
local feed <close> = manager:feed()

local ways = {}

local function commit(handle, count)
  for i = 1, count do
    handle:write("data_int", i & 0xffff)
  end
end

function ways.commit_without(count) commit(without, count) end

function ways.commit(count) commit(manager, count) end

function ways.commit_next(count)
  for i = 1, count do
    manager:write("data_int", i & 0xffff)
    feed:next(0)
  end
end

function ways.commit_next_changes(count)
  for i = 1, count do
    manager:write("data_int", i & 0xffff)
    feed:next(0)
    local next_change = feed:changes()
    next_change()
  end
end

for name, way in pairs(ways) do
  for _ in feed:commits(0) do end
  measure.print("lua.feed_" .. name, measure.time(way))
  measure.print("memory.feed_" .. name, measure.memory(way))
end
without:destroy()
manager:destroy()

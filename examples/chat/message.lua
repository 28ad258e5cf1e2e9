--- The struct of the chat: it holds one message, the last one. A feed tells them all.
local ipmmap = require "ipmmap"

-- Bytes for the messages that a listener has yet to read. One takes about 100 bytes.
local RING <const> = 1 << 20

local Message = ipmmap.base:extend("ChatMessage", {
  { "from", "char[16]" },
  { "text", "char[200]" },
})

--- Opens the chat in a directory; makes it if it is not there.
return function(role, dir)
  local manager <close> = assert(ipmmap.manager(Message, {
    create = true, mmap_dir = dir, feed = RING,
  }))
  return assert(ipmmap[role](Message, { mmap_dir = manager:info().path:match "^(.*)/" }))
end

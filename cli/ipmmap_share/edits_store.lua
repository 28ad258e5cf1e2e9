--- The part of ipmmap_share.store that is about edits from elsewhere: see there.
local wire = require "ipmmap_share.wire"

local edits_store = {}

--- Bytes of the two patches of an edit at most.
edits_store.LARGEST = 2 ^ 20 | 0

local EDITS = 10 -- that are asked for together
local MOST_EDITS = 10000 -- in the stream, which may be exceeded a little
local LONGEST_REASON = 1000 -- bytes

local methods = {}
edits_store.methods = methods

--- The edits that were sent from elsewhere, the oldest first, 10 at most. Everybody who may edit
-- writes them, so that each may be malformed.
-- @tparam string after `"0"`, or the `at` of the last one that was seen
-- @tparam number seconds to wait for one
-- @treturn[1] table a list of edits: `at`, and as in `send`; or `at`, `problem` (a text) and, if it
-- is known, `id`
-- @return[2] nil, message, code
function methods:edits(after, seconds)
  local read, message, code = self:read_stream(self.keys.edits, after, EDITS, seconds)
  if not read then return nil, message, code end
  local edits = {}
  for i, raw in ipairs(read) do edits[i] = wire.edit(raw, edits_store.LARGEST) end
  return edits
end

--- Sends an edit to the home. After a lost answer look at `replies` before it is sent again; if it
-- is there twice, it is taken once.
-- @tparam table edit `id` (32 hexadecimal digits), `expires` (milliseconds, in the server's
-- `time`), `server` (the `server` to which it was sent first), `base` (position), `expect`, `patch`
-- @treturn[1] boolean true
-- @return[2] nil, message, code
function methods:send(edit)
  local key = self.keys.edits
  local bytes = #edit.expect + #edit.patch
  if bytes > edits_store.LARGEST then error(("an edit of %d bytes"):format(bytes), 2) end
  local reply, message, code = self:command(key, "XADD", key, "MAXLEN", "~", MOST_EDITS, "*",
    "id", edit.id, "expires", edit.expires, "server", edit.server,
    "base", wire.written(edit.base), "expect", edit.expect, "d", edit.patch)
  if reply == nil then return nil, message, code end
  return true
end

--- Takes an edit: only one home can, and once, even if it was sent several times. Asking again
-- after a lost answer, for the same one and with the same lease, is answered with `"taken"` again
-- until there is a reply.
-- @tparam table lease
-- @tparam table edit of `edits`
-- @treturn[1] string `"taken"`; `"gone"`: its time is over, it was taken before, or the server has
-- restarted since it was sent; `"lost"`: the lease has ended
-- @return[2] nil, message, code
function methods:take(lease, edit)
  return self:ask("take", { "lease", "edits", self:replies_key(edit.id) },
                  wire.of_lease(lease, edit.at, edit.expires, edit.server))
end

--- Removes an edit that is malformed.
-- @tparam table edit of `edits`
-- @treturn[1] boolean true
-- @return[2] nil, message, code
function methods:drop(edit)
  local key = self.keys.edits
  local reply, message, code = self:command(key, "XDEL", key, edit.at)
  if reply == nil then return nil, message, code end
  return true
end

--- Answers an edit that was taken. The first answer counts, and others change nothing.
-- @tparam string id the edit's
-- @tparam string result `"applied"`, `"conflict"` or `"refused"`
-- @tparam table|string detail the home's position after it, or when it did not fit; or the reason
-- of the refusal
-- @treturn[1] boolean true
-- @return[2] nil, message, code
function methods:reply(id, result, detail)
  local fields = result == "refused" and { "m", detail:sub(1, LONGEST_REASON) }
    or { "v", wire.written(detail) }
  local key = self:replies_key(id)
  local answered, message, code =
    self:decide("reply", { key }, { "r", result, table.unpack(fields) })
  if answered == nil then return nil, message, code end
  return true
end

--- What became of an edit.
-- @tparam string id the edit's
-- @tparam string after `"0"`, or the `at` of the last one that was seen
-- @tparam number seconds to wait for one
-- @treturn[1] table a list: each with `at`, `result`: `"taken"` or one of `reply`, and its
-- `position` or `message`
-- @return[2] nil, message, code
function methods:replies(id, after, seconds)
  local key = self:replies_key(id)
  local read, message, code = self:read_stream(key, after, 2, seconds)
  if not read then return nil, message, code end
  local replies = {}
  for i, raw in ipairs(read) do
    replies[i] = wire.reply(raw)
    if not replies[i] then return self:corrupt(key, "a malformed reply to an edit") end
  end
  return replies
end

return edits_store

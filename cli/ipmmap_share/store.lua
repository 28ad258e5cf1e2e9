--- What is stored of one segment in a Redis server, over one connection: its keys and the calls.
--
-- All methods return nil, message, code when they fail. The codes: `system`: the connection is lost
-- (then @{Store:closed}), or the server refuses for a reason that the message names; `timeout`: no
-- answer in time; `permission`: the server's user may not; `no_space`: the server's memory is full;
-- `corrupt`: what the server has or sends is not what ipmmap stores. After `timeout`, and after
-- `system` with a lost connection, the server may have done what was asked: each method says what
-- asking again does. A caller's bug raises.
--
-- A **lease** is a table { token, epoch }: a random integer that is not 0, and the epoch that
-- @{Store:acquire} granted. A **position** is a table { epoch, version }. Epochs and versions are
-- integers from 0 to 2^53 - 1. Times of commits are nanoseconds since 1970; other times are
-- seconds, unless said. Patches are strings: see ipmmap_share.patch.
--
-- Coroutines may share a connection, but who waits in `entries`, `edits` or `replies` holds up all
-- others: such a caller needs a connection of its own.
local Calls = require "ipmmap_share.calls"
local wire = require "ipmmap_share.wire"
local edits_store = require "ipmmap_share.edits_store"
local functions = require "ipmmap_share.functions"
local patch = require "ipmmap_share.patch"
local redis = require "ipmmap_share.redis"
local refusal = require "ipmmap_share.refusal"

local store = {}

--- Bytes of patches in one call at most; see @{Store:commit}.
store.LARGEST_CALL = 2 ^ 20 | 0
--- Bytes of a struct at most: Redis's limit of a string.
store.LARGEST_STRUCT = 512 * 2 ^ 20 | 0
--- Bytes of the two patches of an edit at most.
store.LARGEST_EDIT = edits_store.LARGEST

local AT_ONCE = 8 -- pieces that are asked for together
local ENTRIES = 100 -- that are asked for together

local CLAIMS = { none = 0, last = 1, held = 2 }

local Store = setmetatable({}, { __index = Calls })
Store.__index = Store
for name, method in pairs(edits_store.methods) do Store[name] = method end

--- The store of a segment on a connection that there is already.
-- @param connection of ipmmap_share.redis
-- @tparam string name `<Struct>_<tag>`
-- @treturn Store
function store.on(connection, name)
  if not name:find("^[%w._-]+$") then error(("'%s' is no name of a segment"):format(name), 2) end
  return setmetatable(Calls.new(connection, name), Store)
end

--- Connects to a server, for one segment.
-- @tparam table address see `url.options`
-- @tparam string name `<Struct>_<tag>`
-- @tparam number timeout seconds for this, and for each call
-- @treturn[1] Store
-- @return[2] nil, message, code
function store.open(address, name, timeout)
  local connection, message, code = redis.connect(address, timeout)
  if connection then return store.on(connection, name) end
  if code ~= "server" then return nil, message, code end
  local where, text = message:match("^(.-): (%u+ .*)$")
  return refusal.explain(where or "the server", text or message)
end

--- Why the connection is closed; nil if it is open. A closed one stays closed: open another.
function Store:closed()
  return self.connection.closed
end

--- Closes the connection. A call of another coroutine that waits for its reply fails.
function Store:close()
  self.connection:close()
end

local function milliseconds(seconds)
  return math.ceil(seconds * 1000)
end

-- Numbers of a file, which may be damaged, or may have been made to be too large.
local function countable(what, ...)
  for _, number in ipairs { ... } do
    if number < 0 or number > wire.LAST then
      return nil, ("%s %d is none that can be shared: it is not from 0 to 2^53 - 1")
                  :format(what, number), "corrupt"
    end
  end
  return true
end

--- Asks for the lease, and so to be the segment's home. Every grant has a new epoch, which is
-- greater than all that the server remembers and than `min_epoch`. Asking again is harmless.
-- @tparam table wanted `token`; `machine`: the name that others are told, up to 255 bytes; `ttl`:
-- seconds, the same on all machines; `min_epoch`: the greatest epoch that this machine has seen;
-- `claim`: what holds after a restart of the server, which may have forgotten a lease that is in
-- use. `"held"`: this machine has the lease, as the deadline of its file has not passed, and gets
-- it at once; `"last"`: its file is a home's whose deadline has passed: it waits for `ttl`; nil: it
-- waits for twice that
-- @treturn[1] string `"granted"`
-- @treturn[1] integer epoch
-- @treturn[2] string `"held"`: another token has it
-- @treturn[2] table `machine`, `epoch`, `seconds`: who has it, and when it ends if it is not
-- renewed
-- @treturn[3] string `"grace"`: the server has restarted, or is another one now
-- @treturn[3] number seconds to wait
-- @return[4] nil, message, code
function Store:acquire(wanted)
  local fine, why, kind = countable("the epoch", wanted.min_epoch)
  if not fine then return nil, why, kind end
  local reply, message, code = self:fcall("acquire", { "lease", "epoch", "meta" }, {
    ("%016x"):format(wanted.token), wanted.machine, milliseconds(wanted.ttl), wanted.min_epoch,
    CLAIMS[wanted.claim or "none"] or error(("claim '%s'"):format(wanted.claim), 2),
    functions.revision(),
  })
  if reply == nil then return nil, message, code end
  local word, second, third = wire.acquired(reply)
  if not word then return self:corrupt(self.keys.lease, second) end
  return word, second, third
end

--- Renews the lease.
-- @tparam table lease
-- @tparam number ttl seconds from when the server gets the call
-- @treturn[1] boolean false: the lease has ended, or is another's
-- @return[2] nil, message, code
function Store:renew(lease, ttl)
  return self:decide("renew", { "lease" }, wire.of_lease(lease, milliseconds(ttl)))
end

--- Gives the lease back.
-- @tparam table lease
-- @treturn[1] boolean false: it was not this one's any more
-- @return[2] nil, message, code
function Store:release(lease)
  return self:decide("release", { "lease" }, wire.of_lease(lease))
end

--- Who is home, as far as the server knows.
-- @treturn[1] table|boolean `machine`, `epoch`; false: nobody
-- @return[2] nil, message, code
function Store:holder()
  local key = self.keys.lease
  local reply, message, code = self:command(key, "GET", key)
  if not reply then return reply, message, code end
  local holder = wire.holder(reply)
  if not holder then return self:corrupt(key, "a malformed lease") end
  return holder
end

--- Publishes commits, all of them or none. Asking again after a lost answer is harmless. The first
-- commit of a new epoch may have the stored version, with an empty patch: it tells the epoch.
-- @tparam table lease
-- @tparam table before the position that the first of them follows
-- @tparam table commits a list of { `version`, `time`, `patch` }, with rising versions; their
-- patches have LARGEST_CALL bytes at most: for one that has more there is `commit_large`
-- @treturn[1] string `"ok"`; `"again"`: they are stored already, by a call whose answer was lost;
-- `"lost"`: the lease has ended; `"behind"`: the server has another position, and nothing was done
-- @treturn[1] table|nil after `"behind"` the server's position; nil: it has nothing that is whole,
-- and needs a fresh commit
-- @return[2] nil, message, code; `corrupt` also for a version beyond 2^53 - 1
function Store:commit(lease, before, commits)
  local arguments, bytes = wire.of_lease(lease, wire.written(before)), 0
  for _, commit in ipairs(commits) do
    local fine, message, code = countable("the version", commit.version)
    if not fine then return nil, message, code end
    table.move({ commit.version, commit.time, commit.patch }, 1, 3, #arguments + 1, arguments)
    bytes = bytes + #commit.patch
  end
  if bytes > store.LARGEST_CALL then error(("%d bytes of patches in one call"):format(bytes), 2) end
  return self:ask("commit", { "lease", "meta", "state", "log" }, arguments)
end

-- Sends the pieces, and makes them the state.
local function stage(self, lease, before, size, pieces, between, last)
  local id = ("%016x"):format(math.random(0))
  local word, detail, code = self:ask("begin",
    { "lease", "epoch", "meta", "state", "next" }, wire.of_lease(lease, before, id, last[1]))
  for piece in pieces do
    if word ~= "ok" then return word, detail, code end
    word, detail, code = self:ask("stage", { "lease", "epoch", "next" },
                                  wire.of_lease(lease, id, size, piece))
    if word == "ok" and between then
      local go_on
      go_on, detail, code = between()
      if not go_on then return nil, detail, code end
    end
  end
  if word == "ok" then
    word, detail, code = self:ask("finish",
      { "lease", "epoch", "meta", "state", "log", "next", "schema" },
      wire.of_lease(lease, before, id, table.unpack(last)))
  end
  if word ~= "gone" then return word, detail, code end
  return nil, ("%s: %s: the pieces of a large commit did not come in time, and were removed")
              :format(self.connection.name, self.keys.next), "timeout"
end

--- Publishes a commit with any patch: in pieces, of which each keeps the server busy for a
-- millisecond at most. Followers read the whole state again. Asking again is harmless, and begins
-- anew.
-- @tparam table lease
-- @tparam table before the position that it follows
-- @tparam table commit { `version`, `time`, `patch` }
-- @tparam integer size the struct's
-- @tparam[opt] function between called between the pieces, to renew the lease: if it returns
-- nothing true, this method returns nil and its other results, and nothing was published
-- @return as for `commit`
function Store:commit_large(lease, before, commit, size, between)
  local fine, message, code = countable("the version", commit.version)
  if not fine then return nil, message, code end
  return stage(self, lease, wire.written(before), size, patch.pieces(commit.patch), between,
               { commit.version, commit.time, size })
end

--- Publishes a whole state, in pieces as `commit_large`, in place of all that is stored: another
-- schema, size and log too. Asking again is harmless, and begins anew.
-- @tparam table lease
-- @tparam table fresh `version`, `time`, `state` (the struct's bytes), `schema` (its text), `feed`
-- (bytes of the ring)
-- @tparam[opt] function between as for `commit_large`
-- @treturn[1] string `"ok"`, `"again"` or `"lost"`, as for `commit`
-- @return[2] nil, message, code; `no_space` also for a struct beyond LARGEST_STRUCT
function Store:commit_fresh(lease, fresh, between)
  local fine, message, code = countable("the version", fresh.version)
  if not fine then return nil, message, code end
  local size = #fresh.state
  if size > store.LARGEST_STRUCT then
    return nil, ("the state of %s has %d bytes, and a server takes %d at most")
                :format(self.prefix, size, store.LARGEST_STRUCT), "no_space"
  end
  return stage(self, lease, "fresh", size, patch.pieces_of(fresh.state), between,
               { fresh.version, fresh.time, size, fresh.feed, fresh.schema })
end

--- What is stored.
-- @treturn[1] table|boolean `epoch`, `version`, `size`, `time`, `feed`; false: nothing is
-- @return[2] nil, message, code
function Store:meta()
  local key = self.keys.meta
  local reply, message, code =
    self:command(key, "HMGET", key, "epoch", "version", "size", "time", "feed")
  if reply == nil then return nil, message, code end
  local meta, why = wire.meta(reply, store.LARGEST_STRUCT)
  if meta == nil then return self:corrupt(key, why) end
  return meta
end

--- The schema's text.
-- @treturn[1] string|boolean false: there is none
-- @return[2] nil, message, code
function Store:schema()
  local key = self.keys.schema
  local reply, message, code = self:command(key, "GET", key)
  if reply == nil then return nil, message, code end
  if reply and type(reply) ~= "string" then return self:corrupt(key, "no text") end
  return reply
end

--- Reads the state in pieces. Commits may be stored meanwhile: the pieces are of different
-- versions.
-- @tparam integer size the struct's, of `meta`
-- @tparam function on_piece called with 256 KiB at a time, and at last with the rest
-- @treturn[1] boolean false: the state has another size now, or is gone
-- @return[2] nil, message, code
function Store:state(size, on_piece)
  local key = self.keys.state
  for first = 0, size - 1, AT_ONCE * patch.PIECE do
    local calls = {}
    for at = first, math.min(first + AT_ONCE * patch.PIECE, size) - 1, patch.PIECE do
      calls[#calls + 1] = { "GETRANGE", key, at, math.min(at + patch.PIECE, size) - 1 }
    end
    local replies, message, code = self.connection:pipeline(calls)
    if not replies then return self:refused(key, message, code) end
    for i, piece in ipairs(replies) do
      if type(piece) ~= "string" then return self:corrupt(key, "no bytes") end
      if #piece ~= calls[i][4] - calls[i][3] + 1 then return false end
      on_piece(piece)
    end
  end
  return true
end

--- The commits after a position, the oldest first, 100 at most.
-- @tparam table after position
-- @tparam number seconds to wait for one
-- @treturn[1] table a list, empty if there was none: each with `epoch`, `version`, `time`, `patch`
-- (nil: the state is to be read anew) and, if there is a patch, `before`: the position that it
-- follows. It was not checked that this is the position before it, nor that the patch is
-- well-formed
-- @return[2] nil, message, code
function Store:entries(after, seconds)
  local key = self.keys.log
  local read, message, code = self:read_stream(key, wire.written(after), ENTRIES, seconds)
  if not read then return nil, message, code end
  local entries, last = {}, after
  for i, raw in ipairs(read) do
    local entry, why = wire.entry(raw, last)
    if not entry then return self:corrupt(key, why) end
    entries[i], last = entry, entry
  end
  return entries
end

--- Which process the server is: another one after each restart.
-- @treturn[1] string 40 hexadecimal digits
-- @return[2] nil, message, code
function Store:server()
  local reply, message, code = self:command("INFO", "INFO", "server")
  if reply == nil then return nil, message, code end
  local server = wire.server(reply)
  if not server then return self:corrupt("INFO", "no run_id") end
  return server
end

--- The server's time.
-- @treturn[1] integer milliseconds since 1970
-- @return[2] nil, message, code
function Store:time()
  local reply, message, code = self:command("TIME", "TIME")
  if reply == nil then return nil, message, code end
  local time = wire.time(reply)
  if not time then return self:corrupt("TIME", "no time") end
  return time
end

return store

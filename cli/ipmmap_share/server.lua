#!lua name=ipmmap1
-- The functions that the home of a segment calls in the server: see ipmmap_share.store, which loads
-- this file as it is. They run inside Redis, in its Lua 5.1, and so each is one step for all others.
-- A function looks at everything that can be refused before its first write. All keys of a segment
-- have one hash tag, so that a cluster keeps them together.

-- To be raised with each change of what a function does: who needs a newer one loads it again.
local REVISION = 1

local LAST = 2 ^ 53 - 1 -- the greatest number that a number of Lua 5.1 holds exactly
local LARGEST = 512 * 2 ^ 20 -- bytes of a struct: Redis's limit of a string
local MOST_ENTRIES = 10000 -- of the log
local MOST_BYTES = 16 * 2 ^ 20 -- of the patches in the log
local STAGED_MS = 60000 -- so long pieces of a home that died stay
local ANSWERED_MS = 3600000 -- so long the answer to an edit stays

-- redis.call is not there yet while the library is loaded.
local function call(...)
  return redis.call(...)
end

-- Ends the function with this error. The first word says what kind it is.
local function refuse(format, ...)
  error({ err = format:format(...) }, 0)
end

-- Refuses keys that hold something else than ipmmap stores there.
local function expect(key, kind)
  local found = call("TYPE", key).ok
  if found ~= kind and found ~= "none" then
    refuse("WRONGTYPE %s holds a %s where ipmmap has a %s: the key is another program's", key, found, kind)
  end
end

-- Refuses users who may not do all that follows a write, before anything is written.
local function may(...)
  if not redis.acl_check_cmd(...) then
    refuse("NOPERM the user may not %s %s", (...), (select(2, ...)))
  end
end

local function number(text, what, least, most)
  local value = text and #text <= 16 and text:find("^%d+$") and tonumber(text)
  if not value or value < least or value > most or text ~= ("%.0f"):format(value) then
    refuse("ERR %s is no number from %.0f to %.0f", what, least, most)
  end
  return value
end

local function hexadecimal(text, what, digits)
  if not text or #text ~= digits or text:find("[^%da-f]") then
    refuse("ERR %s is not %d hexadecimal digits", what, digits)
  end
  return text
end

-- Refuses what is no time of a commit, in ns: an integer of 63 bits, of which Lua 5.1 has none.
local function check_time(text)
  if not text or text:find("[^%d]") or text ~= "0" and not text:find("^[1-9]") or #text > 19
     or #text == 19 and text > "9223372036854775807" then
    refuse("ERR the time of a commit is no number of nanoseconds")
  end
end

-- What is stored, as a number; nil if nothing is.
local function stored(key, field, value)
  if not value then return nil end
  local ok, got = pcall(number, value, field, 0, LAST)
  if not ok then refuse("CORRUPT %s has a malformed %s", key, field) end
  return got
end

local function now_ms()
  local time = call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Whether the lease is this token's, with this epoch.
local function holds(lease, token, epoch)
  hexadecimal(token, "the token", 16)
  number(epoch, "the epoch", 1, LAST)
  expect(lease, "string")
  local text = call("GET", lease)
  return text and text:find(token .. " " .. epoch .. " ", 1, true) == 1
end

-- Which server this is, and since when, in ms, it remembers all leases that it grants: since the first
-- call for this one after a restart or a promotion, or since its start. If it knows nothing of a segment
-- whose caller has seen an epoch, it has forgotten it, or another server had it: then, since now.
local function server_now(now, known, since, seen)
  local info = call("INFO", "server", "replication", "memory")
  local policy = info:match("maxmemory_policy:(%S+)")
  if info:match("maxmemory:(%d+)") ~= "0" and policy ~= "noeviction" then
    refuse("EVICTS the server removes keys when its memory is full (maxmemory-policy %s), "
           .. "and with them a lease: it must be noeviction", policy)
  end
  local server = info:match("run_id:(%x+)") .. info:match("master_replid:(%x+)")
  if server == known and since then return server, math.min(since, now) end
  local forgot = info:match("master_replid2:(%x+)"):find("[^0]") or not known and seen > 0
  -- The uptime is the difference of two whole seconds, and so up to one too long.
  local uptime = forgot and 0 or math.max(0, info:match("uptime_in_seconds:(%d+)") - 1)
  return server, now - uptime * 1000
end

-- keys: lease, epoch, meta; token, machine, ms of the lease, the greatest epoch that was seen, claim, the
-- revision that is needed.
-- After a restart the server may have forgotten a lease that is in use. So nobody else (claim 0 and 1)
-- gets it for as long as leases last. The last home (1), which has commits that nobody else has, is to
-- be the first after that: others (0) wait twice as long. Who has the lease now (2) need not wait.
-- All epochs may be forgotten too. So a new one is at least the time, in ms: none is granted twice.
local function acquire(keys, args)
  local lease, epoch_key, meta = keys[1], keys[2], keys[3]
  local token, machine = hexadecimal(args[1], "the token", 16), args[2]
  local ttl = number(args[3], "the lease", 1, 86400000)
  local seen = number(args[4], "the epoch", 0, LAST)
  local claim = number(args[5], "the claim", 0, 2)
  if number(args[6], "the revision", 1, LAST) > REVISION then
    refuse("OLD the functions in the server are of revision %d", REVISION)
  end
  if #machine == 0 or #machine > 255 then refuse("ERR the machine's name has %d bytes", #machine) end
  expect(lease, "string")
  expect(epoch_key, "hash")
  expect(meta, "hash")
  may("SET", lease, "", "PX", "1")
  may("HSET", epoch_key, "epoch", "")
  local known = call("HMGET", epoch_key, "epoch", "server", "since", "ttl")
  local granted = stored(epoch_key, "epoch", known[1]) or 0
  local last_ttl = stored(epoch_key, "ttl", known[4]) or 0
  local of_meta = stored(meta, "epoch", call("HGET", meta, "epoch")) or 0
  local now = now_ms()
  local server, since = server_now(now, known[2], stored(epoch_key, "since", known[3]), seen)
  local held, held_ms = call("GET", lease), call("PTTL", lease)
  local epoch = math.max(granted + 1, of_meta + 1, seen + 1, now)
  if epoch > LAST then refuse("CORRUPT %s: there is no greater epoch", epoch_key) end

  since = ("%.0f"):format(since)
  if server ~= known[2] or since ~= known[3] then
    call("HSET", epoch_key, "server", server, "since", since)
  end
  if held then
    local owner, home = held:match("^(%x+) %d+ (.*)$")
    if owner ~= token or home ~= machine then return { "held", held, held_ms } end
  end
  local left = tonumber(since) + math.max(ttl, last_ttl) * (2 - claim) - now
  if left > 0 then return { "grace", left } end
  epoch = ("%.0f"):format(epoch)
  call("HSET", epoch_key, "epoch", epoch, "ttl", args[3])
  call("SET", lease, token .. " " .. epoch .. " " .. machine, "PX", args[3])
  return { "granted", epoch }
end

-- keys: lease; token, epoch, ms
local function renew(keys, args)
  local ttl = number(args[3], "the lease", 1, 86400000)
  if not holds(keys[1], args[1], args[2]) then return 0 end
  return call("PEXPIRE", keys[1], ttl)
end

-- keys: lease; token, epoch
local function release(keys, args)
  if not holds(keys[1], args[1], args[2]) then return 0 end
  return call("DEL", keys[1])
end

-- What is stored: { epoch, version (strings), size, log_bytes }; nil if there is nothing whole.
local function read_meta(meta, state)
  expect(meta, "hash")
  expect(state, "string")
  local fields = call("HMGET", meta, "epoch", "version", "size", "log_bytes")
  local epoch, version = stored(meta, "epoch", fields[1]), stored(meta, "version", fields[2])
  local size = stored(meta, "size", fields[3])
  if not (epoch and version and size) or call("STRLEN", state) ~= size then return nil end
  return { epoch = fields[1], version = fields[2], size = size,
           log_bytes = stored(meta, "log_bytes", fields[4]) or 0 }
end

-- What a commit is answered if it does not follow the stored one; nil if it does. Versions of one
-- epoch are one home's: one that is not greater than the stored one is there already, and is not made
-- again by a call that comes late.
local function out_of_order(at, epoch, before, version)
  if not at then return { "behind" } end
  if at.epoch == epoch and tonumber(version) <= tonumber(at.version) then return { "again" } end
  if before ~= at.epoch .. "-" .. at.version then return { "behind", at.epoch, at.version } end
end

-- The least version that may follow: the first commit of a new home may have the stored one.
local function next_version(at, epoch)
  return at.epoch == epoch and at.version + 1 or tonumber(at.version)
end

local function check_patch(patch, size)
  local at, free = 1, 0
  while at <= #patch do
    if #patch - at < 12 then refuse("ERR a patch ends within a run") end
    local offset, high, count = struct.unpack("<I4I4I4", patch, at)
    if high ~= 0 or count == 0 or offset < free or offset + count > size then
      refuse("ERR a run of a patch is not inside the struct of %.0f bytes, or not behind the run before it", size)
    end
    if #patch - at - 11 < count then refuse("ERR a patch ends within a run") end
    free, at = offset + count, at + 12 + count
  end
end

-- Stores a patch that was checked.
local function store_patch(key, patch)
  local at = 1
  while at <= #patch do
    local offset, _, count = struct.unpack("<I4I4I4", patch, at)
    call("SETRANGE", key, offset, patch:sub(at + 12, at + 11 + count))
    at = at + 12 + count
  end
end

-- What the log needs when a commit is added.
local function may_log(log)
  expect(log, "stream")
  may("XLEN", log)
  may("XRANGE", log, "-", "+")
  may("XADD", log, "*", "t", "")
  may("XDEL", log, "1-1")
end

-- Removes the oldest entries beyond the log's bounds, and returns the bytes of the others, as text.
local function trim(log, bytes)
  local entries = call("XLEN", log)
  while entries > MOST_ENTRIES or entries > 0 and bytes > MOST_BYTES do
    local oldest = call("XRANGE", log, "-", "+", "COUNT", 1)[1]
    local fields = oldest[2]
    for i = 1, #fields, 2 do
      if fields[i] == "d" then bytes = bytes - #fields[i + 1] end
    end
    call("XDEL", log, oldest[1])
    entries = entries - 1
  end
  return ("%.0f"):format(entries > 0 and math.max(bytes, 0) or 0)
end

-- keys: lease, meta, state, log; token, epoch, the id of the stored commit, then for each commit its
-- version, time and patch
local function commit(keys, args)
  local lease, meta, state, log = keys[1], keys[2], keys[3], keys[4]
  local epoch, before = args[2], args[3]
  if #args < 6 or #args % 3 ~= 0 then refuse("ERR a commit has %d arguments", #args) end
  if not holds(lease, args[1], epoch) then return { "lost" } end
  local at = read_meta(meta, state)
  number(args[#args - 2], "the version", 0, LAST)
  local answer = out_of_order(at, epoch, before, args[#args - 2])
  if answer then return answer end
  local least = next_version(at, epoch)
  for i = 4, #args, 3 do
    least = number(args[i], "the version", least, LAST) + 1
    check_time(args[i + 1])
    check_patch(args[i + 2], at.size)
  end
  may_log(log)
  may("SETRANGE", state, 0, "")
  may("HSET", meta, "version", "")

  local bytes = call("XLEN", log) > 0 and at.log_bytes or 0
  for i = 4, #args, 3 do
    local id = epoch .. "-" .. args[i]
    local added = redis.pcall("XADD", log, id, "p", before, "t", args[i + 1], "d", args[i + 2])
    if type(added) == "table" and i == 4 then return { "behind" } end -- the log has greater ids
    bytes, before = bytes + #args[i + 2], id
  end
  for i = 6, #args, 3 do store_patch(state, args[i]) end
  call("HSET", meta, "epoch", epoch, "version", args[#args - 2], "time", args[#args - 1],
       "log_bytes", trim(log, bytes))
  return { "ok" }
end

-- The same for a staged commit. A fresh one follows anything but a later one of its own epoch.
local function staged_out_of_order(at, epoch, before, version)
  local answer = out_of_order(at, epoch, before, version)
  if before == "fresh" then return answer and answer[1] == "again" and answer end
  if not answer then number(version, "the version", next_version(at, epoch), LAST) end
  return answer
end

-- A change that is too large for one call is made in a copy of the state, the key `next`, which
-- then takes the state's name.
-- keys: lease, epoch, meta, state, next; token, epoch, the id of the stored commit or `fresh`, the
-- stage: a random number which calls of an earlier stage do not have, the version
local function begin(keys, args)
  local lease, epoch_key, meta, state, next_key = unpack(keys)
  local stage = hexadecimal(args[4], "the stage", 16)
  number(args[5], "the version", 0, LAST)
  if not holds(lease, args[1], args[2]) then return { "lost" } end
  expect(epoch_key, "hash")
  expect(next_key, "string")
  local fresh = args[3] == "fresh"
  local answer = staged_out_of_order(read_meta(meta, state), args[2], args[3], args[5])
  if answer then return answer end
  may("HSET", epoch_key, "stage", "")
  may("SET", next_key, "")
  may("COPY", state, next_key, "REPLACE")
  may("PEXPIRE", next_key, "1")

  if fresh then
    call("SET", next_key, "")
  else
    call("COPY", state, next_key, "REPLACE")
  end
  call("PEXPIRE", next_key, STAGED_MS)
  call("HSET", epoch_key, "stage", stage)
  return { "ok" }
end

-- keys: lease, epoch, next; token, epoch, stage, the struct's size, piece
local function stage(keys, args)
  local lease, epoch_key, next_key = unpack(keys)
  local size = number(args[4], "the size", 1, LARGEST)
  if not holds(lease, args[1], args[2]) then return { "lost" } end
  expect(epoch_key, "hash")
  expect(next_key, "string")
  if call("HGET", epoch_key, "stage") ~= args[3] or call("EXISTS", next_key) == 0 then
    return { "gone" }
  end
  check_patch(args[5], size)
  may("SETRANGE", next_key, 0, "")
  may("PEXPIRE", next_key, "1")

  store_patch(next_key, args[5])
  call("PEXPIRE", next_key, STAGED_MS)
  return { "ok" }
end

-- keys: lease, epoch, meta, state, log, next, schema; token, epoch, the id of the stored commit or
-- `fresh`, stage, version, time, size; if fresh: feed, schema.
-- A fresh commit replaces all there is. The log's entry has no patch: followers join again.
local function finish(keys, args)
  local lease, epoch_key, meta, state, log, next_key, schema = unpack(keys)
  local epoch, before, version = args[2], args[3], args[5]
  local fresh = before == "fresh"
  number(version, "the version", 0, LAST)
  check_time(args[6])
  local size = number(args[7], "the size", 1, LARGEST)
  if fresh then number(args[8], "the feed", 0, LAST) end
  if #args ~= (fresh and 9 or 7) then refuse("ERR a staged commit has %d arguments", #args) end
  if not holds(lease, args[1], epoch) then return { "lost" } end
  local at = read_meta(meta, state)
  local answer = staged_out_of_order(at, epoch, before, version)
  if answer then return answer end
  expect(epoch_key, "hash")
  expect(next_key, "string")
  expect(schema, "string")
  if call("HGET", epoch_key, "stage") ~= args[4] or call("STRLEN", next_key) ~= size
     or not fresh and at.size ~= size then
    return { "gone" }
  end
  may_log(log)
  may("DEL", log, meta)
  may("RENAME", next_key, state)
  may("PERSIST", state)
  may("HSET", meta, "version", "")
  may("SET", schema, "")
  may("HDEL", epoch_key, "stage")

  if fresh then call("DEL", log, meta) end
  local added = redis.pcall("XADD", log, epoch .. "-" .. version, "t", args[6])
  if type(added) == "table" then return { "behind" } end -- the log has greater ids
  if fresh then
    call("SET", schema, args[9])
    call("HSET", meta, "size", args[7], "feed", args[8])
  end
  call("RENAME", next_key, state)
  call("PERSIST", state)
  call("HDEL", epoch_key, "stage")
  call("HSET", meta, "epoch", epoch, "version", version, "time", args[6],
       "log_bytes", trim(log, fresh and 0 or at.log_bytes))
  return { "ok" }
end

-- keys: lease, edits, replies; token, epoch, the edit's id in the stream, when it expires, the run_id of
-- the server that it was sent to.
-- An edit is sent again if its answer was lost, and is taken once all the same: the first entry of its
-- replies says by which home, and which of its copies. A server that has restarted may have forgotten
-- that entry, so edits that were sent before are not taken.
local function take(keys, args)
  local lease, edits, replies = unpack(keys)
  local at = args[3]
  local expires = number(args[4], "the end of an edit's time", 0, LAST)
  if not at:find("^%d+%-%d+$") then refuse("ERR %s is no id in a stream", at) end
  if not holds(lease, args[1], args[2]) then return { "lost" } end
  expect(edits, "stream")
  expect(replies, "stream")
  may("XDEL", edits, at)
  may("XADD", replies, "*", "r", "")
  may("PEXPIRE", replies, "1")
  local by = args[2] .. " " .. at
  local known = call("XRANGE", replies, "-", "+", "COUNT", 2)
  local in_time = now_ms() <= expires and call("INFO", "server"):match("run_id:(%x+)") == args[5]

  call("XDEL", edits, at)
  if known[1] then
    local fields = known[1][2]
    return { #known == 1 and fields[4] == by and "taken" or "gone" }
  end
  if not in_time then return { "gone" } end
  call("XADD", replies, "*", "r", "taken", "by", by)
  call("PEXPIRE", replies, ANSWERED_MS)
  return { "taken" }
end

-- keys: replies; the fields of the answer. Only who took the edit knows it, lease or not.
local function reply(keys, args)
  local replies = keys[1]
  if #args == 0 or #args % 2 ~= 0 then refuse("ERR a reply has %d arguments", #args) end
  expect(replies, "stream")
  may("XADD", replies, "*", "r", "")
  may("PEXPIRE", replies, "1")
  if call("XLEN", replies) > 1 then return 0 end -- this answer, in a call that was lost

  call("XADD", replies, "*", unpack(args))
  call("PEXPIRE", replies, ANSWERED_MS)
  return 1
end

-- An error is answered without the line that raised it. Redis's pcall makes a text of it.
local function register(name, fn, flags)
  redis.register_function {
    function_name = "ipmmap1_" .. name,
    flags = flags,
    callback = function(keys, args)
      local ok, answer = pcall(fn, keys, args)
      if ok then return answer end
      return { err = answer:find("^%u+ ") and answer or "ERR " .. answer }
    end,
  }
end

register("acquire", acquire)
register("renew", renew, { "allow-oom" })
register("release", release, { "allow-oom" })
register("commit", commit)
register("begin", begin)
register("stage", stage)
register("finish", finish)
register("take", take)
register("reply", reply)

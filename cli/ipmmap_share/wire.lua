--- How positions, leases and edits are written in the server and read from it. What is read is not
-- trusted: types, numbers, ids and fields are looked at. A function returns nil for what ipmmap
-- does not store, and may also say what is wrong.
local wire = {}

--- The greatest epoch and version: what the server's functions count exactly.
wire.LAST = 2 ^ 53 - 1 | 0

local LAST_SECOND = 10 ^ 12 | 0
local WORDS = { again = true, behind = true, gone = true, lost = true, ok = true, taken = true }
local LONGEST_ID = 41 -- of an entry in a stream: two numbers of 64 bits

local function integer(text, least, most)
  if type(text) ~= "string" or #text > 19 or not text:find("^%d+$") then return nil end
  local value = math.tointeger(tonumber(text))
  if not value or value < least or value > most or tostring(value) ~= text then return nil end
  return value
end

--- A position of `<epoch>-<version>`.
function wire.position(text)
  local epoch, version = (type(text) == "string" and text or ""):match("^(%d+)%-(%d+)$")
  epoch, version = integer(epoch, 0, wire.LAST), integer(version, 0, wire.LAST)
  return epoch and version and { epoch = epoch, version = version }
end

--- The same as text.
function wire.written(position)
  return ("%d-%d"):format(position.epoch, position.version)
end

--- What the calls of a home begin with, before other arguments.
function wire.of_lease(lease, ...)
  return { ("%016x"):format(lease.token), lease.epoch, ... }
end

--- The lease's text.
function wire.holder(text)
  if type(text) ~= "string" then return nil end
  local token, epoch, machine = text:match("^(%x+) (%d+) (.+)$")
  epoch = integer(epoch, 1, wire.LAST)
  if not epoch or #token ~= 16 or #machine > 255 then return nil end
  return { machine = machine, epoch = epoch }
end

--- What ipmmap1_acquire answers, as `Store:acquire` returns it; or nil and what is wrong.
function wire.acquired(reply)
  if type(reply) ~= "table" then return nil, "no answer to the call for the lease" end
  local word, second, third = reply[1], reply[2], reply[3]
  if word == "granted" then
    local epoch = integer(second, 1, wire.LAST)
    if epoch then return word, epoch end
  elseif word == "grace" and math.type(second) == "integer" then
    return word, second / 1000
  elseif word == "held" then
    local holder = wire.holder(second)
    if holder and math.type(third) == "integer" and third >= 0 then
      holder.seconds = third / 1000
      return word, holder
    end
    return nil, "it holds something else than a lease"
  end
  return nil, "a malformed answer to the call for the lease"
end

--- The answer of a function: a word, and maybe a position in two strings.
function wire.answer(reply)
  local word = type(reply) == "table" and reply[1]
  if not WORDS[word] then return nil end
  if word ~= "behind" or reply[2] == nil then return word end
  local position = wire.position(("%s-%s"):format(reply[2], reply[3]))
  return position and word, position
end

--- The fields epoch, version, size, time, feed of the key meta; false if it is not there.
function wire.meta(reply, largest)
  if type(reply) ~= "table" then return nil, "no fields" end
  if not (reply[1] or reply[2] or reply[3]) then return false end
  local meta = {
    epoch = integer(reply[1], 1, wire.LAST), version = integer(reply[2], 0, wire.LAST),
    size = integer(reply[3], 1, largest), time = integer(reply[4], 0, math.maxinteger),
    feed = integer(reply[5], 0, wire.LAST),
  }
  for _, name in ipairs { "epoch", "version", "size", "time", "feed" } do
    if not meta[name] then return nil, "a malformed " .. name end
  end
  return meta
end

--- The server's time in milliseconds.
function wire.time(reply)
  if type(reply) ~= "table" then return nil end
  local seconds, micro = integer(reply[1], 0, LAST_SECOND), integer(reply[2], 0, 999999)
  return seconds and micro and seconds * 1000 + micro // 1000
end

local function is_id(id)
  return type(id) == "string" and #id <= LONGEST_ID and id:find("^%d+%-%d+$") ~= nil
end

local function fields_of(list)
  if type(list) ~= "table" or #list % 2 ~= 0 then return nil end
  local fields = {}
  for i = 1, #list, 2 do
    local name, text = list[i], list[i + 1]
    if type(name) ~= "string" or type(text) ~= "string" or fields[name] then return nil end
    fields[name] = text
  end
  return fields
end

--- What XREAD answers about one stream.
-- @return a list of { id, fields }
function wire.stream(reply, key)
  if not reply then return {} end
  local of_key = type(reply) == "table" and #reply == 1 and reply[1]
  local list = type(of_key) == "table" and of_key[1] == key and of_key[2]
  if type(list) ~= "table" then return nil end
  local entries = {}
  for i, raw in ipairs(list) do
    local fields = type(raw) == "table" and is_id(raw[1]) and fields_of(raw[2])
    if not fields then return nil end
    entries[i] = { raw[1], fields }
  end
  return entries
end

--- An entry of the log.
-- @param last the position of the one before, which it must be greater than
function wire.entry(raw, last)
  local entry, fields = wire.position(raw[1]), raw[2]
  if not entry then return nil, "an entry with a malformed id" end
  if entry.epoch < last.epoch or entry.epoch == last.epoch and entry.version <= last.version then
    return nil, "entries out of order"
  end
  entry.time = integer(fields.t, 0, math.maxinteger)
  if not entry.time then return nil, "an entry with a malformed time" end
  if fields.d then
    entry.patch, entry.before = fields.d, wire.position(fields.p)
    if not entry.before then return nil, "an entry that does not say what it follows" end
  end
  return entry
end

local function is_hexadecimal(text, digits)
  return type(text) == "string" and #text == digits and not text:find("[^%da-f]")
end

--- Which process the server is, in what INFO tells.
function wire.server(reply)
  local id = type(reply) == "string" and reply:match("run_id:(%x+)")
  return is_hexadecimal(id, 40) and id or nil
end

--- An entry of the stream of edits.
-- @param largest bytes of its patches
-- @return { at, id, expires, server, base, expect, patch }; or { at, problem } with an id if it is
-- known
function wire.edit(raw, largest)
  local at, fields = raw[1], raw[2]
  local edit = {
    at = at, id = fields.id, base = wire.position(fields.base),
    expires = integer(fields.expires, 0, wire.LAST), server = fields.server,
    expect = fields.expect, patch = fields.d,
  }
  local problem
  if not is_hexadecimal(edit.id, 32) then
    edit.id, problem = nil, "an edit without an id"
  elseif not (edit.base and edit.expires and edit.expect and edit.patch)
         or not is_hexadecimal(edit.server, 40) then
    problem = "an edit without all its fields"
  elseif #edit.expect + #edit.patch > largest then
    problem = ("an edit of more than %d bytes"):format(largest)
  end
  return problem and { at = at, id = edit.id, problem = problem } or edit
end

--- An entry of the stream of replies to an edit.
function wire.reply(raw)
  local at, fields = raw[1], raw[2]
  local reply = { at = at, result = fields.r }
  if reply.result == "taken" then return reply end
  if reply.result == "refused" then
    reply.message = fields.m
    return reply.message and reply
  end
  if reply.result ~= "applied" and reply.result ~= "conflict" then return nil end
  reply.position = wire.position(fields.v)
  return reply.position and reply
end

return wire

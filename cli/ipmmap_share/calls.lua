--- The keys of one segment, and calls about them over one connection: what ipmmap_share.store and
-- ipmmap_share.edits_store are made of. All functions return nil, message, code when they fail, as
-- store says.
local wire = require "ipmmap_share.wire"
local functions = require "ipmmap_share.functions"
local refusal = require "ipmmap_share.refusal"

local KEYS = { "schema", "lease", "epoch", "meta", "state", "log", "next", "edits" }

local Calls = {}

--- The fields that these methods need: `connection`, of ipmmap_share.redis, and the names of the
-- keys, by their last word.
-- @tparam string name `<Struct>_<tag>`
function Calls.new(connection, name)
  local self = { connection = connection, prefix = ("ipm:{%s}:"):format(name), keys = {} }
  for _, key in ipairs(KEYS) do self.keys[key] = self.prefix .. key end
  return self
end

--- The key of the replies to an edit.
function Calls:replies_key(id)
  return self.prefix .. "replies:" .. id
end

--- The failure of a call: what a connection's call returned after nil.
function Calls:refused(key, message, code)
  if code ~= "server" then return nil, message, code end
  return refusal.explain(("%s: %s"):format(self.connection.name, key), message)
end

--- The failure of a key, or of a reply about it, that is not as it must be.
function Calls:corrupt(key, what)
  return nil, ("%s: %s: %s"):format(self.connection.name, key, what), "corrupt"
end

--- Calls a command about one key.
-- @return the reply, which was not checked
function Calls:command(key, ...)
  local reply, message, code = self.connection:call(...)
  if reply ~= nil then return reply end
  return self:refused(key, message, code)
end

--- Calls a function of server.lua.
-- @tparam string name
-- @tparam table keys the last words of their names, or whole names
-- @tparam table arguments strings and integers
-- @return the reply, which was not checked
function Calls:fcall(name, keys, arguments)
  local named = {}
  for i, key in ipairs(keys) do named[i] = self.keys[key] or key end
  local reply, message, code = functions.call(self.connection, name, named, arguments)
  if reply ~= nil then return reply end
  return self:refused(self.prefix .. "*", message, code)
end

--- Calls a function that answers with 1 or 0.
-- @treturn boolean
function Calls:decide(name, keys, arguments)
  local reply, message, code = self:fcall(name, keys, arguments)
  if reply == nil then return nil, message, code end
  if reply == 1 then return true elseif reply == 0 then return false end
  return self:corrupt(self.prefix .. "*", ("the function %s sent no answer"):format(name))
end

--- Calls a function that answers with a word, and maybe with a position.
-- @treturn string the word
-- @treturn table|nil the position
function Calls:ask(name, keys, arguments)
  local reply, message, code = self:fcall(name, keys, arguments)
  if reply == nil then return nil, message, code end
  local word, position = wire.answer(reply)
  if not word then
    return self:corrupt(self.prefix .. "*", ("the function %s sent no answer"):format(name))
  end
  return word, position
end

--- Reads the entries of a stream.
-- @tparam string key
-- @tparam string after an id
-- @tparam integer count the most
-- @tparam number seconds to wait for one
-- @treturn table a list of { id, { field = text } }
function Calls:read_stream(key, after, count, seconds)
  local reply, message, code
  if seconds > 0 then
    reply, message, code = self.connection:block(seconds, "XREAD", "COUNT", count,
      "BLOCK", math.ceil(seconds * 1000), "STREAMS", key, after)
  else
    reply, message, code = self.connection:call("XREAD", "COUNT", count, "STREAMS", key, after)
  end
  if reply == nil then return self:refused(key, message, code) end
  local entries = wire.stream(reply, key)
  if not entries then return self:corrupt(key, "no entries of a stream") end
  return entries
end

return Calls

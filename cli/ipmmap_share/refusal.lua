--- What a server's refusal means: the codes of its error replies.
local refusal = {}

-- The first word of an error reply: the library's code, and what to say before the server's text.
local KNOWN = {
  OOM = { "no_space", "the server's memory is full" },
  NOPERM = { "permission", "the server does not allow this user to" },
  NOAUTH = { "permission", "the server wants a password" },
  WRONGPASS = { "permission", "the server refused the user or the password" },
  WRONGTYPE = { "corrupt", "a key is another program's" },
  CORRUPT = { "corrupt", "what is stored is damaged" },
  EVICTS = { "system", "the server may forget a lease" },
  READONLY = { "system", "the server is a read-only replica of another server" },
  MASTERDOWN = { "system", "the server has lost the server that it is a replica of" },
  NOREPLICAS = { "system", "the server takes no writes as it has too few replicas" },
  MISCONF = { "system", "the server takes no writes as it could not save its data" },
  LOADING = { "system", "the server is still loading its data" },
  BUSY = { "system", "the server is busy with a script" },
  MOVED = { "system", "another server of the cluster has this segment" },
  ASK = { "system", "another server of the cluster has this segment" },
  TRYAGAIN = { "system", "the cluster is moving this segment" },
  CLUSTERDOWN = { "system", "the cluster is down" },
}

-- Errors of Redis without a word of their own.
local PHRASES = {
  ["The user executing the script can't"] = KNOWN.NOPERM, -- Redis 7
  ["ACL failure in script"] = KNOWN.NOPERM,               -- Redis 8
  ["unknown command"] = { "system", "the server is older than Redis 7.0" },
}

local function find(text)
  local known = KNOWN[text:match("^%u+")]
  if known then return known end
  for phrase, meaning in pairs(PHRASES) do
    if text:find(phrase, 1, true) then return meaning end
  end
  return { "system", "the server refused a call" }
end

--- The message and the code of an error reply.
-- @tparam string where what the message begins with: the server's name, and a key's if there is one
-- @tparam string text the server's
-- @return nil
-- @treturn string message
-- @treturn string code: `no_space`, `permission`, `corrupt` or `system`
function refusal.explain(where, text)
  local meaning = find(text)
  return nil, ("%s: %s: %s"):format(where, meaning[2], text), meaning[1]
end

return refusal

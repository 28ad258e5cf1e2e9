local refusal = require "ipmmap_share.refusal"

-- Error replies of Redis 7, and of server.lua.
local REPLIES <const> = {
  no_space = { "OOM command not allowed when used memory > 'maxmemory'." },
  permission = {
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM this user has no permissions to run the 'xadd' command",
    "NOPERM this user has no permissions to access one of the keys used as arguments",
    "ERR The user executing the script can't run this command or subcommand script: ipmmap1_commit, on "
      .. "@user_function:44.",
    "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
    "ERR ACL failure in script: User home has no permissions to run the 'get' command",
  },
  corrupt = {
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "CORRUPT ipm:{Game_left}:meta has a malformed epoch",
  },
  system = {
    "READONLY You can't write against a read only replica.",
    "NOREPLICAS Not enough good replicas to write.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "MOVED 3999 127.0.0.1:6381",
    "CLUSTERDOWN The cluster is down",
    "EVICTS the server removes keys when its memory is full (maxmemory-policy allkeys-lru)",
    "ERR unknown command 'FCALL', with args beginning with: 'ipmmap1_renew' '1' ",
    "ERR something new", "", "nonsense",
  },
}

describe("a server's refusal", function()
  for code, replies in pairs(REPLIES) do
    for _, reply in ipairs(replies) do
      it(("is %s, with the server's words: '%s'"):format(code, reply:sub(1, 40)), function()
        local none, message, got = refusal.explain("redis://here: ipm:{Game_left}:log", reply)
        assert.is_nil(none)
        assert.equal(code, got)
        assert.equal("redis://here: ipm:{Game_left}:log: ", message:sub(1, 35))
        assert.equal(reply, message:sub(-#reply - 1):sub(2))
      end)
    end
  end

  it("of an old server says which one is needed", function()
    local _, message = refusal.explain("redis://here", "ERR unknown command 'FCALL', with args beginning with: ")
    assert.matches("older than Redis 7.0", message)
  end)
end)

local fails = require "spec.helper.fails"
local patch = require "ipmmap_share.patch"
local store = require "ipmmap_share.store"

local SEED <const> = 20261130
local ID <const> = ("a"):rep(32)
local RUN_ID <const> = ("b"):rep(40)
local WHERE <const> = { epoch = 5, version = 7 }
local LEASE <const> = { token = 1, epoch = 5 }

-- What a server may have sent that was damaged, or is hostile: parts of real replies in any shape.
local WORDS <const> = {
  "", "x", "0", "1", "-1", "5-7", "5-8", "6-0", "05-7", "5-", "5", "granted", "grace", "held", "ok", "behind", "again",
  "taken", "applied", "refused", "r", "v", "m", "p", "t", "d", "id", "expires", "server", "base", "expect",
  "0000000000000001 5 me", "9007199254740992", "9223372036854775808", "99999999999999999999999", "run_id:" .. RUN_ID,
  "ipm:{A_x}:log", "ipm:{A_x}:edits", "ipm:{A_x}:replies:" .. ID, ID, RUN_ID, ("9"):rep(1000), "1e3", "nan", "\0", "\n",
}

local function any(depth)
  local kind = math.random(depth > 4 and 3 or 6)
  if kind == 1 then return WORDS[math.random(#WORDS)] end
  if kind == 2 then return math.random(4) == 1 and math.random(0) or math.random(-3, 3) end
  if kind == 3 then return math.random(4) > 1 and WORDS[math.random(#WORDS)] end
  local list = {}
  for i = 1, math.random(0, 8) do list[i] = any(depth + 1) end
  return list
end

-- A reply that is right but for a few places.
local function damaged(reply)
  if type(reply) ~= "table" or math.random(8) == 1 then return math.random(3) == 1 and any(2) or reply end
  local list = {}
  for i, element in ipairs(reply) do list[i] = damaged(element) end
  local change = math.random(12)
  if change == 1 then list[#list] = nil elseif change == 2 then list[#list + 1] = any(2) end
  return list
end

local function stream(key, id, ...)
  return { { "ipm:{A_x}:" .. key, { { id, { ... } } } } }
end

local function is_position(it)
  return math.type(it.epoch) == "integer" and math.type(it.version) == "integer" and it.epoch >= 0
    and it.version >= 0 and it.epoch < 2 ^ 53 and it.version < 2 ^ 53
end

-- Each method: a right reply, a call, and whether what it returned is what it promises.
local METHODS <const> = {
  acquire = {
    { "held", "0000000000000001 5 me", 100 },
    function(opened) return opened:acquire { token = 1, machine = "m", ttl = 1, min_epoch = 0 } end,
    function(word, second)
      return word == "granted" and math.type(second) == "integer" or word == "grace" and type(second) == "number"
        or word == "held" and second.machine and second.epoch and second.seconds >= 0
    end,
  },
  renew = { 1, function(opened) return opened:renew(LEASE, 1) end, function(is) return type(is) == "boolean" end },
  holder = {
    "0000000000000001 5 me", function(opened) return opened:holder() end,
    function(holder) return holder == false or holder.machine ~= "" and holder.epoch > 0 end,
  },
  commit = {
    { "behind", "5", "7" },
    function(opened) return opened:commit(LEASE, WHERE, { { version = 8, time = 1, patch = "" } }) end,
    function(word, where)
      return ("again behind gone lost ok taken"):find(word, 1, true) and (where == nil or is_position(where))
    end,
  },
  meta = {
    { "5", "7", "16", "1", "0" }, function(opened) return opened:meta() end,
    function(meta)
      return meta == false or is_position(meta) and meta.size > 0 and meta.size <= store.LARGEST_STRUCT
    end,
  },
  schema = {
    "struct", function(opened) return opened:schema() end,
    function(text) return text == false or type(text) == "string" end,
  },
  state = {
    "0123456789abcdef",
    function(opened)
      return opened:state(16, function(piece) assert(type(piece) == "string" and #piece == 16) end)
    end,
    function(whole) return type(whole) == "boolean" end,
  },
  entries = {
    stream("log", "5-8", "p", "5-7", "t", "1", "d", "\0\0\0\0\0\0\0\0\1\0\0\0x"),
    function(opened) return opened:entries(WHERE, 0) end,
    function(entries)
      local last = WHERE
      for _, entry in ipairs(entries) do
        if not is_position(entry) or entry.epoch < last.epoch
           or entry.epoch == last.epoch and entry.version <= last.version or entry.time < 0
           or entry.patch and not is_position(entry.before) then
          return false
        end
        if entry.patch then patch.unpack(entry.patch, 16) end
        last = entry
      end
      return true
    end,
  },
  edits = {
    stream("edits", "5-8", "id", ID, "expires", "9", "server", RUN_ID, "base", "5-7", "expect", "", "d", ""),
    function(opened) return opened:edits("0", 1) end,
    function(edits)
      for _, edit in ipairs(edits) do
        if not edit.at:find("^%d+%-%d+$") then return false end
        if not edit.problem and not (#edit.id == 32 and edit.expires >= 0 and is_position(edit.base)
                                     and edit.expect and edit.patch and #edit.server == 40) then
          return false
        end
      end
      return true
    end,
  },
  replies = {
    stream("replies:" .. ID, "5-8", "r", "applied", "v", "5-7"),
    function(opened) return opened:replies(ID, "0", 1) end,
    function(replies)
      for _, reply in ipairs(replies) do
        if not (reply.result == "taken" or reply.result == "refused" and reply.message
                or is_position(reply.position)) then
          return false
        end
      end
      return true
    end,
  },
  server = { "run_id:" .. RUN_ID, function(opened) return opened:server() end, function(id) return #id == 40 end },
  time = { { "12", "34567" }, function(opened) return opened:time() end, function(ms) return ms >= 0 end },
}

describe("what a server sends", function()
  setup(function() math.randomseed(SEED) end)

  local reply
  local function answer() return reply end
  local connection = {
    name = "redis://nowhere", call = answer, block = answer, pipeline = function() return { reply } end,
  }

  it("is refused if the log's entries are not in order", function()
    local opened = store.on(connection, "A_x")
    for _, case in ipairs {
      { "5-8", "5-8" }, { "5-9", "5-8" }, { "6-0", "5-9" }, { "5-7" }, { "5-6" }, { "4-9" }, { "5-8", "6-0", "5-9" },
    } do
      local list = {}
      for i, id in ipairs(case) do list[i] = { id, { "t", "1" } } end
      reply = { { opened.keys.log, list } }
      assert.matches("out of order", (fails("corrupt", opened:entries(WHERE, 0))))
    end
    reply = { { opened.keys.log, { { "5-8", { "t", "1" } }, { "6-0", { "t", "1" } } } } }
    assert.equal(2, #opened:entries(WHERE, 0))
  end)

  it("is refused if it is about another stream", function()
    local opened = store.on(connection, "A_x")
    reply = stream("log", "5-8", "t", "1")
    fails("corrupt", opened:edits("0", 0))
    reply[2] = stream("edits", "5-8")[1]
    fails("corrupt", opened:entries(WHERE, 0))
  end)

  for name, method in pairs(METHODS) do
    it("is checked: " .. name, function()
      local opened = store.on(connection, "A_x")
      local refused, accepted = 0, 0
      for i = 1, 2000 do
        reply = i == 1 and method[1] or i % 2 == 0 and any(1) or damaged(method[1])
        local first, second, third = method[2](opened)
        if first == nil then
          refused = refused + 1
          assert.equal("corrupt", third)
          assert.is_string(second)
        else
          accepted = accepted + 1
          assert.is_true(method[3](first, second) and true)
        end
      end
      assert.is_true(accepted > 0 and refused > 0)
    end)
  end
end)

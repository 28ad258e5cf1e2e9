--- The struct that the tests of several machines share, and how each of its commits is made.
--
-- Each commit of an editor is one link of a chain: it holds a number that depends on the commit
-- before it. So a state tells of every commit that it stands on. Many fields hold the same number;
-- if two of them disagree, the state was mixed from two commits.
local ipmmap = require "ipmmap"

local struct = {}

struct.COPIES = 120
struct.REMOTES = 4 -- programs on other machines that send edits
struct.LETTERS = 4000 -- edits that one of them sends at most

local MIX <const> = 0x9E3779B97F4A7C15

ipmmap.struct("MachinesSlot", {
  { "letter", "uint32" }, { "again", "uint32" }, { "text", "char[24]" },
})

struct.S = ipmmap.base:extend("Machines", {
  { "turn", "uint64" }, { "chain", "uint64" }, { "parent", "uint64" },
  { "machine", "uint32" }, { "editor", "uint32" },
  { "odd", "bool" }, { "text", "char[40]" },
  { "copies", "uint64[" .. struct.COPIES .. "]" },
  { "total", "uint64" }, { "sum", "uint64" },
  { "slots", "MachinesSlot[" .. struct.REMOTES .. "]" },
  { "added", "int64[" .. struct.REMOTES .. "]" },
  { "received", ("uint8[%d][%d]"):format(struct.REMOTES, struct.LETTERS) },
})

local function mix(a, b)
  local hash = (a ~ b) * MIX
  return hash ~ (hash >> 29)
end

--- The chain's next number: never 0, which is the number before the first commit.
function struct.link(parent, machine, editor, number)
  local link = mix(mix(parent, machine << 48 | editor << 40 | number), MIX)
  return link == 0 and 1 or link
end

--- What an edit from another machine stores in its slot.
function struct.slot(remote, letter)
  return {
    letter = letter, again = ~letter & 0xffffffff, text = ("%d:%d"):format(remote, letter),
  }
end

local function text_of(turn, chain)
  return ("%016x"):format(chain):rep(2):sub(1, turn % 32 + 1)
end

local function sum_of(view)
  return mix(mix(view.chain, view.turn), view.total)
end

-- Takes the letters out of the slots, and counts each. A letter that comes twice is counted twice.
local function receive(view)
  for remote = 1, struct.REMOTES do
    local slot = view.slots[remote]
    if slot.letter ~= 0 then
      local counts = view.received[remote]
      counts[slot.letter] = counts[slot.letter] + 1
      view.total = view.total + 1
      slot.letter, slot.again, slot.text = 0, 0, ""
    end
  end
end

--- Makes the changes of one commit in a locked view.
-- @treturn table turn, chain, parent
function struct.step(view, machine, editor, number)
  local parent, turn = view.chain, view.turn + 1
  local chain = struct.link(parent, machine, editor, number)
  view.turn, view.chain, view.parent = turn, chain, parent
  view.machine, view.editor = machine, editor
  view.odd, view.text = turn & 1 == 1, text_of(turn, chain)
  local copies = view.copies
  for i = 1, struct.COPIES do copies[i] = chain end
  receive(view)
  view.sum = sum_of(view)
  return { turn = turn, chain = chain, parent = parent }
end

local function is_slot_whole(slot, remote)
  if slot.letter == 0 then return slot.again == 0 and slot.text == "" end
  return slot.again == ~slot.letter & 0xffffffff
    and slot.text == ("%d:%d"):format(remote, slot.letter)
end

--- Whether all fields are of one commit.
-- @return nil, or what disagrees
function struct.disagreement(view)
  local chain, turn = view.chain, view.turn
  for remote = 1, struct.REMOTES do
    if not is_slot_whole(view.slots[remote], remote) then return "slots[" .. remote .. "]" end
  end
  if turn == 0 then return chain ~= 0 and "chain" or nil end
  local copies = view.copies
  for i = 1, struct.COPIES do
    if copies[i] ~= chain then return "copies[" .. i .. "]" end
  end
  if view.odd ~= (turn & 1 == 1) then return "odd" end
  if view.text ~= text_of(turn, chain) then return "text" end
  if view.sum ~= sum_of(view) then return "sum" end
  return nil
end

return struct

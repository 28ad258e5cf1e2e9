-- usage: lua5.4 spec/stress/machines/observer.lua DIR MACHINE OBSERVER DIARY
--
-- Follows every commit of a machine's segment, and looks whether all its fields are of one commit.
local ipmmap = require "ipmmap"
local struct = require "spec.stress.machines.struct"
local diary = require "spec.stress.machines.diary"

local dir, machine, observer = arg[1], math.tointeger(arg[2]), arg[3]
local out = diary.open(arg[4])

local function look(value, version, missed)
  local what = struct.disagreement(value)
  if what then out:write("torn", { machine = machine, version = version, what = what }) end
  out:write("saw", {
    machine = machine, observer = observer, version = version, missed = missed,
    turn = value.turn, chain = value.chain, at = math.floor(ipmmap.boottime() * 1e9),
  })
end

local reader
repeat
  reader = ipmmap.reader(struct.S, { mmap_dir = dir, wait = 60 })
until reader
local feed = reader:feed()
while true do
  local value, version, missed = feed:next(1)
  if value then
    look(value, version, missed)
  elseif missed ~= "timeout" then
    out:write("problem", { machine = machine, who = "observer", code = missed, message = version })
    ipmmap.sleep(0.1)
  end
end

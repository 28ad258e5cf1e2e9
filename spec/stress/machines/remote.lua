-- usage: lua5.4 spec/stress/machines/remote.lua DIR URL MACHINE REMOTE DIARY PAUSE
--
-- A program on a machine that is not the home: sends letters, each once, and adds to a sum. It
-- sends the next letter when its replica shows that an editor has taken the one before.
local ipmmap = require "ipmmap"
local struct = require "spec.stress.machines.struct"
local diary = require "spec.stress.machines.diary"

local dir, url, machine, remote = arg[1], arg[2], math.tointeger(arg[3]), math.tointeger(arg[4])
local path, pause = arg[5], tonumber(arg[6])
local TIMEOUT <const> = 3 -- seconds that an edit may take
local out = diary.open(path)
local file = dir .. "/" .. struct.S.name .. "_.mmap"

-- A letter that was begun before this process, which was killed then, is not sent again.
local letter = 0
for _, event in ipairs(diary.read(path)) do
  if event.kind == "sending" then letter = math.max(letter, event.letter) end
end

local reader
repeat
  reader = ipmmap.reader(struct.S, { mmap_dir = dir, wait = 60 })
until reader

-- Failures that come with the troubles here. A server that came back empty does not have the
-- segment until its home has sent it again: `not_found`.
local AWAY <const> = { system = true, timeout = true, not_found = true }

local connection
local function connect()
  while not connection do
    local message, code
    connection, message, code = ipmmap.remote(file, url, { timeout = TIMEOUT, insecure = true })
    if not connection then
      if not AWAY[code] then
        out:write("problem", { machine = machine, who = "remote", code = code, message = message })
      end
      ipmmap.sleep(0.2)
    end
  end
  return connection
end

-- What an edit's result is called in the diary.
local KNOWN <const> = {
  timeout = 1, refused = 1, conflict = 1, unknown = 1, system = 1, not_found = 1,
}
local function result_of(done, message, code)
  if done then return "applied" end
  if not KNOWN[code] then
    out:write("problem", { machine = machine, who = "remote", code = code, message = message })
  end
  return code
end

local function has_letter()
  local value = reader:snapshot()
  return value.slots[remote].letter == letter or value.received[remote][letter] > 0
end

-- Waits until this replica has the letter, which was applied with a version. It certainly has it in
-- that version, unless the replica joined again and counts its versions anew.
local function await_letter(version)
  local before = reader:share()
  if version > 0 and reader:wait(version - 1, TIMEOUT) and not has_letter() then
    local after = reader:share()
    if after.epoch == before.epoch and after.ahead == before.ahead and not has_letter() then
      out:write("problem", { machine = machine, who = "remote", code = "lost",
        message = ("letter %d is not in version %d"):format(letter, version) })
    end
  end
  while not has_letter() do reader:wait(reader:version(), TIMEOUT) end
end

local function send_letter()
  if reader:read(("slots[%d].letter"):format(remote)) ~= 0 then return end
  letter = letter + 1
  if letter > struct.LETTERS then return end
  out:write("sending", { remote = remote, letter = letter })
  local done, message, code =
    connect():write(("slots[%d]"):format(remote), struct.slot(remote, letter))
  out:write("answer", { remote = remote, letter = letter, result = result_of(done, message, code) })
  if done then await_letter(done) end
end

local function add()
  out:write("adding", { remote = remote })
  local done, message, code = connect():add(("added[%d]"):format(remote), 1)
  out:write("sum", { remote = remote, result = result_of(done, message, code) })
end

while true do
  send_letter()
  if math.random(3) == 1 then add() end
  ipmmap.sleep(pause * 2 * math.random())
end

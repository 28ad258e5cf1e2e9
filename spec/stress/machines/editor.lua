-- usage: lua5.4 spec/stress/machines/editor.lua DIR MACHINE EDITOR DIARY PAUSE
--
-- An editor of the tests of several machines: commits for ever, wherever its machine is the home,
-- with pauses of PAUSE seconds on average. It stays in its block when the deadline comes near, so
-- that the deadline finds it there. Where it may not write it tries again.
local ipmmap = require "ipmmap"
local struct = require "spec.stress.machines.struct"
local diary = require "spec.stress.machines.diary"

local dir, machine, editor, path, pause = arg[1], math.tointeger(arg[2]), math.tointeger(arg[3]),
  arg[4], tonumber(arg[5])
local PATIENCE <const> = 5 -- seconds for the lock
local NEAR <const> = 0.25 -- seconds before the deadline

math.randomseed(os.time(), machine * 100 + editor)
local out = diary.open(path)
local number = math.random(1 << 39) -- this process's commits are told apart from an earlier one's

local function now() return math.floor(ipmmap.boottime() * 1e9) end

-- Stays in the block until the deadline has passed, if that is near and nobody moves it.
local function stay(handle)
  while true do
    local share = handle:share()
    local left = share.deadline and share.deadline - ipmmap.boottime()
    if share.place ~= "home" or not left or left > NEAR or left < -NEAR then return end
    ipmmap.sleep(0.01)
  end
end

local made

local function block(view, handle)
  local locked, epoch = now(), handle:share().epoch
  number = number + 1
  made = struct.step(view, machine, editor, number)
  if math.random(20) == 1 then ipmmap.sleep(math.random() * 0.01) end
  if math.random(50) == 1 then error("a rollback", 0) end
  stay(handle)
  made.machine, made.editor, made.epoch, made.locked, made.leaving =
    machine, editor, epoch, locked, now()
  out:write("intent", made)
  made.is_told = true
  return true
end

local refused

-- One commit. Returns whether it was made.
local function commit(handle)
  made = nil
  local ok, done, message, code = pcall(handle.try_with, handle, PATIENCE, block, handle)
  if not ok then done, message, code = nil, done, type(done) == "table" and done.code end
  local is_told = made and made.is_told
  if done then
    -- The version may be a later commit's; then it is the version of no other commit of this one.
    out:write("done", { chain = made.chain, version = handle:version(), at = now() })
    refused = nil
    return true
  elseif is_told then
    out:write("undone", { chain = made.chain, code = code or "error", at = now() })
  end
  if code == "not_home" then
    if not refused then out:write("refused", { machine = machine, at = now() }) end
    refused = true
  elseif message ~= "a rollback" then
    out:write("problem", { machine = machine, who = "editor", code = code or "raised",
      message = tostring(message) })
  end
  return false
end

local handle
repeat
  handle = ipmmap.editor(struct.S, { mmap_dir = dir, wait = 60, follow = true })
until handle
while true do
  if commit(handle) or not refused then
    if pause > 0 then ipmmap.sleep(pause * 2 * math.random()) end
  else
    ipmmap.sleep(0.02)
  end
end

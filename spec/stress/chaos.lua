-- usage: lua5.4 spec/stress/chaos.lua NUMBER DIR SEED
--
-- A worker of the chaos test in Lua. It does the same as chaos_worker.c, with the Lua module. It
-- prints lines with the name of a count and how much the count has grown; see chaos_crew.c.

local ipmmap = require "ipmmap"

local WORDS <const> = 500
local EDITORS <const> = 2
local PATIENCE <const> = 4 -- seconds; a worker that waits longer is stuck
local FACTOR <const> = 0x9E3779B97F4A7C15

local number, dir, seed = math.tointeger(arg[1]), arg[2], math.tointeger(arg[3])
math.randomseed(seed)
io.stdout:setvbuf("line")

local Stressed <const> = ipmmap.base:extend("Stressed", { { "words", "uint64[" .. WORDS .. "]" } })
local where <const> = { mmap_dir = dir }

local function report(what, count)
  print(what, count)
end

local counts = {}

-- Most counts are reported by the hundred, because each line is a system call.
local function count(what, most)
  counts[what] = (counts[what] or 0) + 1
  if counts[what] >= (most or 100) then
    report(what, counts[what])
    counts[what] = 0
  end
end

local longest = 0

local function take(handle)
  local start = ipmmap.now()
  local view, message, code = handle:try_lock(PATIENCE)
  local waited = ipmmap.now() - start
  if waited > longest then
    longest = waited
    report("longest_us", math.tointeger(waited * 1e6 // 1))
  end
  if code == "timeout" then
    report("stuck", 1)
  elseif not view and code ~= "replaced" then
    io.stderr:write("# ", message, "\n")
    report("wrong", 1)
  end
  return view
end

-- Like stress_is_intact in stress.c, for a view or a value.
local function is_intact(struct, version)
  local bytes = ipmmap.bytes(struct)
  local zero = string.unpack("<i8", bytes, 17) == 0
  for i = 0, WORDS - 1 do
    local expected = zero and 0 or (version << 20 | (i + 1)) * FACTOR
    if string.unpack("<i8", bytes, 17 + i * 8) ~= expected then return false end
  end
  return true
end

local function look(struct, version)
  if not is_intact(struct, version) then report("torn", 1) end
end

local turns = {}

function turns.edit(editor)
  local view = take(editor)
  if not view then return false end
  local version = editor:version()
  look(view, version)
  for i = 1, WORDS do
    view.words[i] = (version + 1 << 20 | i) * FACTOR
    if math.random(2 * WORDS) == 1 then ipmmap.sleep(0.001) end
  end
  if math.random(10) == 1 then
    editor:rollback()
  else
    editor:unlock()
    count("commits", 10)
  end
  return true
end

function turns.read_locked(reader)
  local view = take(reader)
  if not view then return false end
  local version = reader:version()
  look(view, version)
  count("locked_reads")
  reader:unlock()
  return true
end

local copy

function turns.read_snapshot(reader)
  local before = reader:version()
  copy = reader:snapshot(copy)
  if reader:version() == before then look(copy, before) end
  count("snapshots")
  return true
end

function turns.await(reader)
  local version = reader:version()
  local now, _, code = reader:wait(version, 0.02)
  if now and now <= version then report("wrong", 1) end
  if now then count("awaited") end
  return now or code == "timeout"
end

local function use(role, turn)
  while true do
    local handle, message, code = ipmmap[role](Stressed, where)
    if handle then
      -- A turn raises only if the segment was replaced: then this handle is closed.
      repeat local good, again = pcall(turn, handle) until not (good and again)
      handle:close()
    elseif code ~= "not_found" and code ~= "replaced" then
      io.stderr:write("# ", message, "\n")
      report("wrong", 1)
    else
      ipmmap.sleep(0.001)
    end
  end
end

local function manage()
  while true do
    local options = { mmap_dir = dir, create = true, force = math.random(2) == 1 }
    local manager, message, code = ipmmap.manager(Stressed, options)
    if manager then
      count("resets", 1)
      if math.random(20) == 1 then
        pcall(manager.destroy, manager)
        count("destructions", 1)
      end
      manager:close()
    elseif code ~= "replaced" then
      io.stderr:write("# ", message, "\n")
      report("wrong", 1)
    end
    ipmmap.sleep(math.random() * 0.02)
  end
end

local others <const> = { "read_locked", "read_locked", "read_snapshot", "await" }

if number < EDITORS then
  use("editor", turns.edit)
elseif number < EDITORS + #others then
  use("reader", turns[others[number - EDITORS + 1]])
else
  manage()
end

-- usage: lua5.4 spec/stress/chaos.lua NUMBER DIR SEED, or with luajit
--
-- A worker of the chaos test in Lua or LuaJIT. It does the same as chaos_worker.c, with the Lua
-- module. It prints lines with the name of a count and how much the count has grown; see
-- chaos_crew.c.

local ipmmap = require "ipmmap"

local WORDS = 500
local EDITORS = 2
local PATIENCE = 4 -- seconds; a worker that waits longer is stuck

local number, dir, seed = tonumber(arg[1]), arg[2], tonumber(arg[3])
math.randomseed(seed)
io.stdout:setvbuf("line")

local Stressed = ipmmap.base:extend("Stressed", { { "words", "uint64[" .. WORDS .. "]" } })
local where = { mmap_dir = dir }

-- stress_word of stress.c. Neither of the two compiles the other one's integers of 64 bits.
local word_at = assert(load(rawget(_G, "jit") and [[
  return function(version, i) return (version * 0x100000ULL + i) * 0x9E3779B97F4A7C15ULL end
]] or [[
  return function(version, i) return (version << 20 | i) * 0x9E3779B97F4A7C15 end
]]))()

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

local function enter(view, start, fn, handle)
  local waited = ipmmap.now() - start
  if waited > longest then
    longest = waited
    report("longest_us", math.floor(waited * 1e6))
  end
  return fn(view, handle)
end

-- Calls fn(view, handle) under the lock. Returns whether it could be had.
local function take(handle, fn)
  local done, message, code = handle:try_with(PATIENCE, enter, ipmmap.now(), fn, handle)
  if code == "timeout" then
    report("stuck", 1)
  elseif not done and code ~= "replaced" then
    io.stderr:write("# ", message, "\n")
    report("wrong", 1)
  end
  return done
end

-- Like stress_is_intact in stress.c, for a view or a value.
local function is_intact(struct, version)
  local words = struct.words
  local zero = words[1] == 0
  for i = 1, WORDS do
    if words[i] ~= (zero and 0 or word_at(version, i)) then return false end
  end
  return true
end

local function look(struct, version)
  if not is_intact(struct, version) then report("torn", 1) end
end

local turns = {}

local function write(view, editor)
  local version = editor:version()
  local words = view.words
  look(view, version)
  for i = 1, WORDS do
    words[i] = word_at(version + 1, i)
    if math.random(2 * WORDS) == 1 then ipmmap.sleep(0.001) end
  end
  if math.random(10) == 1 then
    editor:rollback()
    return "rolled back"
  end
  return "committed"
end

function turns.edit(editor)
  local how = take(editor, write)
  if how == "committed" then count("commits", 10) end
  return how
end

local function check(view, reader)
  look(view, reader:version())
  count("locked_reads")
  return true
end

function turns.read_locked(reader)
  return take(reader, check)
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
      local good, again
      repeat
        good, again = pcall(turn, handle)
      until not (good and again)
      if not good and not (type(again) == "table" and again.code == "replaced") then
        io.stderr:write("# ", tostring(again), "\n")
        report("wrong", 1)
      end
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

local others = { "read_locked", "read_locked", "read_snapshot", "await" }

if number < EDITORS then
  use("editor", turns.edit)
elseif number < EDITORS + #others then
  use("reader", turns[others[number - EDITORS + 1]])
else
  manage()
end

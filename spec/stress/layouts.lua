-- usage: lua5.4 spec/stress/layouts.lua [ROUNDS] [SEED]
--
-- A manager changes the layout of a segment again and again, and is killed at random moments. Three
-- editors and five readers know only the first layout. They have opened the segment once, with
-- `follow` and layout = "compatible", and use it all the time; none of them may fail. With
-- `migrate` no update may be lost. Prints TAP.

local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local ROUNDS <const> = math.tointeger(arg[1]) or 10
local SEED <const> = math.tointeger(arg[2]) or os.time()
local EDITORS <const>, READERS <const> = 3, 5

math.randomseed(SEED)
print("# seed " .. SEED)

-- Each layout has the fields of the first one; they gain and lose others, widen one, and move.
local KNOWN <const> = {
  "counts: int64[3]", "twins: int64[3]", "at: LayoutsPoint", "text: char[16]",
}
local OTHERS <const> = {
  {}, { "extra: int64" }, { "small: int16" }, { "small: int32" },
  { "small: int64", "more: double[30]" },
}

local function layout(round)
  local fields = {}
  for _, field in ipairs(KNOWN) do table.insert(fields, math.random(#fields + 1), field) end
  for _, field in ipairs(OTHERS[round % #OTHERS + 1]) do
    table.insert(fields, math.random(#fields + 1), field)
  end
  return tostring(ipmmap.base) .. "struct LayoutsPoint { x: double; y: double }\n"
    .. "struct Layouts : BaseMmapStructure {\n  " .. table.concat(fields, "\n  ") .. "\n}\n"
end

-- Opens once, and works until it is told to stop. What it counts is in its last line.
local WORKER <const> = [[
  local role, number, dir, first = ...
  local ipmmap = require "ipmmap"
  local posix = require "spec.helper.posix"
  number = math.tointeger(number)
  local S = assert(ipmmap.parse(first))
  local handle = assert(ipmmap[role](S,
    { mmap_dir = dir, layout = "compatible", follow = true, wait = 60 }))
  local value, turns, layouts, size = S:new(), 0, 0, handle:info().size

  local function check(v)
    for i = 1, 3 do assert(v.counts[i] == v.twins[i], "torn") end
  end

  local turn = {}
  function turn.editor()
    if turns % 3 == 0 then
      handle:with(function(view)
        view.counts[number] = view.counts[number] + 1
        view.twins[number] = view.twins[number] + 1
        check(view)
        view.at.x = turns
      end)
    elseif turns % 3 == 1 then
      local view <close> = handle:lock()
      view.counts[number] = view.counts[number] + 1
      view.twins[number] = view.twins[number] + 1
      view.text = "turn " .. turns
    else
      handle:write("text", "turn " .. turns)
      return 0
    end
    return 1
  end

  function turn.reader()
    check(handle:snapshot(value))
    check(handle:snapshot())
    handle:read "text"
    local view <close> = handle:lock()
    check(view)
    return 1
  end

  if role == "reader" and number > 3 then
    local read, version = turn.reader, 0
    function turn.reader()
      local new, message, code = handle:wait(version, 0.05)
      assert(new or code == "timeout", message)
      version = new or version
      return read()
    end
  end

  -- A manager may have died in the middle of a replacement: then there is no segment for a while.
  local function go_on(failure)
    return type(failure) == "table" and failure.code == "replaced"
  end

  print "works"
  local done = 0
  while not posix.poll(0, 0) do
    local ok, result = pcall(turn[role])
    if not ok and not go_on(result) then error(result, 0) end
    done = done + (ok and result or 0)
    turns = turns + 1
    local now = handle:info().size
    layouts = layouts + (now == size and 0 or 1)
    size = now
  end
  print(("%d %d"):format(done, layouts))
]]

local MANAGER <const> = [[
  local dir, text, option = ...
  local ipmmap = require "ipmmap"
  print "begins"
  local manager, message, code = ipmmap.manager(assert(ipmmap.parse(text)),
    { mmap_dir = dir, create = true, [option] = option == "migrate" and "lossy" or true })
  print(manager and "opened" or ("%s: %s"):format(code, message))
]]

-- Force gives up the values, migrate keeps them.
local has_migrate = not tostring(select(2, pcall(ipmmap.manager, ipmmap.base, { migrate = 5 })))
  :find("no option", 1, true)
local OPTION <const> = has_migrate and "migrate" or "force"

local dir = tmpdir()
local first = layout(0)
local kills, changes = 0, 0
local wrong = {}

local function manage(text, is_to_die)
  local child = process.spawn(MANAGER, dir, text, OPTION)
  child:expect "begins"
  if is_to_die then
    ipmmap.sleep(math.random() * 0.003)
    child:kill()
    kills = kills + 1
  else
    local line = child:line()
    if line ~= "opened" then wrong[#wrong + 1] = "the manager: " .. tostring(line) end
    changes = changes + 1
  end
  child:wait()
end

manage(first)
local workers = {}
for number = 1, EDITORS do
  workers[#workers + 1] = { "editor", process.spawn(WORKER, "editor", number, dir, first) }
end
for number = 1, READERS do
  workers[#workers + 1] = { "reader", process.spawn(WORKER, "reader", number, dir, first) }
end
for _, worker in ipairs(workers) do worker[2]:expect "works" end

for round = 1, ROUNDS do
  local text = layout(round)
  for _ = 1, math.random(0, 3) do manage(text, true) end
  manage(text)
  ipmmap.sleep(0.02)
end

-- A last look that no manager disturbs.
local done = {}
for _, worker in ipairs(workers) do worker[2]:send "stop" end
for i, worker in ipairs(workers) do
  local line = worker[2]:line() or "nothing"
  local count, layouts = line:match "^(%d+) (%d+)$"
  done[i] = math.tointeger(count)
  if not count or layouts == "0" then
    wrong[#wrong + 1] = ("%s %d: %s"):format(worker[1], i, line)
  end
  worker[2]:wait()
end

local function report(number, is_good, what)
  print(("%s %d - %s"):format(is_good and "ok" or "not ok", number, what))
end

for _, what in ipairs(wrong) do print("# " .. what) end
report(1, #wrong == 0, "all processes go on while the layout changes")
local reader <close> = assert(ipmmap.reader(assert(ipmmap.parse(first)),
  { mmap_dir = dir, layout = "compatible" }))
local total, known = 0, true
for number = 1, EDITORS do
  total = total + (done[number] or 0)
  local count = reader:read(("counts[%d]"):format(number))
  known = known and count == reader:read(("twins[%d]"):format(number))
  if has_migrate and count ~= done[number] then
    print(("# editor %d made %s updates, and %d are there"):format(number, done[number], count))
    known = false
  end
end
report(2, known, has_migrate and "no update is lost" or "no update is torn")
print(("# %d layouts, %d managers killed, %d updates"):format(changes, kills, total))
print "1..2"
os.exit(#wrong == 0 and known, true)

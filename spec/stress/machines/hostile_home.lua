--- Hostile frames for a home: the test writes edits and other keys that no program would, beside a
-- real home. It takes nothing of it, and goes on.
local fake_home = require "spec.stress.machines.fake_home"
local frames = require "spec.stress.machines.frames"
local ipmmap = require "ipmmap"
local told = require "spec.stress.machines.told"
local world = require "spec.stress.machines.world"

local PATIENCE <const> = 20 -- seconds
local GOOD <const> = frames.run(frames.S:offsetof "turn", "\1")

local made = 0
local function new_id()
  made = made + 1
  return ("%032x"):format(made)
end

-- Sends an edit with other values, or false for none, for some fields.
local function send(home, other)
  local fields = {
    id = new_id(), expires = math.floor(ipmmap.now() * 1000) + 60000, server = home:server(),
    base = "1-1", expect = "", d = GOOD,
  }
  for name, value in pairs(other) do fields[name] = value end
  local list = {}
  for name, value in pairs(fields) do
    if value then list[#list + 1], list[#list + 2] = name, tostring(value) end
  end
  home:call("XADD", "edits", "*", table.unpack(list))
end

local MOST <const> = ("f"):rep(31)
local IDS <const> = { "", "x", MOST, MOST .. "ff", ("F"):rep(32), MOST .. "*", MOST .. "\n",
  "}:lease", ("f"):rep(100000) }

local function attacks()
  local list = {}
  local function add(name, fn) list[#list + 1] = { name, fn } end
  local function edit(name, other)
    add("an edit: " .. name, function(home) send(home, other) end)
  end
  for _, patch in ipairs(frames.patches) do
    edit(patch[1], { d = patch[2] })
    edit("expected: " .. patch[1], { expect = patch[2] })
  end
  edit("beyond a limit", { d = frames.run(frames.S:offsetof "level", "\11\0\0\0") })
  edit("of the header's time", { d = frames.run(8, ("\0"):rep(8)) })
  edit("of nothing", { d = "" })
  for _, id in ipairs(IDS) do edit("an id of " .. frames.show(id), { id = id }) end
  for _, text in ipairs(frames.numbers) do
    edit("an end of " .. frames.show(text), { expires = text })
  end
  for _, text in ipairs { "", "x", ("f"):rep(40) } do
    edit("another server: " .. frames.show(text), { server = text })
  end
  for _, name in ipairs { "id", "expires", "server", "base", "expect", "d" } do
    edit("without " .. name, { [name] = false })
  end
  add("an edit without anything", function(home) home:call("XADD", "edits", "*", "x", "y") end)
  return list
end

-- What disturbs the home itself. It may lose its lease; afterwards everything is removed.
local function disturbances()
  local list = {}
  local function add(name, fn) list[#list + 1] = { name, fn } end
  for _, key in ipairs { "lease", "epoch", "meta", "state", "log", "schema", "edits", "parts" } do
    add("no " .. key, function(home) home:call("DEL", key) end)
    add(key .. " of another type", function(home)
      home:call("DEL", key)
      home:call("SADD", key, "x")
    end)
  end
  for _, text in ipairs(frames.numbers) do
    for _, field in ipairs { "epoch", "version", "size", "log_bytes" } do
      add(("meta: %s of %s"):format(field, frames.show(text)), function(home)
        home:call("HSET", "meta", field, text)
      end)
    end
    add("epoch: " .. frames.show(text), function(home)
      home:call("HSET", "epoch", "epoch", text, "since", text)
      home:call("DEL", "lease")
    end)
    add("lease: " .. frames.show(text), function(home) home:call("SET", "lease", text) end)
  end
  add("the log: an entry far ahead", function(home)
    home:call("XADD", "log", "18446744073709551615-5", "x", "y")
  end)
  return list
end

local function share(it, home)
  local one = it.machines[1]
  one:create()
  one.editor = assert(ipmmap.editor(it.S, { mmap_dir = one.dir }))
  one:share()
  return it.wait_until(PATIENCE, function()
    return one.editor:share().place == "home" and home:call("EXISTS", "meta") == 1
  end)
end

local function check_alive(one, name, complaints)
  if one:is_running "share" then return end
  complaints[#complaints + 1] = ("%s ended the process: %s"):format(name,
    one:log("share"):sub(-300):gsub("\n", " | "))
  one:restart "share"
end

-- A good edit is applied after the hostile ones before it, so those were read.
local function is_good_edit_applied(it, home)
  local one = it.machines[1]
  local turn = one.editor:read "turn"
  send(home, { d = frames.run(frames.S:offsetof "turn", string.pack("<i8", turn + 1)) })
  return it.wait_until(PATIENCE, function() return one.editor:read "turn" == turn + 1 end)
end

local function attack(it, home, ends, verdict)
  local taken, stuck, dead, count = {}, {}, {}, 0
  local one = it.machines[1]
  for _, try in ipairs(told.shuffle(attacks())) do
    if ipmmap.boottime() > ends then break end
    local before = one:bytes()
    try[2](home)
    send(home, { expect = frames.run(0, "x") }) -- is a conflict: a fence without an effect
    it.wait_until(PATIENCE, function() return home:call("XLEN", "edits") == 0 end)
    if one:bytes() ~= before then taken[#taken + 1] = try[1] end
    check_alive(one, try[1], dead)
    if not is_good_edit_applied(it, home) then
      stuck[#stuck + 1] = "after " .. try[1]
      break
    end
    count = count + 1
  end
  verdict[#verdict + 1] = { "a home takes nothing of a hostile edit", taken }
  verdict[#verdict + 1] = { "it applies a good edit after it", stuck }
  verdict[#verdict + 1] = { "it lives", dead }
  return count
end

local function is_published(it, home)
  local one = it.machines[1]
  return it.wait_until(PATIENCE, function()
    return home:call("GET", "state") == one:bytes() and one.editor:share().place == "home"
  end)
end

local function disturb(it, home, ends, verdict)
  local stuck, dead, count = {}, {}, 0
  local one = it.machines[1]
  for _, try in ipairs(told.shuffle(disturbances())) do
    if ipmmap.boottime() > ends then break end
    try[2](home)
    one.editor:try_with(1, function(view) view.turn = view.turn + 1 return true end)
    ipmmap.sleep(it.lease / 2) -- it renews its lease meanwhile
    check_alive(one, try[1], dead)
    home:clear()
    one.editor:try_with(1, function(view) view.turn = view.turn + 1 return true end)
    if not is_published(it, home) then
      stuck[#stuck + 1] = "after " .. try[1]
      break
    end
    count = count + 1
  end
  verdict[#verdict + 1] = { "a home lives when its keys are spoilt", dead }
  verdict[#verdict + 1] = { "it publishes again when they are gone", stuck }
  return count
end

--- Runs the test.
-- @tparam number seconds
return function(seconds)
  local it <close> = world.new { machines = 1, S = frames.S, lease = 1 }
  it.S = frames.S
  local home, verdict = fake_home.new(it), {}
  local is_home = share(it, home)
  verdict[1] = { "a home publishes", is_home and {} or { "it does not" } }
  if not is_home then return verdict, {} end
  local edits = attack(it, home, ipmmap.boottime() + seconds / 2, verdict)
  local keys = disturb(it, home, ipmmap.boottime() + seconds / 2, verdict)
  return verdict, { edits = edits, ["spoilt keys"] = keys }
end

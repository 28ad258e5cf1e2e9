--- Hostile frames for a follower: the test plays the home, and writes to the server what no home
-- would. The follower takes nothing of it, says what is wrong, and lives.
local fake_home = require "spec.stress.machines.fake_home"
local frames = require "spec.stress.machines.frames"
local ipmmap = require "ipmmap"
local told = require "spec.stress.machines.told"
local world = require "spec.stress.machines.world"

local PATIENCE <const> = 20 -- seconds
local QUIET <const> = 0.3 -- seconds that a follower has to do what it must not

-- All that is tried on a follower: { name, function(home) }.
local function attacks()
  local list = {}
  local function add(name, fn) list[#list + 1] = { name, fn } end
  local good = frames.run(frames.S:offsetof "turn", "\1\2\3\4")
  for _, patch in ipairs(frames.patches) do
    add("the log: " .. patch[1], function(home) home:add(patch[2]) end)
  end
  for _, text in ipairs(frames.positions) do
    add("the log: before it " .. frames.show(text), function(home) home:add(good, { p = text }) end)
    list[#list].is_quiet = text == "0-0" -- a position: the follower joins again
  end
  for _, text in ipairs(frames.numbers) do
    if not math.tointeger(tonumber(text)) or tonumber(text) < 0 or #text > 19 then
      add("the log: a time of " .. frames.show(text), function(home)
        home:add(good, { t = text })
      end)
    end
    for _, field in ipairs { "version", "epoch", "size" } do
      add(("meta: %s of %s"):format(field, frames.show(text)), function(home)
        home:meta { [field] = text }
        home:add("bad", { is_silent = true })
      end)
    end
  end
  for i, text in ipairs(frames.schemas) do
    add("schema " .. i, function(home)
      home:call("SET", "schema", text)
      home:add(nil)
    end)
  end
  add("the log: an entry without a patch and with the state cut off", function(home)
    home:call("SET", "state", home.bytes:sub(1, -2))
    home:add(nil)
  end)
  add("a state that is too long", function(home)
    home:call("SET", "state", home.bytes .. "x")
    home:meta { version = home.version + 1, size = #home.bytes + 1 }
    home:add(nil, { is_silent = true })
  end)
  add("a state with a bool of 2", function(home)
    home:call("SETRANGE", "state", frames.S:offsetof "flag", "\2")
    home:add(nil)
  end)
  add("a state of 1 MiB", function(home)
    home:call("SET", "state", ("x"):rep(1 << 20))
    home:add(nil)
  end)
  for _, key in ipairs { "schema", "meta", "state", "log" } do
    add(key .. " of another type", function(home)
      home:add(nil)
      home:call("DEL", key)
      home:call("SADD", key, "x")
    end)
    add("no " .. key, function(home)
      home:add(nil)
      home:call("DEL", key)
    end)
    list[#list].is_quiet = true -- a home that is just beginning looks like that
  end
  return list
end

-- Whether the replica is one of the states that the home had: nothing of an attack came in.
local function check(it, home, name, complaints)
  local one = it.machines[1]
  if one:bytes() ~= home.bytes then complaints[#complaints + 1] = name .. " changed the replica" end
  if not one:is_running "share" then
    complaints[#complaints + 1] = ("%s ended the process: %s"):format(name,
      one:log("share"):sub(-300):gsub("\n", " | "))
    one:restart "share"
  end
end

local function has(it, bytes)
  return it.wait_until(PATIENCE, function() return it.machines[1]:bytes() == bytes end)
end

local function attack_follower(it, home, ends, verdict)
  local taken, silent, stuck, count = {}, {}, {}, 0
  home:publish()
  it.machines[1]:follow()
  local joined = has(it, home.bytes)
  verdict[#verdict + 1] = { "a follower joins", joined and {} or { "it does not" } }
  local said = told.new(it.machines[1], PATIENCE)
  for _, attack in ipairs(told.shuffle(attacks())) do
    if ipmmap.boottime() > ends or not joined then break end
    attack[2](home)
    if attack.is_quiet then
      ipmmap.sleep(QUIET)
    elseif (said:wait() or "") == "" then
      silent[#silent + 1] = attack[1]
    end
    check(it, home, attack[1], taken)
    home:publish()
    if not has(it, home.bytes) then
      stuck[#stuck + 1] = "after " .. attack[1]
      break
    end
    said:forget()
    count = count + 1
  end
  verdict[#verdict + 1] = { "a follower takes nothing of a hostile frame, and lives", taken }
  verdict[#verdict + 1] = { "it says what is wrong", silent }
  verdict[#verdict + 1] = { "it goes on when the segment is good again", stuck }
  return count
end

--- Runs the test.
-- @tparam number seconds
return function(seconds)
  local it <close> = world.new { machines = 1, S = frames.S }
  it.S = frames.S
  local verdict = {}
  local count = attack_follower(it, fake_home.new(it), ipmmap.boottime() + seconds, verdict)
  return verdict, { attacks = count }
end

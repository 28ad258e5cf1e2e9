--- Hostile answers for a program that edits from another machine: the test plays the home, and
-- answers what no home would. The call returns a failure, and the next one works.
local fake_home = require "spec.stress.machines.fake_home"
local frames = require "spec.stress.machines.frames"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local world = require "spec.stress.machines.world"

local PATIENCE <const> = 20 -- seconds
local TIMEOUT <const> = 0.3 -- seconds that an edit may take

local CODES <const> = { timeout = true, unknown = true, refused = true, corrupt = true }

local PROGRAM <const> = [[
  local dir, url, timeout = ...
  package.path = "cli/?.lua;" .. package.path
  local ipmmap = require "ipmmap"
  local frames = require "spec.stress.machines.frames"
  local file = dir .. "/" .. frames.S.name .. "_.mmap"
  local remote = assert(ipmmap.remote(file, url, { timeout = tonumber(timeout) }))
  print "ready"
  for _ in io.lines() do
    local ok, done, message, code = pcall(remote.write, remote, "turn", 1)
    print(not ok and "raised " .. tostring(done):gsub("\n", " ") or done and "done" or code,
      tostring(message):gsub("\n", " "))
  end
]]

local function answers()
  local list = {}
  local function add(name, ...) list[#list + 1] = { name, { ... } } end
  add("nothing known", "x", "y")
  add("an unknown result", "r", "x")
  add("an empty result", "r", "")
  add("a refusal without a message", "r", "refused")
  add("a refusal with a message of 1 MiB", "r", "refused", "m", ("x"):rep(1 << 20))
  add("a refusal with control characters", "r", "refused", "m", "\27[2J\0\n")
  add("applied, without a version", "r", "applied")
  for _, text in ipairs(frames.positions) do
    if text ~= "0-0" then -- a position, though no home's
      add("applied, as version " .. frames.show(text), "r", "applied", "v", text)
    end
  end
  return list
end

-- Waits for an edit, and answers it. `fields` nil: as a home does.
local function answer(it, home, fields)
  local edit = it.wait_until(PATIENCE, function()
    local list = home:call("XRANGE", "edits", "-", "+", "COUNT", 1)
    return list and list[1]
  end)
  if not edit then return false end
  home:call("DEL", "edits")
  local id
  for i = 1, #edit[2], 2 do
    if edit[2][i] == "id" then id = edit[2][i + 1] end
  end
  local key = "replies:" .. id
  if not fields then
    home:call("XADD", key, "*", "r", "taken")
    fields = { "r", "applied", "v", home:position() }
  end
  if fields == "type" then return home:call("SADD", key, "x") end
  return home:call("XADD", key, "*", table.unpack(fields))
end

local function try(it, home, program, one, bad)
  program:send "go"
  answer(it, home, one[2])
  local code, message = program:match "^([^\t]*)\t?(.*)$"
  if not CODES[code] then
    bad[#bad + 1] = ("%s: %s: %s"):format(one[1], code, message:sub(1, 200))
  end
  home:call("DEL", "edits")
end

--- Runs the test.
return function()
  local it <close> = world.new { machines = 1, S = frames.S }
  it.S = frames.S
  local home, one, bad = fake_home.new(it), it.machines[1], {}
  home:publish()
  one:follow()
  it.wait_until(PATIENCE, function() return one:bytes() == home.bytes end)
  local program = process.spawn(PROGRAM, one.dir, one.url, tostring(TIMEOUT))
  program:expect "ready"
  local list = answers()
  list[#list + 1] = { "a key of another type", "type" }
  local ends = ipmmap.boottime() + #list * PATIENCE
  for _, answered in ipairs(list) do
    if ipmmap.boottime() < ends then try(it, home, program, answered, bad) end
  end
  program:send "go"
  answer(it, home)
  local last = program:match "^([^\t]*)"
  return {
    { "a remote editor returns a failure for a hostile answer", bad },
    { "it works with the next answer", last == "done" and {} or { "it returns " .. last } },
  }, { answers = #list }
end

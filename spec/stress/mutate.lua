-- usage: lua5.4 spec/stress/mutate.lua LIST [TEST...]
--
-- Changes the core one line at a time, as the list says, in a copy of this tree, and runs the tests
-- on each until one notices: stress programs and their arguments, as "chaos 1 1000". Prints a line
-- for each mutant, in TAP, and the score. With ONLY in the environment, those alone whose title
-- contains it. Without a test it only looks whether all lines of the list are there.

local LIMIT <const> = 120 -- seconds for one test

local function fail(...)
  error(string.format(...), 0)
end

--- The mutants of a list: the file and the function, `- ` the old line, `+ ` the new one, and
-- `= ` what that breaks.
local function parse(path)
  local mutants, mutant = {}, nil
  for line in io.lines(path) do
    local mark, text = line:match("^([-+=]) (.*)$")
    if line:match("^src/") then
      local file, name = line:match("^(%S+) (.+)$")
      mutant = { file = file, name = name }
      mutants[#mutants + 1] = mutant
    elseif mark then
      if not mutant then fail("%s: a line before any mutant: %s", path, line) end
      mutant[mark] = text
    end
  end
  return mutants
end

local function run(command, ...)
  return os.execute(command:format(...))
end

local function must_run(...)
  if not run(...) then fail("failed: %s", string.format(...)) end
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
end

--- The text with one line changed, within the function; nil if there is no such line.
local function change(text, mutant)
  local lines, inside, changed = {}, false, false
  for line in text:gmatch("(.-)\n") do
    if line:match("^%S.*[^%w_]" .. mutant.name .. "%(.*[^;]$") then
      inside = true
    elseif line == "}" then
      inside = false
    end
    local indent, code = line:match("^(%s*)(.-)$")
    if inside and code == mutant["-"] and not changed then
      line = indent .. mutant["+"]
      changed = true
    end
    lines[#lines + 1] = line
  end
  return changed and table.concat(lines, "\n") .. "\n" or nil
end

--- The first test that notices, or nil.
local function notice(tree, tests)
  for _, test in ipairs(tests) do
    local program, arguments = test:match("^(%S+) ?(.*)$")
    -- ends with the first "not ok", and the program with it
    local good = run("cd %s && timeout -k 1 %d build/spec/stress/%s '%s' 2>&1 | " ..
      [[awk '/^not ok/ { exit 1 } /^1\.\.[1-9]/ { done = 1 } END { exit !done }' >/dev/null]],
      tree, LIMIT, program, (arguments:gsub(" ", "' '")))
    if not good then return test end
  end
end

local list, only = arg[1], os.getenv("ONLY")
if not list then fail("usage: lua5.4 spec/stress/mutate.lua LIST [TEST...]") end
local tests = table.move(arg, 2, #arg, 1, {})
local mutants = parse(list)
local missing = 0
for _, mutant in ipairs(mutants) do
  if not change(read(mutant.file), mutant) then
    print(("%s: no such line in %s, %s: %s"):format(list, mutant.file, mutant.name, mutant["-"]))
    missing = missing + 1
  end
end
if missing > 0 then os.exit(false) end
if #tests == 0 then os.exit(true) end

local tree <const> = io.popen("mktemp -d /dev/shm/ipmmap-mutants-XXXXXX"):read("l")
local _ <close> = setmetatable({}, { __close = function() run("rm -rf %s", tree) end })
must_run("tar -c --exclude=./.git . | tar -x -C %s && make -s -C %s stress", tree, tree)

local wrong = notice(tree, tests)
if wrong then fail("without any change fails: %s", wrong) end

local caught, number = 0, 0
for _, mutant in ipairs(mutants) do
  local title = ("%s, %s: %s"):format(mutant.file:match("[^/]+$"), mutant.name, mutant["="])
  if not title:find(only or "", 1, true) then goto continue end
  local path = tree .. "/" .. mutant.file
  local original = read(path)
  number = number + 1
  write(path, change(original, mutant))
  must_run("make -s -C %s stress 2>/dev/null", tree)
  local test = notice(tree, tests)
  write(path, original)
  caught = caught + (test and 1 or 0)
  print(("%s %d - %s"):format(test and "ok" or "not ok", number, title))
  if test then print("# noticed by " .. test) end
  io.stdout:flush()
  ::continue::
end
print(("1..%d"):format(number))
print(("# %d of %d mutants noticed"):format(caught, number))
os.exit(caught == number, true) -- closes what is to be closed

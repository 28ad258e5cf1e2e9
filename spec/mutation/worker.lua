--- Tries mutants in a copy of the tree: builds each mutant, and runs the tests until one fails.
local source = require "spec.mutation.source"

local worker = {}
worker.__index = worker

-- A test's time limit in seconds is this, plus five times its duration without a change.
local PATIENCE <const> = 10

local function output_of(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("a")
  return text, pipe:close()
end

local function write_file(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  file:close()
end

-- The machine code that a source file compiles to; nil if it does not compile.
function worker:code_of(file)
  if file:match("%.h$") then return "a header" end
  local compile <const> = "${CC:-cc} -std=c11 -w -D_GNU_SOURCE -O3 -fPIC -S -o - "
  local text, good = output_of(("cd %s && %s %s 2>/dev/null"):format(self.tree, compile, file))
  return good and text or nil
end

-- Runs a test. Returns whether it passed, and how many seconds it took.
function worker:passes(test, limit)
  local program = test:match("^%S+")
  local start = os.time()
  local good = os.execute(("cd %s && make -s build/%s >/dev/null 2>&1 && " ..
    "{ timeout -k 1 %d build/%s 2>/dev/null || echo 'not ok'; } 2>/dev/null | " ..
    [[awk '/^not ok/ { exit 1 } /^1\.\.[1-9]/ { done = 1 } END { exit !done }']])
    :format(self.tree, program, limit, test))
  return good, os.time() - start
end

--- Makes a copy of this tree, and asserts that all tests pass there. Each of `tests` is a program
-- below build/ with its arguments.
function worker.new(tests)
  local tree = output_of("mktemp -d /dev/shm/ipmmap-mutation-XXXXXX"):match("%C+")
  local self = setmetatable({ tree = tree, tests = tests, limits = {}, codes = {} }, worker)
  assert(os.execute("tar -c --exclude=./.git --exclude=./build . | tar -x -C " .. tree))
  for _, test in ipairs(tests) do
    local good, took = self:passes(test, 600)
    assert(good, "fails without any change: " .. test)
    self.limits[test] = PATIENCE + 5 * took
  end
  return self
end

--- Tries a mutant. Returns "invalid" if it does not compile, "same" if its machine code is
-- unchanged, the first test that failed, or nil if all tests passed.
function worker:try(mutant)
  local path = self.tree .. "/" .. mutant.file
  local text = source.functions(path)
  self.codes[mutant.file] = self.codes[mutant.file] or self:code_of(mutant.file)
  write_file(path, source.replace(text, mutant.number, mutant.new))
  local code = self:code_of(mutant.file)
  local result
  if not code then
    result = "invalid"
  elseif code == self.codes[mutant.file] and not mutant.file:match("%.h$") then
    result = "same"
  else
    for _, test in ipairs(self.tests) do
      if not self:passes(test, self.limits[test]) then
        result = test
        break
      end
    end
  end
  write_file(path, text)
  return result
end

function worker:__close()
  os.execute("rm -rf " .. self.tree)
end

return worker

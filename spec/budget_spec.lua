local tmpdir = require "spec.helper.tmpdir"

local PROGRAM <const> = "build/spec/host/budget"
local TIMES <const> = 1000

--- The rows of docs/budget.md: the most instructions and system calls by operation.
local function budgets()
  local rows = {}
  for line in io.lines("docs/budget.md") do
    local operation, instructions, calls = line:match("^| (.-) | (%d+) | (%d+) |$")
    if operation then
      rows[operation] = { instructions = tonumber(instructions), calls = tonumber(calls) }
    end
  end
  return rows
end

local function succeeds(command)
  return (os.execute(command .. " >/dev/null 2>&1"))
end

--- The instructions of one operation: what callgrind counted between the marks.
local function count_instructions()
  local dir = tmpdir()
  assert(succeeds(("valgrind --tool=callgrind --callgrind-out-file=%s/out %s %s"):format(dir, PROGRAM, dir)))
  local counts = {}
  for path in io.popen("ls " .. dir .. "/out.*"):lines() do
    local file = assert(io.open(path))
    local text = file:read("a")
    file:close()
    local operation = text:match("\ndesc: Trigger: Client Request: ([^\n]+)")
    if operation then counts[operation] = tonumber(text:match("\ntotals: (%d+)")) / TIMES end
  end
  counts["-"] = nil
  return counts
end

--- The system calls of one operation: what strace saw of the first thread between the marks.
local function count_calls()
  local dir = tmpdir()
  assert(succeeds(("strace -f -s 100 -o %s/out %s %s"):format(dir, PROGRAM, dir)))
  local counts, count, main = {}, 0, nil
  for line in io.lines(dir .. "/out") do
    local thread, call = line:match("^(%d+) +(.*)$")
    main = main or thread
    local mark = call:match('^write%(%-1, "([^"]+)"')
    if mark then
      counts[mark] = count / TIMES
      count = 0
    elseif thread == main and call:find("^%l") then -- the start of a call, not "<... resumed>" or a signal
      count = count + 1
    end
  end
  counts["-"] = nil
  return counts
end

describe("the documented budget", function()
  it("holds for the instructions of each operation", function()
    local rows, measured = budgets(), count_instructions()
    local rows_seen = 0
    for operation, count in pairs(measured) do
      local row = assert(rows[operation], operation .. " has no row in docs/budget.md")
      assert.is_true(count <= row.instructions,
        ("%s takes %.0f instructions; docs/budget.md has %d"):format(operation, count, row.instructions))
      rows_seen = rows_seen + 1
    end
    for _ in pairs(rows) do rows_seen = rows_seen - 1 end
    assert.equal(0, rows_seen, "docs/budget.md has rows that nothing measures")
  end)

  it("holds for the system calls of each operation", function()
    if not succeeds("strace -o /dev/null true") then return pending("this system does not let strace trace") end
    local measured = count_calls()
    for operation, row in pairs(budgets()) do
      local count = assert(measured[operation], operation .. " was not measured")
      assert.is_true(count <= row.calls, ("%s makes %.3f system calls"):format(operation, count))
    end
  end)
end)

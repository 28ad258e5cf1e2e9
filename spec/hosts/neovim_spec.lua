local host = require "spec.hosts.host"
local ipmmap = require "ipmmap"
local process = require "spec.helper.process"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local EXAMPLE <const> = host.root .. "/examples/neovim"
local STATUS_LINE <const> = "join(map(range(1, &columns), 'screenstring(&lines - 1, v:val)'), '')"

describe("Neovim", function()
  local missing = host.missing "nvim"
  if missing then return it("runs the example", function() pending(missing) end) end

  local dir
  local running = {}

  -- Evaluates an expression in the editor; nil: the editor is not ready yet.
  local function evaluate(expression)
    local ok, output = shell.try(("nvim --server %s/socket --remote-expr %s")
                                 :format(dir, shell.quote(expression)))
    return ok and output or nil
  end

  local function shows(text)
    host.await(text .. " in the status line", function()
      local line = evaluate(STATUS_LINE)
      return line and line:find(text, 1, true)
    end)
  end

  local function count()
    return process.start { process.LUA, EXAMPLE .. "/count.lua", cwd = dir }
  end

  before_each(function()
    dir = tmpdir()
    running = { host.start {
      "nvim", "--headless", "-u", "NONE", "--cmd", "set runtimepath^=" .. EXAMPLE .. " loadplugins laststatus=2",
      "--listen", dir .. "/socket", cwd = dir,
    } }
  end)

  after_each(function()
    host.kill(running)
    running = {}
  end)

  it("shows in its status line what a program outside writes", function()
    shows "0 passed, 0 failed"
    local counter = count()
    counter:send "ok 1 - one"
    shows "1 passed, 0 failed"
    counter:send "not ok 2 - two"
    shows "1 passed, 1 failed"
    counter:send "ok 3 - three"
    shows "2 passed, 1 failed"
    counter:close_input()
    counter:join()
  end)

  it("goes on if that program is killed and started again", function()
    local first = count()
    first:send "ok 1 - one"
    shows "1 passed, 0 failed"
    first:kill()
    first:wait()
    shows "1 passed, 0 failed"
    local second = count()
    shows "0 passed, 0 failed"
    second:send "not ok 1 - one"
    shows "0 passed, 1 failed"
    second:close_input()
    second:join()
  end)

  it("follows if the segment is destroyed and made again", function()
    shows "0 passed, 0 failed"
    ipmmap.load { "examples.neovim.lua.test_results" }
    assert(ipmmap.manager("TestResults", { mmap_dir = dir .. "/.mmap" })):destroy()
    local counter = count()
    counter:send "ok 1 - one"
    shows "1 passed, 0 failed"
    counter:close_input()
    counter:join()
  end)
end)

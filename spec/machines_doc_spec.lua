local cli = require "spec.helper.cli"
local cli_doc = require "spec.helper.cli_doc"
local markdown = require "spec.helper.markdown"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local share_command = require "spec.helper.share_command"
local shell = require "spec.helper.shell"
local tmpdir = require "spec.helper.tmpdir"

local PAGE <const> = "docs/machines.md"
local PATIENCE <const> = 20 -- seconds

-- Patterns for output that differs from run to run, each with what replaces it.
local VOLATILE <const> = {
  { " +%d+ s", " N s" }, { " +%d+  %-", " PID  -" }, { "ShareStatus  Game_left  752 B +%d+", "ShareStatus" },
  { " +%d+ B +%d+ N s\n", " N B PID N s\n" }, { "   +", "  " },
}

local function stable(text)
  for _, volatile in ipairs(VOLATILE) do text = text:gsub(volatile[1], volatile[2]) end
  return text
end

if not share_command.are_possible() then
  describe(PAGE, function()
    pending "needs redis-server, lua-cqueues and lua-luaossl"
  end)
  return
end

local redis_server = require "spec.helper.redis_server"
local share_acl = require "spec.helper.share_acl"

describe(PAGE, function()
  local server, dir

  setup(function()
    server, dir = redis_server.start(), tmpdir()
    posix.setenv("PATH", cli_doc.command_directory() .. ":" .. os.getenv "PATH")
  end)

  teardown(function() server:kill() end)

  -- The page names the standard port. Here a lease is short, because a server that was just started
  -- makes a new home wait.
  local function adapt(text)
    return (text:gsub("redis://localhost", server.url):gsub("(%-%-machine %l+)", "%1 --lease 0.5"))
  end

  -- A shell that runs the commands of the page one after the other.
  local function start_shell()
    local child = process.start { "bash", cwd = dir } -- which knows %1, as on a terminal
    return child, function(command)
      child:send(command .. "\necho \"done $?\"")
      local lines = {}
      for line in function() return child:line() end do
        if line:find "^done %d+$" then break end
        lines[#lines + 1] = line .. "\n"
      end
      return table.concat(lines)
    end
  end

  it("has a walk-through that works as it is written", function()
    local definition = markdown.blocks(PAGE, "sh")[2]
    assert.matches("game.lua", definition)
    local child, run = start_shell()
    finally(function()
      run "kill %1 %2; wait"
      child:close_input()
      child:wait()
    end)
    assert.equal("", run(definition:gsub("lua5%.4", process.LUA)))
    local commands = 0
    for _, block in ipairs(markdown.blocks(PAGE, "console")) do
      for command, written in ("\n" .. block):gsub("\n%$ ", "\0"):gmatch "%z([^\n%z]*)\n?(%Z*)" do
        if written ~= "" and not written:find "\n$" then written = written .. "\n" end
        local is_background = command:find "&$"
        command = is_background and adapt(command):gsub("&$", ">>log 2>&1 &") or adapt(command)
        local deadline, now = os.time() + PATIENCE
        repeat
          now = run(command)
          local is_done = is_background or stable(now) == stable(written)
        until is_done or os.time() > deadline
        if not is_background then assert.equal(stable(written), stable(now), command) end
        commands = commands + 1
        if command:find "^ipmmap ls" then -- while both run
          local program = process.start { process.LUA, "-e", adapt(markdown.blocks(PAGE, "lua")[1]), cwd = dir }
          for expected in markdown.blocks(PAGE, "lua")[1]:gmatch "%-%->%s([^\n]*)" do program:expect(expected) end
          program:join()
          assert.equal("20\ngo\n", cli.output { "get", dir .. "/ada/Game_left.mmap", "score", "title" })
        end
      end
    end
    assert.is_true(commands >= 10)
  end)

  it("gives users of the server the rights that they need, and no others", function()
    local admin = server:connect()
    for block in markdown.read(PAGE):gmatch "\n  ```sh\n(.-)\n  ```\n" do
      shell.run((block:gsub("redis%-cli", "redis-cli -p " .. server.port)))
    end
    for name, words in pairs(share_acl) do
      local list = {}
      for word in words:gsub("%b()", function(selector) return selector:gsub(" ", "\0") end):gmatch "%S+" do
        list[#list + 1] = word:gsub("%z", " ")
      end
      assert(admin:call("ACL", "SETUSER", "expected", "reset", table.unpack(list)))
      local expected = assert(admin:call("ACL", "GETUSER", "expected"))
      local got = assert(admin:call("ACL", "GETUSER", "ipmmap-" .. name))
      for _, user in ipairs { expected, got } do user[2], user[4] = nil, nil end -- flags, passwords
      assert.same(expected, got, name)
    end
    admin:close()
  end)

  it("names the unit of systemd, which passes the password as a file", function()
    local unit = markdown.read "examples/systemd/ipmmap@.service"
    assert.matches("\nLoadCredential=password:/etc/ipmmap/%%i%.password\n", unit)
    assert.matches("\nExecStart=[^\n]*ipmmap %$ARGUMENTS %-%-password%-file %${CREDENTIALS_DIRECTORY}/password\n", unit)
    assert.matches("examples/systemd/ipmmap@.service", markdown.read(PAGE), 1, true)
    if not shell.try "command -v systemd-analyze" then return end
    local copy = tmpdir() .. "/ipmmap@game.service"
    shell.run(("sed 's|/usr/local/bin/ipmmap|/bin/true|' examples/systemd/ipmmap@.service >%s"):format(copy))
    assert.equal("", shell.run("systemd-analyze verify " .. copy))
  end)
end)

local cli = require "spec.helper.cli"
local ipmmap = require "ipmmap"
local json = require "dkjson"
local posix = require "spec.helper.posix"
local share_command = require "spec.helper.share_command"
local tmpdir = require "spec.helper.tmpdir"

if not share_command.are_possible() then
  describe("the command, on several machines,", function()
    pending "needs redis-server, lua-cqueues and lua-luaossl"
  end)
  return
end

local redis_server = require "spec.helper.redis_server"

local Game = ipmmap.base:extend("Game", { { "turn", "int32" }, { "hp", "int8", min = 0, max = 100 } })

describe("the command, on several machines,", function()
  local server, ada, bob, file, replica, manager, running

  setup(function() server = redis_server.start() end)
  teardown(function() server:kill() end)

  before_each(function()
    server:connect():call "FLUSHALL"
    ada, bob, running = tmpdir(), tmpdir(), {}
    file, replica = ada .. "/Game_left.mmap", bob .. "/Game_left.mmap"
    manager = assert(ipmmap.manager(Game, { create = true, mmap_dir = ada, tag = "left", feed = 65536 }))
    manager:write("turn", 1)
  end)

  after_each(function()
    manager:close()
    for _, child in ipairs(running) do
      if not child.how then child:kill() end
      child:wait()
    end
  end)

  local function start(argv)
    for _, word in ipairs { "--lease", "0.5", "--machine", argv.machine } do argv[#argv + 1] = word end
    local child = share_command.start(argv)
    running[#running + 1] = child
    return child
  end

  local function share(...)
    local child = start { "share", server.url, file, machine = "ada", ... }
    share_command.await(ada, "Game_left", "home", "ada")
    return child
  end

  local function follow(...)
    local child = start { "follow", server.url, "Game:left", "--dir", bob, machine = "bob", ... }
    share_command.await(bob, "Game_left", "replica")
    return child
  end

  -- Runs the command, which fails and says one line.
  local function fails(status, pattern, argv)
    local got, out, err = cli.run(argv)
    assert.equal(status, got, err)
    assert.equal("", out)
    assert.matches(pattern, err)
    assert.matches("^ipmmap: [^\n]+\n$", err)
  end

  -- Reads what a command prints until a line matches.
  local function says(child, pattern)
    repeat
      local line = assert(child:line(), "it ended without a word like " .. pattern)
    until line:match(pattern)
  end

  -- The lines that a command prints until it ends, and its exit status.
  local function finish(child)
    local lines = {}
    for line in function() return child:line() end do lines[#lines + 1] = line end
    local how, status = child:wait()
    assert.equal("exit", how)
    return table.concat(lines, "\n"), status
  end

  it("shares a segment until SIGTERM or Ctrl-C, and then ends in order", function()
    local home, follower = share(), follow()
    local reader <close> = assert(ipmmap.reader(Game, { mmap_dir = bob, tag = "left" }))
    manager:write("turn", 2)
    share_command.await_value(reader, "turn", 2)
    home:kill(posix.SIGTERM)
    local said, status = finish(home)
    assert.equal(0, status)
    assert.matches("ipmmap: Game_left: ada is the home", said)
    follower:kill(posix.SIGINT)
    said, status = finish(follower)
    assert.equal(0, status)
    assert.matches("ipmmap: Game_left: joined at version 1 of epoch", said)
    assert.equal("not_home", select(3, manager:try_lock(0)))
  end)

  it("shares and follows several segments by one process", function()
    assert(ipmmap.manager(Game, { create = true, mmap_dir = ada, tag = "right" })):close()
    share(ada .. "/Game_right.mmap")
    share_command.await(ada, "Game_right", "home")
    follow "Game:right"
    share_command.await(bob, "Game_right", "replica")
    local rows = json.decode(cli.output { "share", "--status", "--json", ada, bob })
    assert.equal(4, #rows)
    assert.same({ "Game_left", "home", true, true }, { rows[1].name, rows[1].role, rows[1].alive, rows[1].connected })
    assert.same({ "Game_right", "replica", "bob" }, { rows[4].name, rows[4].role, rows[4].machine })
    assert.equal(rows[1].pid, rows[2].pid)
  end)

  it("goes on with the others if one of several segments cannot be shared", function()
    local other = tmpdir()
    start { "follow", server.url, "Game:left", "Game:right", "--dir", other, machine = "bob" }
    assert(ipmmap.manager(Game, { create = true, mmap_dir = other, tag = "left" })):close()
    share()
    share_command.await(other, "Game_left", "failed")
    local rows = json.decode(cli.output { "share", "--status", "--json", ada })
    assert.equal("home", rows[1].role)
    local status, out = cli.run { "share", "--status", "--json", other .. "/Game_left.mmap" }
    assert.equal(1, status)
    assert.matches("is no replica", json.decode(out)[1].error)
    assert.matches("Game_left +failed .*ago: .*is no replica", select(2, cli.run { "share", "--status", other }))
    local said
    running[1]:kill(posix.SIGTERM)
    said, status = finish(running[1])
    assert.matches("Game_left: .*is no replica", said)
    assert.equal(15, status)
  end)

  it("tells with share --status what runs, and by its exit status whether that is well", function()
    local home, follower = share(), follow()
    local status, out = cli.run { "share", "--status", ada }
    assert.equal(0, status)
    assert.matches("^NAME +ROLE +HOME +VERSION +LAG +BEHIND +IN +OUT +PID +TOLD\nGame_left  home  ada +1 +0 ", out)
    assert.matches(tostring(home.pid), out)
    follower:kill()
    follower:wait()
    status, out = cli.run { "share", "--status", replica }
    assert.equal(1, status)
    assert.matches("Game_left  replica, gone ", out)
    share_command.stop(home)
    assert.matches("Game_left  stopped ", cli.output { "share", "--status", file })
    status, out = cli.run { "share", "--status", tmpdir() }
    assert.same({ 0, "" }, { status, out })
    fails(3, "is not shared", { "share", "--status", bob .. "/ShareStatus_Game_left.lock" })
    fails(3, "there is no /none", { "share", "--status", "/none" })
  end)

  it("tells with share --status that the lease of a home has ended, though its process runs", function()
    local home = share()
    local row = json.decode(cli.output { "share", "--status", "--json", ada })[1]
    assert.is_false(row.lease_over)
    home:stop()
    while not select(3, manager:try_with(0, function() end)) do ipmmap.sleep(0.01) end
    local status, out = cli.run { "share", "--status", ada }
    assert.equal(1, status)
    assert.matches("Game_left  home, lease over ", out)
    row = json.decode((select(2, cli.run { "share", "--status", "--json", ada })))[1]
    assert.same({ "home", true, true }, { row.role, row.alive, row.lease_over })
    home:continue()
  end)

  it("names a segment once in what it says, and the URL if that is what is wrong", function()
    local other = tmpdir()
    share()
    manager:write("turn", 3)
    assert(ipmmap.manager(Game, { create = true, mmap_dir = other, tag = "left" })):close()
    fails(15, "^ipmmap: Game_left: the server has", { "share", server.url, other .. "/Game_left.mmap" })
    fails(2, "a server is written as", { "share", file, server.url })
  end)

  it("shows the status live, as any other segment", function()
    local home = share()
    local watch = cli.start { "watch", "--json", ada .. "/ShareStatus_Game_left.mmap", "role" }
    watch:match '"role":"home"'
    share_command.stop(home)
    watch:match '"changed":{"role":"stopped"}'
    watch:kill()
  end)

  it("says in ls, show, who and doctor which segments have a home and which are replicas", function()
    local home, follower = share(), follow()
    assert.matches("Game +left .* home\n", cli.output { "ls", ada })
    assert.matches("Game +left .* replica\n", cli.output { "ls", bob })
    assert.equal("replica", json.decode(cli.output { "ls", "--json", bob })[1].share)
    assert.matches("^Game 'left', version %d+, replica\n", cli.output { "show", replica })
    assert.matches("\nit is a replica; its home is ada\n$", cli.output { "who", replica })
    assert.matches("\nthis machine is its home\n$", cli.output { "who", file })
    assert.matches("Game_left.mmap: ok\n", cli.output { "doctor", ada, bob })
    follower:kill()
    follower:wait()
    assert.matches("Game_left.mmap: it is a replica, and no ipmmap follow runs for it\n",
      cli.output { "doctor", replica })
    home:kill()
    while manager:try_lock(0) do
      manager:rollback()
      ipmmap.sleep(0.001)
    end
    assert.matches(" home, lease over\n", cli.output { "ls", ada })
    assert.matches("its lease has ended: editors are refused until", cli.output { "doctor", file })
  end)

  it("refuses to set what has its home elsewhere, and sets it there by --url", function()
    local home = share()
    follow()
    fails(12, "replica; its home is another machine; %-%-url sets the value there", { "set", replica, "turn=5" })
    cli.output { "set", "--url", server.url, replica, "turn=5", "hp+=3" }
    assert.same({ 5, 3 }, { manager:read "turn", manager:read "hp" })
    fails(2, "Game%.hp: 200", { "set", "--url", server.url, replica, "hp=200" })
    fails(2, "Game%.hp: 101 is above the limit", { "set", "--url", server.url, replica, "hp=101" })
    fails(2, "Game: no field 'none'", { "set", "--url", server.url, replica, "none=1" })
    fails(2, "%-%-ca goes with %-%-url", { "set", "--ca", "ca.pem", file, "turn=1" })
    share_command.stop(home)
    fails(12, "Game: ", { "set", file, "turn=6" })
    fails(7, "no home took the edit in time", { "set", "--timeout", "0.3", "--url", server.url, replica, "turn=6" })
    assert.equal(5, manager:read "turn")
  end)

  it("makes a segment of this machine again with share --end, if nothing shares it", function()
    local home = share()
    fails(15, ("process %d shares it already"):format(home.pid), { "share", "--end", file })
    assert.equal("home", manager:share().place)
    share_command.stop(home)
    cli.output { "share", "--end", file }
    assert.equal("unshared", manager:share().place)
    manager:write("turn", 9)
    local status, _, err = cli.run { "share", "--end", file }
    assert.equal(0, status)
    assert.matches("is not shared", err)
    assert.is_nil(io.open(ada .. "/ShareStatus_Game_left.mmap"))
  end)

  it("refuses a segment that another process or another machine has", function()
    local home = share()
    fails(15, ("process %d shares it already"):format(home.pid), { "share", server.url, file })
    follow()
    fails(15, "shares it already", { "follow", server.url, "Game:left", "--dir", bob })
    local cleo = tmpdir()
    assert(ipmmap.manager(Game, { create = true, mmap_dir = cleo, tag = "left" })):close()
    fails(15, "^ipmmap: Game_left: the server has a segment of that name already",
      { "share", server.url, cleo .. "/Game_left.mmap" })
    share_command.stop(running[2])
    fails(15, "^ipmmap: Game_left: its home is ada", { "share", server.url, replica, "--machine", "bob" })
  end)

  it("takes another home's place by --force, and follows the new one", function()
    local home = share()
    local follower = follow()
    share_command.stop(home)
    local cleo = tmpdir()
    local other <close> = assert(ipmmap.manager(Game, { create = true, mmap_dir = cleo, tag = "left" }))
    other:write("turn", 77)
    start { "share", server.url, cleo .. "/Game_left.mmap", "--force", machine = "cleo" }
    share_command.await(cleo, "Game_left", "home", "cleo")
    local reader <close> = assert(ipmmap.reader(Game, { mmap_dir = bob, tag = "left" }))
    share_command.await_value(reader, "turn", 77)
    share_command.stop(follower)
  end)

  it("serves the others if one of several files is missing, and tells of it", function()
    local missing = ada .. "/Game_right.mmap"
    local child = start { "share", server.url, missing, file, machine = "ada" }
    share_command.await(ada, "Game_left", "home", "ada")
    share_command.await(ada, "Game_right", "failed")
    local got, out = cli.run { "share", "--status", ada }
    assert.equal(1, got)
    assert.matches("Game_right: .-there is no such segment", out)
    assert.equal(3, share_command.stop(child))
  end)

  it("makes a standby the home when the lease ends", function()
    local home = share()
    follow "--standby"
    home:kill()
    share_command.await(bob, "Game_left", "home", "bob")
    local editor <close> = assert(ipmmap.editor(Game, { mmap_dir = bob, tag = "left" }))
    editor:write("turn", 8)
    assert.equal("not_home", select(3, manager:try_lock(0)))
    start { "share", server.url, file, machine = "ada" }
    share_command.await(ada, "Game_left", "replica", "bob") -- it finds the new home
    share_command.await_value(manager, "turn", 8)
  end)

  it("names what a newcomer got wrong", function()
    fails(2, "a server is written as redis://", { "share", file, file })
    fails(2, "missing argument 'FILE'", { "share", server.url })
    fails(2, "missing argument 'URL'", { "share" })
    fails(3, "No such file", { "share", server.url, ada .. "/None_.mmap" })
    fails(2, "is given twice", { "share", server.url, file, file })
    fails(2, "%-%-json is for %-%-status", { "share", "--json", server.url, file })
    fails(2, "'Game_left.mmap' is not NAME or NAME:TAG", { "follow", server.url, "Game_left.mmap" })
    fails(3, "there is no directory /none", { "follow", server.url, "Game", "--dir", "/none" })
    fails(3, "is not a directory", { "follow", server.url, "Game", "--dir", file })
    fails(2, "without TLS anybody", { "share", "redis://redis.example", file })
    fails(2, "never given on the command line", { "share", "redis://me:secret@localhost", file })
    fails(11, "No such file", { "share", "--password-file", ada .. "/none", server.url, file })
    local _, _, err = cli.run { "share", "--lease", "x", server.url, file }
    assert.matches("%-%-lease: 'x' is not a number of seconds", err)
    _, _, err = cli.run { "share", "--machine", "a b", server.url, file }
    assert.matches("%-%-machine: 'a b' is not a name", err)
    fails(11, "none.pem: No such file", { "share", "rediss://localhost", "--ca", "none.pem", file })
    cli.output { "set", file, "turn=2" } -- nothing has shared it
  end)

  it("names the packages that are missing", function()
    local function without(name)
      return { ("LUA_INIT=package.preload['%s'] = function() error 'not found' end"):format(name) }
    end
    for _, argv in ipairs {
      { "share", server.url, file }, { "follow", server.url, "Game:left", "--dir", bob },
      { "set", "--url", server.url, file, "turn=3" },
    } do
      argv.env = without "cqueues"
      fails(11, "Debian's package lua%-cqueues, and in the rock cqueues", argv)
    end
    fails(11, "Debian's package lua%-luaossl, and in the rock luaossl",
      { "share", "rediss://localhost", file, env = without "openssl.ssl" })
    cli.output { "set", file, "turn=2", env = without "cqueues" }
  end)

  it("does not share the status of another segment", function()
    share()
    fails(2, "tells how another segment is shared", { "share", server.url, ada .. "/ShareStatus_Game_left.mmap" })
  end)

  it("says that there is no server, and goes on when there is one", function()
    local late = redis_server.start()
    late:kill()
    local home = start { "share", late.url, file, machine = "ada" }
    home:match("ipmmap: Game_left: .*refused")
    late:start()
    share_command.await(ada, "Game_left", "home")
    share_command.stop(home)
    late:kill()
  end)

  it("says once that the server has no memory, and publishes the rest when it has", function()
    local home = share()
    follow()
    local admin = server:connect()
    says(home, "ada is the home")
    admin:call("CONFIG", "SET", "maxmemory", "1")
    manager:write("turn", 2)
    home:match "ipmmap: Game_left: .*the server's memory is full"
    manager:write("turn", 3) -- goes on
    fails(10, "memory is full", { "set", "--url", server.url, replica, "turn=4" })
    local status, out = cli.run { "share", "--status", ada }
    assert.equal(1, status)
    assert.matches("home, cut off  ada .*memory is full", out)
    admin:call("CONFIG", "SET", "maxmemory", "0")
    home:match "ipmmap: Game_left: the work goes on"
    local reader <close> = assert(ipmmap.reader(Game, { mmap_dir = bob, tag = "left" }))
    share_command.await_value(reader, "turn", 3)
  end)

  it("ends with the reason if the server refuses the password", function()
    local closed = redis_server.start { password = "right" }
    fails(6, "password", { "share", closed.url, file })
    local password = ada .. "/password"
    local handle = assert(io.open(password, "w"))
    handle:write "right\n"
    handle:close()
    local home = start { "share", "--password-file", password, closed.url, file, machine = "ada" }
    share_command.await(ada, "Game_left", "home")
    share_command.stop(home)
    closed:kill()
  end)

  it("shows a certificate to a server that wants one, and verifies the server's", function()
    local closed, at = redis_server.start { tls = true }, redis_server.certificates()
    local home = start { "share", closed.url, file, machine = "ada", "--ca", at .. "/ca.pem", "--cert",
      at .. "/client.pem", "--key", at .. "/client.key" }
    share_command.await(ada, "Game_left", "home")
    share_command.stop(home)
    local stranger = start { "share", closed.url, file, machine = "ada" }
    stranger:match "ipmmap: Game_left: .*its certificate is not from a CA that is known here %(%-%-ca%)"
    share_command.stop(stranger)
    closed:kill()
  end)

  it("says in follow that nobody shares a name yet, and waits", function()
    local follower = start { "follow", server.url, "Nobody", "--dir", bob, machine = "bob" }
    says(follower, "Nobody_: the server has nothing of that name yet")
    share_command.await(bob, "Nobody_", "waiting")
    local status, out = cli.run { "share", "--status", bob }
    assert.equal(1, status)
    assert.matches("Nobody_  waiting +%? ", out)
    share_command.stop(follower)
  end)
end)

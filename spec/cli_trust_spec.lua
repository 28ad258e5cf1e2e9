local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local json = require "dkjson"
local stranger = require "spec.helper.stranger"
local tmpdir = require "spec.helper.tmpdir"

describe("a segment of another user in a directory that all users may write to", function()
  local dir, file, log

  before_each(function()
    dir = tmpdir()
    file, log = dir .. "/Demo_.mmap", dir .. "/demo.log"
    local _, open = demo(dir)
    for _, tag in ipairs { "", "own" } do
      local manager <close> = assert(open("manager", { create = true, tag = tag }))
      manager:set { count = 7, twin = 7 }
    end
    if stranger.can_plant() then stranger.plant(dir, "Demo_") end
  end)

  local function it_needs_a_stranger(name, fn)
    it(name, function()
      if not stranger.can_plant() then return pending(stranger.NEEDS) end
      fn()
    end)
  end

  it_needs_a_stranger("is used by no command without --trust, and the message names that option", function()
    cli.output { "record", file, "-o", log, "--seconds", "0.01", "--json", "--trust", "anyone" }
    for _, argv in ipairs {
      { "show", file }, { "get", file, "count" }, { "set", file, "count=8" }, { "who", file },
      { "watch", file }, { "diff", dir .. "/Demo_own.mmap", file }, { "rm", file },
      { "record", file, "-o", log .. "2" }, { "replay", log, dir, "--speed", "max" },
    } do
      local status, out, err = cli.run(argv)
      assert.same({ 6, "" }, { status, out }, argv[1] .. ": " .. err)
      assert.matches("^ipmmap: [^\n]*Demo_%.%l+ belongs to user 65534, [^\n]* with %-%-trust that", err)
    end
    assert.equal("7\n", cli.output { "get", file, "count", "--trust", "anyone" })
  end)

  it_needs_a_stranger("is used if --trust has the number or name of its user, or anyone", function()
    for _, trust in ipairs {
      { "--trust", "65534" }, { "--trust", "nobody" }, { "--trust", "anyone" },
      { "--trust=1", "--trust", "65534" }, { "--trust", "anyone", "--trust", "1" },
    } do
      local argv = table.move(trust, 1, #trust, 1, {})
      table.move({ "get", file, "count" }, 1, 3, #argv + 1, argv)
      assert.equal("7\n", cli.output(argv))
      assert.equal("7\n", cli.output(table.move(trust, 1, #trust, 4, { "get", file, "count" })))
    end
    assert.equal(6, (cli.run { "get", file, "count", "--trust", "1" }))
  end)

  it_needs_a_stranger("is shown, changed, compared, recorded, replayed and destroyed with --trust",
    function()
      local function run(...) return cli.run { "--trust", "65534", ... } end
      assert.equal("", cli.output { "--trust", "65534", "set", file, "count=8" })
      assert.same({ 1, "count: 8 -> 7\n", "" }, { run("diff", file, dir .. "/Demo_own.mmap") })
      assert.equal(0, (run("record", file, "-o", log, "--seconds", "0.01")))
      assert.equal(0, (run("replay", log, dir, "--speed", "max")))
      assert.equal(0, (run("who", file)))
      assert.equal(0, (run("rm", file)))
      assert.equal(3, (run("show", file)))
    end)

  it_needs_a_stranger("is listed by ls with the refusal, beside the other segments", function()
    local rows = json.decode(cli.output { "ls", "--json", dir })
    assert.equal(2, #rows)
    assert.same({ file, "Demo", "permission" }, { rows[1].path, rows[1].name, rows[1].health })
    assert.matches("belongs to user 65534, .* with %-%-trust that", rows[1].problem)
    assert.equal("ok", rows[2].health)
    assert.matches("\nDemo_%.mmap +672 B +%? .*permission\n", cli.output { "ls", dir })
    rows = json.decode(cli.output { "ls", "--json", dir, "--trust", "nobody" })
    assert.same({ "ok", "ok" }, { rows[1].health, rows[2].health })
  end)

  it_needs_a_stranger("is reported by doctor, beside the other problems", function()
    local status, out, err = cli.run { "doctor", dir }
    assert.same({ 1, "" }, { status, err })
    assert.matches("Demo_.mmap: .* belongs to user 65534, .* with %-%-trust that .*%(permission%)\n",
      out)
    assert.matches("Demo_own.mmap: ok\n", out)
    assert.equal(0, (cli.run { "doctor", dir, "--trust", "65534" }))
  end)

  it_needs_a_stranger("is repaired only with --trust", function()
    local out <close> = assert(io.open(file, "r+b"))
    out:write("\0\0")
    out:flush()
    local status, said = cli.run { "doctor", "--repair", file }
    assert.equal(1, status)
    assert.matches("cannot repair it: .* with %-%-trust that", said)
    status, said = cli.run { "doctor", "--repair", "--trust", "nobody", file }
    assert.equal(0, status, said)
    assert.matches("%(repaired%)\n", said)
  end)

  it_needs_a_stranger("is refused also if only its lock file belongs to the other user", function()
    os.execute(("chown 0 '%s'"):format(file))
    local status, _, err = cli.run { "who", file }
    assert.equal(6, status)
    assert.matches("Demo_.lock belongs to user 65534, [^\n]* with %-%-trust that", err)
    assert.matches("Demo_.lock belongs to user 65534, .* with %-%-trust that",
      (select(2, cli.run { "doctor", file })))
    assert.equal(0, (cli.run { "who", file, "--trust", "nobody" }))
  end)

  it("is refused if --trust names no existing user", function()
    for _, name in ipairs { "no-such-user", "", "-1", "4294967295", "99999999999999999999", "1.5",
                            "'; echo 0; '" } do
      local status, out, err = cli.run { "--trust=" .. name, "get", file, "count" }
      assert.same({ 2, "" }, { status, out })
      assert.truthy(err:find(("--trust: '%s' is no user's name or number"):format(name), 1, true), err)
    end
  end)

  it("has the option --trust in the help, the manual page and the completions", function()
    assert.matches("%-%-trust USER", cli.output { "--help" })
    assert.matches("%-%-trust USER", cli.output { "man" }:gsub("\\", ""))
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      assert.matches("trust", cli.output { "completion", shell })
    end
  end)
end)

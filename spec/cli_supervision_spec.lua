local cli = require "spec.helper.cli"
local demo = require "spec.helper.demo"
local json = require "dkjson"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

describe("the command, about the processes of segments,", function()
  local dir, prelude, open

  before_each(function()
    dir = tmpdir()
    prelude, open = demo(dir)
    for _, tag in ipairs { "a", "b", "c" } do
      assert(open("manager", { create = true, tag = tag })):close()
    end
  end)

  local function path(tag) return ("%s/Demo_%s.mmap"):format(dir, tag) end

  -- Opens a segment, commits if the role may, and stays until it is told to go on.
  local function opener(role, tag)
    local child = process.spawn(prelude .. [[
      local role, tag = ...
      local handle = assert(open(role, { tag = tag }))
      if role ~= "reader" then handle:write("count", 1) end
      print("open")
      io.read()
    ]], role, tag)
    child:expect("open")
    return child
  end

  local function kill(child)
    child:kill()
    child:wait()
  end

  local function row_of(tag)
    for _, row in ipairs(json.decode(cli.output { "ls", "--json", dir })) do
      if row.tag == tag then return row end
    end
  end

  it("shows with ls who committed last and how many have it open", function()
    assert.matches("\nDemo  a +672 B +0 +%-  %- +%-  +0  ok\n", cli.output { "ls", dir })
    local editor, reader = opener("editor", "a"), opener("reader", "a")
    assert.matches(("\nDemo  a +672 B +1 +%%d s  %d +%%-  +2  ok\n"):format(editor.pid), cli.output { "ls", dir })
    local row = row_of("a")
    assert.is_true(math.abs(row.last_commit - os.time()) < 10)
    assert.same({ editor.pid, true }, { row.last_writer.pid, row.last_writer.alive })
    assert.equal(2, #row.attached)
    kill(editor)
    assert.matches(("\nDemo  a +672 B +1 +%%d s  %d gone +%%-  +1  ok\n"):format(editor.pid), cli.output { "ls", dir })
    row = row_of("a")
    assert.same({ false, reader.pid, "reader", 1 },
      { row.last_writer.alive, row.attached[1].pid, row.attached[1].role, row.attached[1].handles })
    kill(reader)
  end)

  it("lists with who those that have it open, and the one that committed last", function()
    local editor, reader = opener("editor", "a"), opener("reader", "a")
    local lua = process.LUA:match("[^/]*$")
    local out = cli.output { "who", path "a" }
    assert.matches(("\n *%d  %s +has it open as an editor  "):format(editor.pid, lua), out)
    assert.matches(("\n *%d  %s +has it open as a reader  "):format(reader.pid, lua), out)
    assert.matches(("\n *%d  %s +committed last  "):format(editor.pid, lua), out)
    kill(editor)
    out = cli.output { "who", path "a" }
    assert.matches(("\n *%d  %%- +committed last, and is gone  "):format(editor.pid), out)
    assert.is_nil(out:find("an editor", 1, true))
    local list = json.decode(cli.output { "who", "--json", path "a" })
    assert.same({ reader.pid, "reader", true }, { list[1].pid, list[1].role, list[1].alive })
    assert.same({ editor.pid, "committed last", false }, { list[2].pid, list[2].does, list[2].alive })
    kill(reader)
  end)

  it("notes with doctor that readers are left without a writer, which is no problem", function()
    local editor, other = opener("editor", "a"), opener("editor", "a")
    local reader = opener("reader", "a")
    kill(other)
    local function doctor()
      local status, out = cli.run { "doctor", path "a" }
      assert.equal(0, status)
      return out
    end
    assert.equal(path "a" .. ": ok\n", doctor()) -- another one can write
    kill(editor)
    assert.matches(("its last writer, process %d, is gone"):format(other.pid), doctor())
    assert.matches(("and %d %%(%%g+%%) reads it\n"):format(reader.pid), doctor())
    local findings = json.decode((select(2, cli.run { "doctor", "--json", path "a" })))
    assert.is_true(findings[1].problems[1].harmless)
    kill(reader)
    assert.equal(path "a" .. ": ok\n", doctor()) -- nobody reads it
    cli.output { "set", path "b", "count=1" }
    assert.equal(path "b" .. ": ok\n", cli.output { "doctor", path "b" }) -- its writer is gone, too
  end)

  -- A process that locks its segments one after the other, each when it is told to go on.
  local function locker(role, ...)
    local child = process.spawn(prelude .. [[
      local role, first, second = ...
      local one, other = assert(open("editor", { tag = first })), assert(open(role, { tag = second }))
      local held = one:lock()
      held.count = 9
      print("held")
      io.read()
      local too = other:lock()
      print("both")
      io.read()
    ]], role, ...)
    child:expect("held")
    return child
  end

  -- Waits until so many threads wait for the lock.
  local function await_waiters(tag, number)
    local reader <close> = assert(open("reader", { tag = tag }))
    local count
    repeat
      count = 0
      for _, user in ipairs(reader:users()) do count = count + (user.waits and 1 or 0) end
    until count == number
  end

  -- A writer that waits for readers keeps later readers out.
  it("finds with doctor a deadlock through a writer that waits before another reader", function()
    local reader = process.spawn(prelude .. [[
      local one, other = assert(open("reader", { tag = "a" })), assert(open("editor", { tag = "b" }))
      local held = one:lock()
      print("held")
      io.read()
      other:lock()
    ]])
    reader:expect("held")
    local holder = locker("reader", "b", "a")
    local writer = process.spawn(prelude .. [[
      assert(open("editor", { tag = "a" })):lock()
    ]])
    await_waiters("a", 1)
    holder:send("on")
    await_waiters("a", 2)
    reader:send("on")
    await_waiters("b", 1)
    local status, out = cli.run { "doctor", dir }
    assert.equal(1, status)
    for _, part in ipairs {
      (", which %d is to get first"):format(writer.pid), (", which %d holds"):format(holder.pid),
      (", which %d holds"):format(reader.pid),
    } do
      assert.matches(part, (out:gsub(" %(lua[%w.]*%)", "")))
    end
    for _, child in ipairs { reader, holder, writer } do kill(child) end
  end)

  it("finds with doctor that two processes wait for each other, and how to end it", function()
    local first, second = locker("editor", "a", "b"), locker("reader", "b", "a")
    assert.equal(0, (cli.run { "doctor", dir }))
    first:send("on")
    await_waiters("b", 1)
    assert.equal(0, (cli.run { "doctor", dir })) -- a wait is no deadlock
    second:send("on")
    await_waiters("a", 1)
    for _, target in ipairs { dir, path "a", path "b" } do
      local status, out = cli.run { "doctor", target }
      assert.equal(1, status)
      assert.equal(1, select(2, out:gsub("deadlock: ", "")))
      for tag, holder in pairs { a = first, b = second } do
        assert.matches((" waits for %s, which %d"):format(path(tag):gsub("%p", "%%%0"), holder.pid), out)
      end
    end
    local victim = tonumber((select(2, cli.run { "doctor", dir })):match("kill (%d+)"))
    local dies, lives = first, second
    if victim == second.pid then dies, lives = second, first end
    kill(dies)
    lives:expect("both")
    kill(lives)
  end)

  it("finds with doctor a deadlock of three processes, in directories that are given", function()
    local a, b, c = locker("editor", "a", "b"), locker("editor", "b", "c"), locker("editor", "c", "a")
    for _, child in ipairs { a, b, c } do child:send("on") end
    for _, tag in ipairs { "a", "b", "c" } do await_waiters(tag, 1) end
    local empty = tmpdir()
    local status, out = cli.run { "doctor", empty, dir }
    assert.equal(1, status)
    assert.equal(1, select(2, out:gsub("deadlock: ", "")))
    assert.equal(3, select(2, out:gsub(" waits for ", "")))
    assert.matches(empty:gsub("%p", "%%%0") .. ": ok\n", out)
    for _, child in ipairs { a, b, c } do kill(child) end
  end)
end)

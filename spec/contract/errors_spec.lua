-- The section "Errors" of the Lua API: every code, how it comes, and the list of bad input.
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE <const> = [[
  local ipmmap = require "ipmmap"
  local S = ipmmap.base:extend("CError", { { "data_int", "int32" }, { "text", "char[200]" } })
  local dir = ...
]]
local S = load(DEFINE .. " return S")()
local function spawn(source, ...) return process.spawn(DEFINE .. source, ...) end

-- By a shell command, of which "$@" is to run the chunk.
local function spawn_by(command, source, ...)
  local child = posix.getcwd() .. "/spec/helper/child.lua"
  return process.start { "sh", "-c", command, "sh", "lua5.4", child, DEFINE .. source, ... }
end

local function needs(command)
  if not os.execute(command .. " 2>/dev/null") then pending("this must work: " .. command) end
end

local function raises(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "nothing was raised")
  assert.not_equal("string", type(err), err)
  assert.equal(code, err.code, tostring(err))
  assert.equal("string", type(err.message))
  assert.equal(err.message, tostring(err):sub(-#err.message))
  return err.message
end

local function contents(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function write_file(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

describe("the contract of errors:", function()
  local dir, path
  before_each(function()
    dir = tmpdir()
    path = dir .. "/CError_.mmap"
  end)

  local function create(options)
    options = options or {}
    options.mmap_dir, options.create = dir, true
    return assert(ipmmap.manager(S, options))
  end

  it("not_found: no such segment", function()
    fails("not_found", ipmmap.editor(S, { mmap_dir = dir }))
  end)

  it("layout: names the first difference, and leaves the file alone", function()
    create():close()
    local before = contents(path)
    local child = process.spawn([[
      local ipmmap = require "ipmmap"
      local dir = ...
      local S = ipmmap.base:extend("CError", { { "data_int", "int64" }, { "text", "char[100]" } })
      for _, role in ipairs { "manager", "editor", "reader" } do
        local ok, message, code = ipmmap[role](S, { mmap_dir = dir, create = role == "manager" or nil })
        print(ok, code, message)
      end
    ]], dir)
    for _ = 1, 3 do
      child:match("^nil\tlayout\tdata_int: int32 at 16 in the file, int64 at 16 in the definition.*CError_%.mmap")
    end
    child:join()
    assert.equal(before, contents(path))
  end)

  describe("corrupt:", function()
    local whole
    before_each(function()
      create():close()
      whole = contents(path)
      os.remove(dir .. "/CError_.lock")
    end)

    for what, damage in pairs {
      ["an empty file"] = function() return "" end,
      ["a file of one byte"] = function() return "\x28" end,
      ["a file cut in the struct"] = function(text) return text:sub(1, 100) end,
      ["a file cut behind the struct"] = function(text) return text:sub(1, S.size) end,
      ["a file cut before its footer"] = function(text) return text:sub(1, -65) end,
      ["a file without its last byte"] = function(text) return text:sub(1, -2) end,
      ["a file with a byte too many"] = function(text) return text .. "x" end,
      ["a foreign file"] = function() return ("root:x:0:0:root:/root:/bin/bash\n"):rep(400) end,
      ["a file of zeros"] = function(text) return ("\0"):rep(#text) end,
      ["a wrong header code"] = function(text) return "\0\0" .. text:sub(3) end,
      ["a damaged trailer"] = function(text) return text:sub(1, 4096) .. ("\xff"):rep(64) .. text:sub(4161) end,
      ["a damaged footer"] = function(text) return text:sub(1, -65) .. ("\xff"):rep(64) end,
      ["a damaged schema"] = function(text) return (text:gsub("data_int", "data\1int")) end,
    } do
      it(what .. " is refused and left alone", function()
        local damaged = damage(whole)
        write_file(path, damaged)
        for _, role in ipairs { "manager", "editor", "reader" } do
          local message = fails("corrupt", ipmmap[role](S, { mmap_dir = dir }))
          assert.is_truthy(message:find(path, 1, true), message)
        end
        fails("corrupt", ipmmap.manager(S, { mmap_dir = dir, create = true }))
        assert.equal(damaged, contents(path))
        local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true, force = true }))
        m:write("data_int", 1)
        assert.equal(1, m:read("data_int"))
      end)
    end

    it("what is no regular file is refused without waiting for it", function()
      os.remove(path)
      for _, make in ipairs { "mkfifo %s", "mkdir %s", "ln -s /etc/passwd %s", "ln -s loop %s" } do
        os.execute(make:format(path))
        local ok, message, code = ipmmap.reader(S, { mmap_dir = dir })
        assert.is_nil(ok)
        assert.is_truthy(({ corrupt = 1, system = 1 })[code], code)
        assert.is_truthy(message:find(path, 1, true), message)
        os.execute("rm -rf " .. path)
      end
    end)

    it("a damaged lock file does no harm", function()
      for _, text in ipairs { "", "x", ("\xff"):rep(100), ("\xff"):rep(65536) } do
        write_file(dir .. "/CError_.lock", text)
        local e <close> = assert(ipmmap.editor(S, { mmap_dir = dir }))
        e:write("data_int", 5)
      end
    end)
  end)

  it("permission: names the path and the system's words", function()
    local nobody <const> = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    needs(nobody .. " test -r " .. posix.getcwd() .. "/spec/helper/child.lua")
    create():close()
    os.execute(("chmod 755 %s"):format(dir))
    local child = spawn_by("exec " .. nobody .. ' "$@"', [[
      print(select(2, ipmmap.reader(S, { mmap_dir = dir })))
      print(select(2, ipmmap.editor(S, { mmap_dir = dir })))
      print(select(2, ipmmap.manager(S, { mmap_dir = dir, create = true, tag = "new" })))
      print(select(2, ipmmap.manager(S, { mmap_dir = dir .. "/new", create = true })))
      print(select(2, ipmmap.manager(S, { mmap_dir = dir, create = true, force = true })))
    ]], dir)
    for _, name in ipairs { "/CError_.mmap", "/CError_.mmap", "", "/new", "/CError_." } do
      local message, code = child:match("^(.*)\t(%S+)$")
      assert.equal("permission", code, message)
      assert.is_truthy(message:find(dir .. name, 1, true), message)
      assert.matches("Permission denied", message)
    end
    child:join()
  end)

  it("no_space: is said at the creation, and leaves nothing", function()
    local mount = "mount -t tmpfs -o size=64k,mode=700 none " .. dir
    needs(("unshare -m sh -c '%s'"):format(mount))
    local child = spawn_by(([[exec unshare -m sh -c '%s && exec "$@"' sh "$@"]]):format(mount), [[
      local Big = ipmmap.base:extend("CErrorBig", { { "bytes", "uint8[1000000]" } })
      local ok, message, code = ipmmap.manager(Big, { mmap_dir = dir, create = true })
      print(ok, code, message)
      for line in io.popen("ls -A " .. dir):lines() do print(line) end
      assert(ipmmap.manager(S, { mmap_dir = dir, create = true })):write("data_int", 1)
    ]], dir)
    child:match("^nil\tno_space\t.*/CErrorBig_%.mmap: No space left on device")
    child:join()
  end)

  it("system: any other refusal, with its text and the path", function()
    write_file(dir .. "/file", "x")
    for _, role in ipairs { "manager", "editor", "reader" } do
      local message = fails("system", ipmmap[role](S, { mmap_dir = dir .. ("/x"):rep(4000) }))
      assert.matches("File name too long", message)
      assert.is_truthy(message:find(dir .. "/x/x", 1, true), message)
    end
    local message = fails("system", ipmmap.manager(S, { mmap_dir = dir .. "/file", create = true }))
    assert.matches("Not a directory", message)
    assert.is_truthy(message:find(dir .. "/file", 1, true), message)
    fails("system", ipmmap.manager(S, { mmap_dir = dir .. "/file/below", create = true }))
  end)

  it("timeout: by return from try_lock and wait", function()
    local m <close> = create()
    local child = spawn([[
      local e = assert(ipmmap.editor(S, { mmap_dir = dir }))
      local view = e:lock()
      print("held")
      io.read()
    ]], dir)
    child:expect("held")
    fails("timeout", m:try_lock())
    fails("timeout", m:try_lock(0.01))
    fails("timeout", m:wait(m:version(), 0.01))
  end)

  it("deadlock: this thread holds a lock through another handle", function()
    local m <close> = create()
    local r <close> = assert(ipmmap.reader(S, { mmap_dir = dir }))
    local other <close> = assert(ipmmap.reader(S, { mmap_dir = dir }))
    local held <close> = r:lock()
    assert.equal(0, held.data_int)
    fails("deadlock", m:try_lock())
    fails("deadlock", other:try_lock(5))
    for _, call in ipairs {
      function() m:lock() end, function() m:with(print) end, function() m:write("data_int", 1) end,
      function() m:set { data_int = 1 } end, function() m:add("data_int", 1) end, function() m:touch() end,
      function() m:clear() end, function() other:lock() end,
    } do
      assert.matches("CError", raises("deadlock", call))
    end
    r:unlock()
    m:write("data_int", 1)
  end)

  it("incompatible: the lock file is in use from another pid namespace; readers still read", function()
    needs("unshare --pid --fork true")
    local m <close> = create()
    m:write("data_int", 3)
    local child = spawn_by('exec unshare --pid --fork "$@"', [[
      local ok, message, code = ipmmap.editor(S, { mmap_dir = dir })
      print(ok, code, message)
      local r = assert(ipmmap.reader(S, { mmap_dir = dir }))
      print(r:read("data_int"), r:snapshot().data_int)
      local view, _, why = r:try_lock()
      print(view, why)
      local raised, err = pcall(r.lock, r)
      print(raised, err.code)
    ]], dir)
    child:match("^nil\tincompatible\t.*CError_%.lock")
    child:expect("3\t3")
    child:expect("nil\tincompatible")
    child:expect("false\tincompatible")
    child:join()
  end)

  it("replaced: the segment was destroyed since", function()
    local m <close> = create()
    local r <close> = assert(ipmmap.reader(S, { mmap_dir = dir }))
    local e <close> = assert(ipmmap.editor(S, { mmap_dir = dir }))
    m:destroy()
    fails("replaced", e:try_lock())
    fails("replaced", r:try_lock(1))
    fails("replaced", r:wait(0, 5))
    assert.is_truthy(raises("replaced", e.write, e, "data_int", 1):find(path, 1, true))
    raises("replaced", e.lock, e)
    raises("replaced", r.with, r, print)
  end)

  it("forked: the handle was opened before a fork, by the parent", function()
    local m <close> = create()
    local r <close> = assert(ipmmap.reader(S, { mmap_dir = dir }))
    local view <close> = m:lock()
    view.data_int = 5
    local child = process.fork(function()
      local function code(call)
        local ok, err = pcall(call)
        return ok and "ok" or type(err) == "string" and err or err.code
      end
      print(select(3, r:try_lock()))
      print(select(3, r:wait(0, 1)))
      for _, call in ipairs {
        function() return r:lock() end, function() return r:read("data_int") end,
        function() return r:snapshot() end, function() return m:write("data_int", 1) end,
        function() return m:with(print) end, function() return r:version() end,
        function() return r:last_update() end,
        function() return m:destroy() end, function() return m:flush() end,
      } do print(code(call)) end
      print(pcall(function() return view.data_int end))
      m:close()
      r:close()
      local mine = assert(ipmmap.editor(S, { mmap_dir = dir }))
      print(select(3, mine:try_lock()))
    end)
    for _ = 1, 11 do child:expect("forked") end
    child:match("^false\t")
    child:expect("timeout")
    child:join()
    assert.equal(5, view.data_int)
    m:unlock()
    assert.equal(5, r:read("data_int"))
  end)

  it("a bug is raised, naming struct, path and value", function()
    local m <close> = create()
    for _, bug in ipairs {
      { function() m:write("data_int", 2147483648) end, "CError", "data_int", "2147483648", "int32" },
      { function() m:write("data_int", "five") end, "CError", "data_int", "five", "int32" },
      { function() m:write("text", ("x"):rep(201)) end, "CError", "text", "xxx", "200" },
      { function() m:read("data_ind") end, "CError", "data_ind" },
      { function() m:set { nothing = 1 } end, "CError", "nothing" },
      { function() m:unlock() end, "CError", "lock" },
    } do
      local ok, message = pcall(bug[1])
      assert.is_false(ok)
      for i = 2, #bug do assert.is_truthy(tostring(message):find(bug[i], 1, true), message) end
    end
  end)
end)

-- The table "Handles" of the Lua API: constructors, options and roles.
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local tmpdir = require "spec.helper.tmpdir"

local S = ipmmap.base:extend("CHandle", { { "n", "int32" }, { "text", "char[8]" }, { "pair", "int32[2]" } })

local DEFINE <const> = [[
  local ipmmap = require "ipmmap"
  local S = ipmmap.base:extend("CHandle", { { "n", "int32" }, { "text", "char[8]" }, { "pair", "int32[2]" } })
  local dir = ...
]]

local function spawn(source, ...) return process.spawn(DEFINE .. source, ...) end

local function sh(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read("a")
  pipe:close()
  return (text:gsub("\n$", ""))
end

local nobody <const> = "setpriv --reuid=65534 --regid=65534 --clear-groups"

local function needs(command)
  if not os.execute(command .. " 2>/dev/null") then pending("this must work: " .. command) end
end

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

local function raises(pattern, fn, ...)
  local ok, message = pcall(fn, ...)
  assert.is_false(ok, "nothing was raised")
  assert.matches(pattern, tostring(message))
  return message
end

describe("the contract of handles:", function()
  local dir
  before_each(function() dir = tmpdir() end)

  describe("the constructors", function()
    it("take a Struct or a registered name", function()
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true }))
      local e <close> = assert(ipmmap.editor("CHandle", { mmap_dir = dir }))
      local r <close> = assert(ipmmap.reader(S, { mmap_dir = dir }))
      e:write("n", 5)
      assert.same({ 5, 5 }, { r:read("n"), m:read("n") })
    end)

    it("return nil, a message and `not_found` where there is no segment", function()
      for _, role in ipairs { "manager", "editor", "reader" } do
        local message = fails("not_found", ipmmap[role](S, { mmap_dir = dir }))
        assert.is_truthy(message:find(dir .. "/CHandle_.mmap", 1, true), message)
        fails("not_found", ipmmap[role](S, { mmap_dir = dir .. "/nowhere" }))
      end
      assert.is_false(exists(dir .. "/nowhere"))
    end)

    it("raise for a struct that is not registered or has no common header", function()
      local P = ipmmap.struct("CHandlePlain", { { "x", "int32" } })
      for _, role in ipairs { "manager", "editor", "reader" } do
        raises("CNobody", ipmmap[role], "CNobody", { mmap_dir = dir })
        raises("CHandlePlain.*header", ipmmap[role], P, { mmap_dir = dir })
        raises("CHandlePlain.*header", ipmmap[role], "CHandlePlain", { mmap_dir = dir })
        raises("", ipmmap[role], nil, { mmap_dir = dir })
        raises("", ipmmap[role], 7)
      end
    end)

    it("use ./.mmap when no directory is given", function()
      local child = process.start {
        "lua5.4", posix.getcwd() .. "/spec/helper/child.lua", DEFINE .. [[
          local m = assert(ipmmap.manager("CHandle", { create = true }))
          print(m:info().path)
          m:write("n", 3)
          print(assert(ipmmap.reader("CHandle")):read("n"))
        ]], cwd = dir,
      }
      child:match("%.mmap/CHandle_%.mmap$")
      child:expect("3")
      child:join()
      assert.is_true(exists(dir .. "/.mmap/CHandle_.mmap"))
      assert.is_true(exists(dir .. "/.mmap/CHandle_.lock"))
    end)
  end)

  describe("the option", function()
    it("tag names one of several segments", function()
      local one <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true, tag = "v1.2" }))
      local two <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true, tag = "v1.3" }))
      local all = "aZ09._-"
      local three <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true, tag = all }))
      one:write("n", 1)
      two:write("n", 2)
      assert.same({ 1, 2, 0 }, { one:read("n"), two:read("n"), three:read("n") })
      assert.is_true(exists(dir .. "/CHandle_v1.2.mmap"))
      assert.is_true(exists(dir .. "/CHandle_v1.3.lock"))
      assert.is_true(exists(dir .. "/CHandle_" .. all .. ".mmap"))
      assert.equal("v1.2", one:info().tag)
    end)

    it("tag refuses all but letters, digits, dot, underscore and hyphen", function()
      for _, tag in ipairs { "a/b", "../up", "/", "a b", "a\0b", "ü", 5, true, {} } do
        raises("CHandle.*tag", ipmmap.manager, S, { mmap_dir = dir, create = true, tag = tag })
      end
      assert.equal("", sh("ls -A " .. dir))
    end)

    it("mmap_dir may end in any number of slashes", function()
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true }))
      m:write("n", 4)
      for _, tail in ipairs { "", "/", "//", "///" } do
        local r <close> = assert(ipmmap.reader(S, { mmap_dir = dir .. tail }))
        assert.equal(4, r:read("n"))
      end
      assert.equal(dir .. "/CHandle_.mmap", assert(ipmmap.reader(S, { mmap_dir = dir .. "//" })):info().path)
    end)

    it("mmap_dir may be ./ and . and have been made by nobody", function()
      local child = process.start {
        "lua5.4", posix.getcwd() .. "/spec/helper/child.lua", DEFINE .. [[
          for _, dir in ipairs { "./", ".", "a", "b/c/d//" } do
            local m <close> = assert(ipmmap.manager(S, { create = true, mmap_dir = dir, tag = "t" }))
            m:write("n", 3)
            print(assert(ipmmap.reader(S, { mmap_dir = dir, tag = "t" })):read("n"))
          end
        ]], cwd = dir,
      }
      for _ = 1, 4 do child:expect("3") end
      child:join()
      assert.is_true(exists(dir .. "/b/c/d/CHandle_t.mmap"))
    end)

    it("lock_dir holds the lock file, and is made like mmap_dir", function()
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir .. "/m", lock_dir = dir .. "/l/", create = true }))
      assert.equal(dir .. "/l/CHandle_.lock", m:info().lock_path)
      assert.is_true(exists(dir .. "/l/CHandle_.lock"))
      assert.is_false(exists(dir .. "/m/CHandle_.lock"))
      local e <close> = assert(ipmmap.editor(S, { mmap_dir = dir .. "/m", lock_dir = dir .. "/l" }))
      local held <close> = m:lock()
      assert.equal(0, held.n)
      assert.equal("deadlock", select(3, e:try_lock()))
    end)

    it("create makes a segment, and keeps one of the same layout", function()
      local before = ipmmap.now()
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true }))
      assert.equal(0, m:read("n"))
      assert.equal(0x1128, m:read("header.header_code"))
      local created = m:read("header.time_stamp")
      assert.is_true(before <= created and created <= ipmmap.now())
      m:set { n = 5, text = "kept" }
      local again <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true }))
      assert.equal("kept", again:read("text"))
      local opened <close> = assert(ipmmap.manager(S, { mmap_dir = dir }))
      assert.equal(5, opened:read("n"))
    end)

    it("force resets the same layout in place, and handles elsewhere go on", function()
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true }))
      m:set { n = 5, text = "old" }
      local child = spawn([[
        local r = assert(ipmmap.reader(S, { mmap_dir = dir }))
        local e = assert(ipmmap.editor(S, { mmap_dir = dir }))
        local version = r:version()
        print(r:read("n"))
        version = assert(r:wait(version, 30))
        print(r:read("n"), r:read("text"), r:last_update() > 0, r:read("header.header_code"))
        e:write("n", 9)
        print("written")
      ]], dir)
      child:expect("5")
      local fresh <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true, force = true }))
      child:expect("0\t\ttrue\t4392")
      child:expect("written")
      child:join()
      assert.equal(9, fresh:read("n"))
      assert.equal(9, m:read("n"))
    end)

    it("force replaces another layout, and old handles say `replaced`", function()
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true }))
      local child = process.spawn([[
        local ipmmap = require "ipmmap"
        local dir = ...
        local T = ipmmap.base:extend("CHandle", { { "n", "int64" } })
        local ok, message, code = ipmmap.manager(T, { mmap_dir = dir, create = true })
        print(ok, code)
        print(message)
        local m = assert(ipmmap.manager(T, { mmap_dir = dir, create = true, force = true }))
        m:write("n", 1 << 40)
        print(m:read("n"))
      ]], dir)
      child:expect("nil\tlayout")
      child:match("n: int32 at 16 in the file, int64 at 16 in the definition")
      child:expect(tostring(1 << 40))
      child:join()
      fails("replaced", m:try_lock())
    end)

    it("mode gives the bits of the data file, and of them the lock file those of who may write", function()
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir .. "/a", create = true }))
      assert.equal("600 600 700", sh(("stat -c %%a %s/a/CHandle_.mmap %s/a/CHandle_.lock %s/a | xargs")
        :format(dir, dir, dir)))
      local child = process.start { "sh", "-c", 'umask 077; exec "$@"', "sh", "lua5.4",
        posix.getcwd() .. "/spec/helper/child.lua", DEFINE .. [[
          assert(ipmmap.manager(S, { mmap_dir = dir, create = true, mode = "664" }))
        ]], dir .. "/b" }
      child:join()
      assert.equal("664 660 775", sh(("stat -c %%a %s/b/CHandle_.mmap %s/b/CHandle_.lock %s/b | xargs")
        :format(dir, dir, dir)))
      assert.is_not_nil(m)
    end)

    it("mode refuses what is no octal text", function()
      for _, mode in ipairs { "888", "", "rw", "99999", "-600", "600 ", " 600", 600, true } do
        raises("mode", ipmmap.manager, S, { mmap_dir = dir, create = true, mode = mode })
      end
      assert.equal("", sh("ls -A " .. dir))
    end)

    it("max_readers limits who reads at the same time", function()
      local m <close> = assert(ipmmap.manager(S, { mmap_dir = dir, create = true, max_readers = 2 }))
      local function reader()
        local child = spawn([[
          local r = assert(ipmmap.reader(S, { mmap_dir = dir }))
          local view, _, code = r:try_lock()
          print(view and "held" or code)
          io.read()
        ]], dir)
        return child
      end
      local one, two = reader(), reader()
      one:expect("held")
      two:expect("held")
      reader():expect("timeout")
      two:send("")
      two:join()
      local four = reader()
      four:expect("held")
      assert.is_not_nil(m)
    end)

    it("max_readers is 1 to 128", function()
      for _, n in ipairs { 0, -1, 129, 1.5, "3", true } do
        raises("max_readers", ipmmap.manager, S, { mmap_dir = dir, create = true, max_readers = n })
      end
    end)

    it("that is unknown, or not this role's, raises", function()
      raises("colour", ipmmap.manager, S, { colour = "red" })
      raises("CHandle.*colour", ipmmap.reader, S, { colour = "red" })
      for _, role in ipairs { "editor", "reader" } do
        for option, value in pairs { create = true, force = true, mode = "600", max_readers = 3 } do
          raises(option, ipmmap[role], S, { mmap_dir = dir, [option] = value })
        end
      end
      raises("create", ipmmap.manager, S, { create = "yes" })
      raises("force", ipmmap.manager, S, { create = true, force = 1 })
      raises("mmap_dir", ipmmap.manager, S, { mmap_dir = 3 })
      raises("mmap_dir", ipmmap.manager, S, { mmap_dir = "a\0b" })
      raises("lock_dir", ipmmap.manager, S, { lock_dir = {} })
      raises("", ipmmap.manager, S, "dir")
    end)
  end)

  describe("the role", function()
    local m, e, r
    before_each(function()
      m = assert(ipmmap.manager(S, { mmap_dir = dir, create = true }))
      e = assert(ipmmap.editor(S, { mmap_dir = dir }))
      r = assert(ipmmap.reader(S, { mmap_dir = dir }))
    end)
    after_each(function()
      m:close()
      e:close()
      r:close()
    end)

    it("manager does all that an editor may, and destroys", function()
      for _, h in ipairs { m, e } do
        do
          local view <close> = h:lock()
          view.n = 1
        end
        h:write("n", 1)
        h:set { n = 2 }
        assert.equal(3, h:add("n", 1))
        h:touch()
        h:clear()
        h:flush()
        assert.equal(0, r:read("n"))
      end
      m:destroy()
      assert.equal("", sh("ls -A " .. dir))
    end)

    it("editor does not destroy", function()
      raises("destroy", function() e:destroy() end)
      assert.is_true(exists(dir .. "/CHandle_.mmap"))
    end)

    it("reader does not write", function()
      for _, method in ipairs { "write", "set", "add", "rollback", "touch", "clear", "flush", "destroy" } do
        raises("CHandle", function() r[method](r, "n", 1) end)
      end
      do
        local view <close> = r:lock()
        local message = raises("CHandle", function() view.n = 5 end)
        assert.matches("reader", message)
        assert.matches("n", message)
        raises("reader", function() view.pair[1] = 5 end)
        raises("reader", function() view.pair = { 1 } end)
        raises("reader", ipmmap.setbytes, view, ipmmap.bytes(view))
        assert.equal(0, view.n)
        assert.equal(S.size, #ipmmap.bytes(view))
      end
      assert.equal(0, e:read("n"))
    end)

    it("reader reads lock-free where it may not write to the lock file", function()
      needs(nobody .. " test -r " .. posix.getcwd() .. "/spec/helper/child.lua")
      m:write("n", 6)
      os.execute(("chmod 755 %s; chmod 644 %s/CHandle_.mmap %s/CHandle_.lock"):format(dir, dir, dir))
      local child = process.start { "sh", "-c", "exec " .. nobody .. ' "$@"', "sh", "lua5.4",
        posix.getcwd() .. "/spec/helper/child.lua", DEFINE .. [[
          local r = assert(ipmmap.reader(S, { mmap_dir = dir }))
          print(r:read("n"), r:snapshot().n, r:version(), r:info().writable, r:last_update() > 0)
          local view, message, code = r:try_lock()
          print(view, type(message), code)
          print(message)
          local ok, e = pcall(r.lock, r)
          print(ok, e.code, e.message == tostring(e))
          local version = r:version()
          print("waiting")
          print(assert(r:wait(version, 30)), r:read("n"))
          print(select(3, r:wait(r:version(), 0.05)))
          print(select(3, ipmmap.editor(S, { mmap_dir = dir })))
        ]], dir }
      local version = m:version()
      child:expect(("6\t6\t%d\tfalse\ttrue"):format(version))
      child:expect("nil\tstring\tpermission")
      child:match("CHandle_%.lock")
      child:expect("false\tpermission\ttrue")
      child:expect("waiting")
      m:write("n", 7)
      child:expect(("%d\t7"):format(m:version()))
      child:expect("timeout")
      child:expect("permission")
      child:join()
    end)
  end)
end)

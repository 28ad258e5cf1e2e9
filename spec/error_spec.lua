-- Error objects, which methods raise for failures of the environment; and errors of the operating
-- system.
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"
local somebody = require "spec.helper.somebody"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE = [[
  local ipmmap = require "ipmmap"
  local S = ipmmap.base:extend("ErrorSpec", { { "n", "int32" } })
  local dir = ...
]]
local S = load(DEFINE .. " return S")()

local function line_of_caller()
  return debug.getinfo(2, "l").currentline
end

describe("an error object", function()
  local dir, manager, reader
  before_each(function() dir, manager, reader = segment.make(S, { "reader" }) end)
  after_each(segment.close)

  local function raised_by(fn, ...)
    local ok, raised = pcall(fn, ...)
    assert.is_false(ok)
    assert.equal("table", type(raised), tostring(raised))
    return raised
  end

  local here
  local function is_positioned(raised, code)
    assert.equal(code, raised.code)
    assert.truthy(raised.message:find "^[%w/]")
    assert.is_nil(raised.message:find "spec%.lua")
    local file = debug.getinfo(1, "S").short_src
    assert.equal(("%s:%d: %s"):format(file, here, raised.message), tostring(raised))
  end

  it("has the caller's position in its tostring, but not in its message", function()
    local calls = {
      function() here = line_of_caller() manager:with(print) end,
      function() here = line_of_caller() manager:write("n", 1) end,
      function() here = line_of_caller() manager:set { n = 1 } end,
      function() here = line_of_caller() manager:add("n", 1) end,
      function() here = line_of_caller() manager:touch() end,
      function() here = line_of_caller() manager:clear() end,
    }
    reader:with(function()
      for _, call in ipairs(calls) do
        local raised = raised_by(call)
        is_positioned(raised, "deadlock")
        assert.matches("ErrorSpec", raised.message)
      end
    end)
  end)

  it("of a failed commit has the position of the call of with", function()
    is_positioned(raised_by(function()
      local function destroy(data)
        data.n = 1
        assert(ipmmap.manager(S, { mmap_dir = dir })):destroy()
      end
      here = line_of_caller() + 1
      manager:with(destroy)
    end), "replaced")
  end)

  it("has no position if the caller is a C function, like an error of error()", function()
    reader:with(function()
      local raised = raised_by(manager.with, manager, print)
      assert.equal(raised.message, tostring(raised))
    end)
  end)

  it("stays the same object when it is raised again", function()
    reader:with(function()
      local raised = raised_by(function() here = line_of_caller() manager:touch() end)
      assert.equal(raised, raised_by(function() error(raised) end))
      is_positioned(raised, "deadlock")
    end)
  end)
end)

describe("an error of the operating system:", function()
  local dir
  before_each(function() dir = tmpdir() end)

  local function create()
    return assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
  end

  -- Runs a chunk, which can use S and dir. `argv` is the start of the command line.
  local function spawn_by(argv, source)
    local all = table.move(argv, 1, #argv, 1, {})
    for _, word in ipairs { process.LUA, posix.getcwd() .. "/spec/helper/child.lua", DEFINE .. source, dir } do
      all[#all + 1] = word
    end
    return process.start(all)
  end

  it("a denied access returns permission, with the path and the system's text", function()
    local argv, why = somebody()
    if not argv then return pending(why) end
    create():close()
    os.execute("chmod 755 " .. dir)
    local child = spawn_by(argv, [[
      print(select(2, ipmmap.reader(S, { mmap_dir = dir })))
      print(select(2, ipmmap.editor(S, { mmap_dir = dir })))
      print(select(2, ipmmap.manager(S, { mmap_dir = dir, create = true, tag = "new" })))
      print(select(2, ipmmap.manager(S, { mmap_dir = dir .. "/new", create = true })))
      print(select(2, ipmmap.manager(S, { mmap_dir = dir, create = true, force = true })))
    ]])
    for _, name in ipairs { "/ErrorSpec_.mmap", "/ErrorSpec_.mmap", "", "/new", "/ErrorSpec_." } do
      local message, code = child:match("^(.*)\t(%S+)$")
      assert.equal("permission", code, message)
      assert.is_truthy(message:find(dir .. name, 1, true), message)
      assert.matches("Permission denied", message)
    end
    child:join()
  end)

  it("a creation without room on the disk returns no_space, and leaves no file", function()
    local mount = "mount -t tmpfs -o size=64k,mode=700 none " .. dir
    if not either.succeeds(("unshare -m sh -c '%s' 2>/dev/null"):format(mount)) then
      return pending("needs root, to mount a tmpfs")
    end
    local child = spawn_by({ "unshare", "-m", "sh", "-c", mount .. ' && exec "$@"', "sh" }, [[
      local Big = ipmmap.base:extend("ErrorSpecBig", { { "bytes", "uint8[1000000]" } })
      local ok, message, code = ipmmap.manager(Big, { mmap_dir = dir, create = true })
      print(ok, code, message)
      for line in io.popen("ls -A " .. dir):lines() do print(line) end
      assert(ipmmap.manager(S, { mmap_dir = dir, create = true })):write("n", 1)
    ]])
    child:match("^nil\tno_space\t.*/ErrorSpecBig_%.mmap: No space left on device")
    child:join()
  end)

  it("a path that is too long or goes through a file returns system, with the system's text", function()
    assert(io.open(dir .. "/file", "w")):close()
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

  it("a lock file of another pid namespace returns incompatible, and reads without the lock still work", function()
    if not either.succeeds("unshare --pid --fork true 2>/dev/null") then
      return pending("needs root, to make a pid namespace")
    end
    local manager = create()
    manager:write("n", 3)
    local child = spawn_by({ "unshare", "--pid", "--fork" }, [[
      local ok, message, code = ipmmap.editor(S, { mmap_dir = dir })
      print(ok, code, message)
      local r = assert(ipmmap.reader(S, { mmap_dir = dir }))
      print(r:read("n"), r:snapshot().n)
      local result, _, why = r:try_with(print)
      print(result, why)
      local raised, err = pcall(r.with, r, print)
      print(raised, err.code)
    ]])
    child:match("^nil\tincompatible\t.*ErrorSpec_%.lock")
    child:expect("3\t3")
    child:expect("nil\tincompatible")
    child:expect("false\tincompatible")
    child:join()
    manager:close()
  end)
end)

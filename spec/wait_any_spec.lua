local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local DEFINE = [[
  local ipmmap = require "ipmmap"
  local S = ipmmap.base:extend("WaitAnySpec", { { "n", "int32" } })
]]
local S = ipmmap.base:extend("WaitAnySpec", { { "n", "int32" } })

describe("wait_any", function()
  local dir
  before_each(function() dir = tmpdir() end)
  after_each(segment.close)

  -- So many managers, and readers of the same segments.
  local function make(count)
    local managers, readers = {}, {}
    for i = 1, count do
      managers[i] = segment.open("manager", S, { create = true, mmap_dir = dir, tag = tostring(i) })
      readers[i] = segment.open("reader", S, { mmap_dir = dir, tag = tostring(i) })
    end
    return managers, readers
  end

  local function reports(handle, readers, seconds)
    local found, version = ipmmap.wait_any(readers, seconds or 10)
    assert.equal(handle, found)
    assert.equal(handle:version(), version)
  end

  it("returns the handle and the version of a commit, once", function()
    local managers, readers = make(3)
    fails("timeout", ipmmap.wait_any(readers, 0))
    managers[2]:write("n", 1)
    managers[2]:write("n", 2)
    reports(readers[2], readers)
    fails("timeout", ipmmap.wait_any(readers, 0.02))
    managers[1]:write("n", 1)
    reports(readers[1], { readers[1] })
    fails("timeout", ipmmap.wait_any(readers, -1))
  end)

  it("reports a commit since the handle was opened, and commits of the handle itself", function()
    local managers = make(1)
    managers[1]:add("n", 1)
    local late = segment.open("editor", S, { mmap_dir = dir, tag = "1" })
    fails("timeout", ipmmap.wait_any({ late }, 0))
    reports(managers[1], managers)
    late:add("n", 1)
    reports(late, { late })
  end)

  it("reports several handles in turn, however many commits one has", function()
    local managers, readers = make(3)
    local counts = { 0, 0, 0 }
    for _ = 1, 30 do
      for i = 1, 3 do managers[i]:add("n", 1) end
      local handle = ipmmap.wait_any { readers[1], readers[2], readers[3] }
      for i = 1, 3 do counts[i] = counts[i] + (handle == readers[i] and 1 or 0) end
    end
    assert.same({ 10, 10, 10 }, counts)
  end)

  it("sleeps until another process commits, to any of 300 segments", function()
    local _, readers = make(300)
    local child = process.spawn(DEFINE .. [[
      for tag in io.lines() do
        local editor = assert(ipmmap.editor(S, { mmap_dir = ..., tag = tag }))
        editor:add("n", 1)
        editor:close()
      end
    ]], dir)
    for i = 1, 100 do
      local index = i * 7 % 300 + 1
      child:send(tostring(index))
      reports(readers[index], readers)
    end
    child:close_input()
    child:join()
  end)

  it("has no descriptor left after the call", function()
    local function count()
      local descriptors = 0
      local list = io.popen("ls /proc/" .. posix.getpid() .. "/fd")
      for _ in list:lines() do descriptors = descriptors + 1 end
      list:close()
      return descriptors
    end
    local _, readers = make(3)
    local before = count()
    fails("timeout", ipmmap.wait_any(readers, 0.01))
    assert.equal(before, count())
  end)

  it("returns the handle whose segment is destroyed or removed", function()
    local managers, readers = make(3)
    managers[3]:destroy()
    local _, message, code, handle = ipmmap.wait_any(readers, 10)
    assert.equal("replaced", code)
    assert.truthy(message:find("WaitAnySpec_3.mmap", 1, true), message)
    assert.equal(readers[3], handle)
    os.remove(dir .. "/WaitAnySpec_2.mmap")
    _, _, code, handle = ipmmap.wait_any({ readers[1], readers[2] }, 10)
    assert.equal("replaced", code)
    assert.equal(readers[2], handle)
  end)

  it("sleeps until a segment is destroyed by another process", function()
    local _, readers = make(2)
    local child = process.spawn(DEFINE .. [[
      io.read()
      assert(ipmmap.manager(S, { mmap_dir = ..., tag = "2" })):destroy()
    ]], dir)
    child:send("go")
    local _, _, code, handle = ipmmap.wait_any(readers, 10)
    assert.equal("replaced", code)
    assert.equal(readers[2], handle)
    child:close_input()
    child:join()
  end)

  it("goes on with a handle that follows", function()
    for _, layout in ipairs { "exact", "compatible" } do
      local managers = make(2)
      local follower = segment.open("reader", S, { mmap_dir = dir, tag = "2", follow = true, layout = layout })
      managers[2]:write("n", 1)
      reports(follower, { managers[1], follower })
      managers[2]:destroy()
      local again = segment.open("manager", S, { create = true, mmap_dir = dir, tag = "2" })
      reports(follower, { managers[1], follower })
      again:write("n", 5)
      reports(follower, { managers[1], follower })
      segment.close()
    end
  end)

  it("finds a commit of which it is not notified", function()
    local managers = make(1)
    os.remove(managers[1]:info().lock_path)
    local reader = segment.open("reader", S, { mmap_dir = dir, tag = "1" })
    managers[1]:write("n", 1)
    reports(reader, { reader })
    managers[1]:close()
    fails("timeout", ipmmap.wait_any({ reader }, 0.02))
  end)

  it("refuses to sleep while a handle of the list holds its lock", function()
    local managers, readers = make(2)
    managers[1]:with(function()
      refused("WaitAnySpec: no commit can come while this handle holds its lock", ipmmap.wait_any,
        { readers[2], managers[1] }, 1)
      managers[2]:write("n", 1)
      reports(readers[2], { readers[2], managers[1] })
    end)
  end)

  it("fails in a fork's child", function()
    local _, readers = make(1)
    local child = process.fork(function() print((select(3, ipmmap.wait_any(readers, 1)))) end)
    child:expect "forked"
    child:join()
  end)

  it("refuses wrong arguments", function()
    local managers, readers = make(2)
    refused("wait_any takes a list of handles, not nil", ipmmap.wait_any)
    refused("wait_any takes a list of handles, not 5", ipmmap.wait_any, 5)
    refused("wait_any takes a list of handles, not an empty table", ipmmap.wait_any, {})
    refused("wait_any takes a list of handles, not a", ipmmap.wait_any, readers[1])
    refused("wait_any takes a list of handles, and its element 2 is 5", ipmmap.wait_any, { readers[1], 5 })
    refused("wait_any takes a list of handles, and its element 1 is 'x'", ipmmap.wait_any, { "x" })
    refused("wait_any: 'x' is not a number of seconds", ipmmap.wait_any, readers, "x")
    managers[1]:close()
    refused("WaitAnySpec: this manager is closed", ipmmap.wait_any, managers, 0)
  end)
end)

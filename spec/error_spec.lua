-- Error objects: what methods that promise a result raise where the world fails.
local ipmmap = require "ipmmap"
local tmpdir = require "spec.helper.tmpdir"

local S = ipmmap.base:extend("ErrorSpec", { { "n", "int32" } })

local function line_of_caller()
  return debug.getinfo(2, "l").currentline
end

describe("an error object", function()
  local dir, manager, reader
  before_each(function()
    dir = tmpdir()
    manager = assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
    reader = assert(ipmmap.reader(S, { mmap_dir = dir }))
  end)
  after_each(function()
    manager:close()
    reader:close()
  end)

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

  it("begins with the caller's position as text, and its message does not", function()
    local _ <close> = reader:lock()
    for _, call in ipairs {
      function() here = line_of_caller() local _ <close> = manager:lock() end,
      function() here = line_of_caller() manager:with(print) end,
      function() here = line_of_caller() manager:write("n", 1) end,
      function() here = line_of_caller() manager:set { n = 1 } end,
      function() here = line_of_caller() manager:add("n", 1) end,
      function() here = line_of_caller() manager:touch() end,
    } do
      is_positioned(raised_by(call), "deadlock")
    end
  end)

  it("of a commit that fails has the position of the block's end, and of the call of with", function()
    is_positioned(raised_by(function()
      here = line_of_caller() + 3
      do
        local data <close> = manager:lock()
        data.n = 1; assert(ipmmap.manager(S, { mmap_dir = dir })):destroy() end
    end), "replaced")
    manager:close()
    manager = assert(ipmmap.manager(S, { create = true, mmap_dir = dir }))
    is_positioned(raised_by(function()
      local function destroy(data)
        data.n = 1
        assert(ipmmap.manager(S, { mmap_dir = dir })):destroy()
      end
      here = line_of_caller() + 1
      manager:with(destroy)
    end), "replaced")
  end)

  it("raised to a caller in C has no position, as error gives none", function()
    local _ <close> = reader:lock()
    local raised = raised_by(manager.lock, manager)
    assert.equal(raised.message, tostring(raised))
  end)

  it("goes on as it is", function()
    local _ <close> = reader:lock()
    local raised = raised_by(function() here = line_of_caller() manager:touch() end)
    assert.equal(raised, raised_by(function() error(raised) end))
    is_positioned(raised, "deadlock")
  end)
end)

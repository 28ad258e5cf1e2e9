local ipmmap = require "ipmmap"
local tmpdir = require "spec.helper.tmpdir"

local Resident = ipmmap.base:extend("ResidentSpec", { { "bytes", "uint8[1000000]" } })

local function locked_kib()
  for line in io.lines("/proc/self/status") do
    local kib = line:match("^VmLck:%s*(%d+)")
    if kib then return tonumber(kib) end
  end
end

describe("a handle opened with mlock", function()
  it("keeps the segment in memory until it is closed", function()
    local dir = tmpdir()
    local before = locked_kib()
    local manager, message = ipmmap.manager(Resident, { mmap_dir = dir, create = true, mlock = true })
    if not manager then
      assert.matches("ulimit %-l", message)
      return pending("the limit of locked memory is too low")
    end
    assert.is_true(locked_kib() - before > 2000)
    manager:close()
    assert.equal(before, locked_kib())
  end)
end)

describe("a handle opened with prefault", function()
  it("can have any role; the option takes a boolean", function()
    local options = { mmap_dir = tmpdir(), prefault = true }
    assert.truthy(ipmmap.manager(Resident, { mmap_dir = options.mmap_dir, create = true, prefault = true }))
    assert.truthy(ipmmap.editor(Resident, options))
    assert.truthy(ipmmap.reader(Resident, options))
    assert.error_matches(function() ipmmap.reader(Resident, { prefault = 1 }) end,
                         "option 'prefault': 1 is not a boolean")
  end)
end)

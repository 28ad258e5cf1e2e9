-- Plain files that become segments.
local exists = require "spec.helper.exists"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local refused = require "spec.helper.refused"
local run = require("spec.helper.shell").run
local segment = require "spec.helper.segment"
local tmpdir = require "spec.helper.tmpdir"

local S = ipmmap.base:extend("AdoptSpec", { { "n", "int32" }, { "text", "char[8]" } })
ipmmap.struct("AdoptSpecPlain", { { "n", "int32" } })

-- What Python's ipmmap writes: the bytes of a ctypes structure, and nothing else.
local PYTHON = [[
import ctypes, sys
class Header(ctypes.Structure):
    _fields_ = [("header_code", ctypes.c_short), ("time_stamp", ctypes.c_double)]
class AdoptSpec(ctypes.Structure):
    _fields_ = [("header", Header), ("n", ctypes.c_int32), ("text", ctypes.c_char * 8)]
open(sys.argv[1], "wb").write(bytes(AdoptSpec((0x1128, 1234.5), 42, b"hello")))
]]

describe("adopt", function()
  local dir, path
  after_each(segment.close)
  before_each(function()
    dir = tmpdir()
    path = dir .. "/AdoptSpec_left.mmap"
    run(("python3 -c '%s' '%s'"):format(PYTHON, path))
  end)

  it("makes a segment of a file of another program, in its place", function()
    assert.is_true(ipmmap.adopt(S, path))
    local editor = segment.open("editor", S, { mmap_dir = dir, tag = "left" })
    assert.equal(42, editor:read "n")
    assert.equal("hello", editor:read "text")
    assert.equal(1234.5, editor:last_update())
    editor:write("n", 43)
    assert.is_true(ipmmap.adopt("AdoptSpec", path))
    assert.equal(43, editor:read "n")
  end)

  it("makes one elsewhere, and leaves the file as it is", function()
    os.rename(path, dir .. "/saved")
    refused("AdoptSpec_<tag>.mmap", ipmmap.adopt, S, dir .. "/saved")
    assert.is_true(ipmmap.adopt(S, dir .. "/saved", { mmap_dir = dir .. "/new", tag = "right" }))
    local reader = segment.open("reader", S, { mmap_dir = dir .. "/new", tag = "right" })
    assert.equal(42, reader:read "n")
    assert.is_true(exists(dir .. "/saved"))
  end)

  it("is what opening such a file asks for", function()
    for _, role in ipairs { "reader", "editor", "manager" } do
      local message = fails("corrupt", ipmmap[role](S, { mmap_dir = dir, tag = "left" }))
      assert.truthy(message:find("'ipmmap adopt' makes it a segment", 1, true), message)
    end
    fails("corrupt", ipmmap.describe(path))
  end)

  it("refuses what does not fit, and leaves the file as it is", function()
    local Longer = assert(ipmmap.parse((tostring(S):gsub("text: char%[8%]", "text: char[80]"))))
    local Shorter = assert(ipmmap.parse((tostring(S):gsub("  text: char%[8%]\n", ""))))
    assert.truthy(fails("layout", ipmmap.adopt(Longer, path)):find("has 32 bytes", 1, true))
    assert.truthy(fails("layout", ipmmap.adopt(Shorter, path)):find("not zero at 24", 1, true))
    fails("not_found", ipmmap.adopt(S, dir .. "/AdoptSpec_none.mmap"))
    assert.is_true(ipmmap.adopt(S, path))
    fails("layout", ipmmap.adopt(Longer, path))
  end)

  it("raises for wrong arguments", function()
    refused("AdoptSpecPlain has no common header", ipmmap.adopt, "AdoptSpecPlain", path)
    refused("no struct 'AdoptSpecNone' is registered", ipmmap.adopt, "AdoptSpecNone", path)
    refused("adopt takes a file's path, not nil", ipmmap.adopt, S)
    refused("option 'create' is not for an adoption", ipmmap.adopt, S, path, { create = true })
    refused("option 'migrate' is not for an adoption", ipmmap.adopt, S, path, { migrate = false })
    refused("there is no option 'x'", ipmmap.adopt, S, path, { x = 1 })
  end)
end)

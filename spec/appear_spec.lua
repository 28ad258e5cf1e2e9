-- The option `wait` of editors and readers.
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local posix = require "spec.helper.posix"
local process = require "spec.helper.process"
local refused = require "spec.helper.refused"
local tmpdir = require "spec.helper.tmpdir"

local S = ipmmap.base:extend("AppearSpec", { { "number", "int32" } })

local WAITS = [[
  local role, dir, seconds = ...
  local ipmmap = require "ipmmap"
  ipmmap.base:extend("AppearSpec", { { "number", "int32" } })
  print "waits"
  local handle, message, code =
    ipmmap[role]("AppearSpec", { mmap_dir = dir, wait = tonumber(seconds) or math.huge })
  print(handle and handle:info().role or code)
]]

describe("the option wait", function()
  local dir
  before_each(function() dir = tmpdir() end)

  for _, role in ipairs { "editor", "reader" } do
    it("opens the segment as soon as there is one: " .. role, function()
      local child = process.spawn(WAITS, role, dir .. "/below")
      child:expect "waits"
      ipmmap.manager(S, { create = true, mmap_dir = dir .. "/below" }):close()
      child:expect(role)
      child:join()
    end)
  end

  it("gives the code timeout for a segment that does not appear in time", function()
    for _, open in ipairs { ipmmap.editor, ipmmap.reader } do
      local handle, message, code = open(S, { mmap_dir = dir, wait = 0.01 })
      assert.is_nil(handle)
      assert.equal("timeout", code)
      assert.truthy(message:find("AppearSpec did not appear in time: cannot open " .. dir, 1, true), message)
      fails("timeout", open(S, { mmap_dir = dir, wait = 1e-9 }))
    end
  end)

  it("looks once without a time to wait", function()
    for _, seconds in ipairs { 0, -1 } do
      fails("not_found", ipmmap.reader(S, { mmap_dir = dir, wait = seconds }))
    end
  end)

  it("lets Ctrl-C end the wait", function()
    local child = process.spawn(WAITS, "reader", dir)
    child:expect "waits"
    child:kill(posix.SIGINT)
    child:match "interrupted!"
  end)

  it("is refused to a manager, and where it is no number of seconds", function()
    refused("AppearSpec: option 'wait' is for editors and readers, not for this manager: a manager makes the segment "
      .. "with 'create'", ipmmap.manager, S, { create = true, wait = 1 })
    for _, value in ipairs { "1", true, {}, 0 / 0 } do
      refused("is not a number of seconds", ipmmap.editor, S, { wait = value })
    end
  end)
end)

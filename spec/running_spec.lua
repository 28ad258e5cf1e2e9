local ipmmap = require "ipmmap"
local markdown = require "spec.helper.markdown"
local tmpdir = require "spec.helper.tmpdir"

describe("docs/running.md", function()
  local kept = markdown.read("docs/running.md"):match("\n  d (/[%w/-]+) ")
  local lines = markdown.read("docs/running.md"):match("\n  (d " .. kept:gsub("%p", "%%%0") .. " .-\n  x [^\n]+)")

  --- Whether the segment survives a cleaner that removes everything from the directory above it.
  local function survives(configuration, command)
    local top = tmpdir()
    local manager <close> = assert(ipmmap.manager(ipmmap.base:extend("Kept", { { "n", "int32" } }),
                                                  { create = true, mmap_dir = top .. "/kept" }))
    manager:write("n", 1)
    local file = assert(io.open(top .. ".conf", "w"))
    file:write(("d %s - - - 0\n%s\n"):format(top, configuration:gsub(kept:gsub("%p", "%%%0"), top .. "/kept")))
    file:close()
    os.execute(("%s systemd-tmpfiles --clean %s.conf >/dev/null 2>&1"):format(command:gsub("DIR", top .. "/kept"), top))
    os.remove(top .. ".conf")
    local data = io.open(top .. "/kept/Kept_.mmap")
    if data then data:close() end
    return data ~= nil
  end

  it("has settings that keep systemd-tmpfiles from removing a segment", function()
    if not os.execute("systemd-tmpfiles --version >/dev/null 2>&1") then return pending("needs systemd-tmpfiles") end
    assert.is_false(survives("", ""))
    assert.is_true(survives((lines:gsub("my%-game my%-game", "- -")), ""))
    assert.is_true(survives("", "flock DIR"))
  end)
end)

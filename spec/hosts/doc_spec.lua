local host = require "spec.hosts.host"
local shell = require "spec.helper.shell"

describe("the guide to hosts", function()
  it("shows lines of the examples, as they are there", function()
    local examples = shell.run("cat examples/neovim/plugin/* examples/love/* examples/nginx/* examples/darktable/*")
    local section = host.read("docs/in-your-host.md"):match "\n## Programs that embed Lua\n.*"
    local shown = 0
    for language, block in section:gmatch "\n```(%l+)\n(.-)\n```" do
      local sets_paths = block:find "^package%.path" or block:find "^lua_package_path"
      if language ~= "sh" and not sets_paths then
        assert(examples:find(block, 1, true), "no example has:\n" .. block)
        shown = shown + 1
      end
    end
    assert.equal(6, shown)
  end)
end)

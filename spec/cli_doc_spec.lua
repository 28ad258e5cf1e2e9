local cli_doc = require "spec.helper.cli_doc"

-- Patterns for output that differs from run to run, each with the word that replaces it.
local VOLATILE <const> = {
  { "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d", "DATE" },
  { "time_stamp = [%d.]+", "time_stamp = TIME" },
  { '"version":%d+,"time":[%d.]+', '"version":N,"time":TIME' },
  { "\n%d+,[%d.]+,%-?[%d.]+", "\nN,TIME,NUMBER" },
  { "< (%d+%.%d+ ms)", "%1" },
  { "%d+%.%d+ ms", "N ms" },
  { '"celsius":%-?[%d.]+', '"celsius":NUMBER' },
  { "\n *%d+  lua[%w.]*", "\nPID  lua5.4" },
  { "\n *PID ", "\nPID " },
  { "%(%d+ s%)", "(N s)" },
  { "(in %l+.log) %(%d+ B%)", "%1 (N B)" },
  { "[^\n]*more were missed[^\n]*\n", "" },
}

local function stable(text)
  text = "\n" .. text
  for _, volatile in ipairs(VOLATILE) do text = text:gsub(volatile[1], volatile[2]) end
  return text
end

describe("docs/cli.md", function()
  it("shows what the command prints", function()
    local file <close> = assert(io.open("docs/cli.md"))
    local commands = 0
    cli_doc.each(file:read("a"), function(command, written, now)
      assert.equal(stable(written), stable(now), command)
      commands = commands + 1
    end)
    assert.is_true(commands >= 15)
  end)
end)

--- The logs in which machines saved what they had committed and not published.
local ipmmap = require "ipmmap"
local log = require "ipmmap_cli.log"
local shell = require "spec.helper.shell"
local struct = require "spec.stress.machines.struct"

local saved = {}

local function add_chains(path, chains)
  local file = assert(io.open(path, "rb"))
  local reader = assert(log.reader(file))
  local text = assert(reader:header(), path .. " is no log")
  assert(text == tostring(struct.S), path .. " is of another struct")
  local bytes, value = ("\0"):rep(struct.S.size), struct.S:new()
  while true do
    local frame, why = reader:frame(struct.S.size)
    if not frame then
      assert(why == "end", ("%s is %s"):format(path, why))
      break
    end
    bytes = log.apply(frame, bytes)
    ipmmap.setbytes(value, bytes)
    chains[value.chain] = true
  end
  file:close()
end

--- The commits in the saved logs of machines.
-- @return a set of chains
-- @return how many logs
function saved.chains(machines)
  local chains, count = {}, 0
  for _, one in ipairs(machines) do
    local names = shell.run(("ls %s"):format(shell.quote(one.dir)))
    for name in names:gmatch "[^\n]+" do
      if name:find "%.unpublished%-" then
        add_chains(one.dir .. "/" .. name, chains)
        count = count + 1
      end
    end
  end
  return chains, count
end

return saved

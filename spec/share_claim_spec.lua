-- How a machine asks for the lease of a segment whose home it was.
local claim = require "ipmmap_share.claim"
local ipmmap = require "ipmmap"

-- Asks, over a connection that takes so many seconds to be made, with a deadline that passes after so
-- many. The server has restarted. Returns what it was asked.
local function ask(left, connects_in)
  local deadline, asked = ipmmap.boottime() + left, nil
  local member = {
    machine = "alpha", ttl = 10, voice = { tell = function() end, once = function() end },
    handle = { share = function() return { place = "home", epoch = 3, token = 5, deadline = deadline } end },
    rest = function() end,
    link = {
      connect = function() ipmmap.sleep(connects_in) end,
      call = function(_, method, wanted)
        assert.equal("acquire", method)
        asked = wanted
        return "grace", 1
      end,
    },
  }
  assert.equal("claim", claim.ask(member))
  return asked
end

describe("the lease of a home", function()
  it("is claimed as its own while the deadline has not passed", function()
    local asked = ask(60, 0)
    assert.same({ "held", 5 }, { asked.claim, asked.token })
  end)

  it("is not if the deadline passes while it connects, as another machine may have it since", function()
    local asked = ask(0.01, 0.02)
    assert.equal("last", asked.claim)
    assert.not_equal(5, asked.token)
  end)
end)

-- What a member tells people and its status.
local voice = require "ipmmap_share.voice"

describe("a member's voice", function()
  local said, told, one

  before_each(function()
    said, told = {}, {}
    one = voice.new(function(line) said[#said + 1] = line end, {
      set = function(_, fields) told[#told + 1] = fields end,
      fail = function(_, message) told[#told + 1] = message end,
    })
  end)

  it("says a failure once until the work goes on", function()
    local problem = { message = "no way", is_remote = true }
    one:report(problem)
    one:report(problem)
    one:report { message = "another", is_remote = true }
    assert.same({ "no way", "another" }, said)
    assert.same({ { connected = false }, "no way", "another" }, told)
    one:fine()
    one:fine()
    assert.same({ "no way", "another", "the work goes on" }, said)
    one:report(problem)
    assert.equal("no way", said[4])
  end)

  it("says once what the work waits for, which is no failure", function()
    one:once("waiting for %s", "a home")
    one:once("waiting for %s", "a home")
    one:fine()
    assert.same({ "waiting for a home" }, said)
    assert.same({ { connected = true } }, told)
    one:once("waiting for %s", "a home")
    assert.equal(2, #said)
  end)

  it("does not set the status to what it is", function()
    one:tell { role = "home", epoch = 1 }
    one:tell { role = "home" }
    one:tell { role = "home", epoch = 2 }
    assert.same({ { role = "home", epoch = 1 }, { role = "home", epoch = 2 } }, told)
  end)
end)

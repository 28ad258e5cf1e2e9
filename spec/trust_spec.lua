local demo = require "spec.helper.demo"
local either = require "spec.helper.either"
local fails = require "spec.helper.fails"
local ipmmap = require "ipmmap"
local stranger = require "spec.helper.stranger"
local tmpdir = require "spec.helper.tmpdir"

describe("the option trust", function()
  local dir, open

  before_each(function()
    dir = tmpdir()
    open = select(2, demo(dir))
    assert(open("manager", { create = true })):close()
  end)

  it("takes a user id, a list of user ids, or anyone", function()
    for _, value in ipairs { 0, 65534, 0xfffffffe, {}, { 1000 }, { 0, 65534 }, "anyone" } do
      for _, role in ipairs { "manager", "editor", "reader" } do
        assert(open(role, { trust = value })):close()
      end
    end
  end)

  it("refuses any other value", function()
    local values = {
      "nobody", "0", "", -1, 0xffffffff, 1.5, true, { "anyone" }, { -1 }, { 1, "0" }, { user = 1000 },
      { [2] = 1000 },
    }
    if not either.is_jit then
      values[#values + 1] = 1000.0
      values[#values + 1] = { 1, 2.0 }
    end
    for _, value in ipairs(values) do
      local ok, message = pcall(open, "reader", { trust = value })
      assert.is_false(ok)
      assert.matches("Demo: option 'trust': .* is neither a user id %(.*%), nor a list of them, nor \"anyone\"",
        message)
    end
  end)

  it("decides whether files of another user are used in a directory that all users may write to", function()
    if not stranger.can_plant() then return pending(stranger.NEEDS) end
    stranger.plant(dir, "Demo_")
    for _, role in ipairs { "manager", "editor", "reader" } do
      for _, trust in ipairs { false, { 1, 2 } } do
        local message = fails("permission", open(role, { trust = trust or nil }))
        assert.matches("Demo_.mmap belongs to user " .. stranger.ID, message)
        assert.matches("option trust", message)
      end
      for _, trust in ipairs { stranger.ID, { 1, stranger.ID }, "anyone" } do
        assert(open(role, { trust = trust })):close()
      end
    end
  end)

  it("works for repair too", function()
    if not stranger.can_plant() then return pending(stranger.NEEDS) end
    local path = dir .. "/Demo_.mmap"
    local out = assert(io.open(path, "r+b"))
    out:write("\0\0")
    out:close()
    stranger.plant(dir, "Demo_")
    assert.matches("option trust", fails("permission", ipmmap.repair(path)))
    assert.is_true(ipmmap.repair(path, { trust = stranger.ID }))
    assert.is_false(ipmmap.repair(path, { trust = "anyone", lock_dir = dir }))
    assert.has_error(function() ipmmap.repair(path, { tag = "x" }) end)
    assert.has_error(function() ipmmap.repair(path, { trust = "x" }) end)
    assert.has_error(function() ipmmap.repair(7) end)
  end)
end)

-- Lists, optional fields, enumerations and limits in LuaJIT's compiled code.
local either = require "spec.helper.either"

if not either.is_jit then return end

local ffi = require "ffi"
local ipmmap = require "ipmmap"
local refused = require "spec.helper.refused"
local segment = require "spec.helper.segment"

local integer = either.integer

ipmmap.enum("MeaningJitMode", "uint8", { "idle", "walk", "run" })
ipmmap.enum("MeaningJitBig", "int64", { low = -2 ^ 60, high = 2 ^ 60 })
ipmmap.struct("MeaningJitItem", {
  { "id", "int32", default = 3 }, { "x", "float", min = 0, max = 2000 }, { "mode", "MeaningJitMode" },
})
ipmmap.struct("MeaningJitPacked", {
  { "c", "int8" }, { "d", "double" }, { "n", "int32" }, { "left", "int16?" }, { "list", "int16[<=5]" },
}, { pack = 1 })
local S = ipmmap.base:extend("MeaningJit", {
  { "items", "MeaningJitItem[<=1000]" }, { "numbers", "int32[<=1000]", max = 5000 }, { "left", "int32?" },
  { "item", "MeaningJitItem?" }, { "text", "char16[16]" }, { "packed", "MeaningJitPacked[100]" },
  { "big", "MeaningJitBig" }, { "wide", "int64", min = -2 ^ 60, max = 2 ^ 60 }, { "bits", "uint64", min = 10 },
  { "far", "int64", min = 2 ^ 60 }, { "tenth", "float", max = 0.1 },
})

local function fill(v)
  v.items, v.numbers = {}, {}
  local items, numbers = v.items, v.numbers
  for i = 1, 1000 do
    items[i] = { x = i }
    numbers[i] = i
  end
end

local function walk(v)
  local items, numbers, sum = v.items, v.numbers, 0
  for i = 1, #items do
    local item = items[i]
    item.mode = item.x % 2 == 0 and "walk" or "run"
    numbers[i] = numbers[i] + 1
    v.left = i
    sum = sum + item.id + v.left + (item.mode == "walk" and 1 or 0)
  end
  return sum
end

-- What walk returns for a list of so many items.
local function expected(count)
  return 3 * count + count * (count + 1) / 2 + math.floor(count / 2)
end

describe("in compiled code, a list or a limit", function()
  local manager, reader, _
  before_each(function() _, manager, reader = segment.make(S, { "reader" }) end)
  after_each(segment.close)

  it("grows, and is read and written, as in code that is not compiled", function()
    manager:with(function(v)
      for _ = 1, 5 do
        fill(v)
        assert.equal(expected(1000), walk(v))
      end
      assert.equal(1001, v.numbers[1000])
    end)
    assert.equal("walk", manager:read "items[1000].mode")
    reader:with(function(v)
      refused("MeaningJit.items[1].mode: a reader cannot write", walk, v)
    end)
  end)

  it("keeps limits", function()
    local value = S:new()
    fill(value)
    refused("MeaningJit.items[1].x: 2001 is above the limit of 2000", function()
      for i = 1, 3000 do value.items[1].x = i end
    end)
    assert.equal(2000, value.items[1].x)
    refused("MeaningJit.numbers[7]: 5001 is above the limit of 5000", function()
      for i = 1, 6000 do value.numbers[7] = i end
    end)
    assert.equal(5000, value.numbers[7])
  end)

  it("compares a float with its limits as it is stored", function()
    local value, refusals = S:new(), 0
    local function store(x) value.tenth = x end
    for i = 1, 200 do
      value.tenth = 0.1
      value.tenth = 0.100000004 -- the same float
      if i % 2 == 0 and not pcall(store, 0.100000006) then refusals = refusals + 1 end
    end
    assert.equal(100, refusals)
    assert.equal(0.1, tonumber(("%.7g"):format(value.tenth)))
  end)

  it("is used no further than it goes at that moment", function()
    manager:with(function(v)
      fill(v)
      walk(v)
      local items, numbers, reached, half = v.items, v.numbers, 0, {}
      for i = 1, 500 do half[i] = { x = i } end
      refused("MeaningJit.items: index 502 is out of range (1 to 500)", function()
        for i = 1, 1000 do
          if i == 400 then v.items = half end
          reached = i
          local item = items[i]
          assert(i == 501 and item == nil or item.id == 3)
        end
      end)
      assert.equal(502, reached)
      for i = 999, 500, -1 do numbers[i + 1] = nil end
      assert.equal(500, #numbers)
      assert.equal(expected(500), walk(v))
    end)
  end)

  it("is never used beyond its room, whatever its count says", function()
    local value = S:new()
    fill(value)
    walk(value)
    -- A view of a value has the address of its bytes.
    local count = ffi.cast("uint32_t *", ffi.cast("uint64_t *", value.items)[0])
    assert.equal(1000, count[0])
    for _, wrong in ipairs { 1001, 0x7fffffff, 0x80000000, 0xffffffff } do
      local sum, items = 0, value.items
      for _, use in ipairs {
        function(i) sum = sum + items[i].id end, function(i) items[i].id = 1 end, function(i) items[i] = {} end,
        function() return #items end, function() return ipmmap.totable(value) end,
        function() items[1000] = nil end,
      } do
        local is_done, raised = pcall(function()
          for i = 1, 1000 do
            count[0] = i == 900 and wrong or 1000
            use(900)
          end
        end)
        assert.is_false(is_done)
        assert.equal("corrupt", type(raised) == "table" and raised.code or raised)
        assert.equal(("MeaningJit.items: %.0f elements are more than its 1000"):format(wrong), raised.message)
      end
    end
  end)

  it("cannot be used through a view after the lock was released", function()
    local items, item, numbers
    manager:with(function(v)
      fill(v)
      walk(v)
      items, item, numbers = v.items, v.items[3], v.numbers
    end)
    local RELEASED = "view used after its lock was released"
    refused("MeaningJit.items[3]: " .. RELEASED, function() return item.id end)
    refused("MeaningJit.items: " .. RELEASED, function() return items[3] end)
    refused("MeaningJit.items: " .. RELEASED, function() return #items end)
    refused("MeaningJit.numbers: " .. RELEASED, function() numbers[#numbers + 1] = 1 end)
    refused(RELEASED, function() numbers[1] = 1 end)
    refused(RELEASED, function() numbers[1] = nil end)
  end)
end)

describe("in compiled code, a packed struct", function()
  it("is read and written at any address", function()
    local value = S:new()
    for round = 1, 20 do
      for i = 1, 100 do
        local packed = value.packed[i]
        packed.c, packed.d, packed.n, packed.left = -1, i / 4, i * 1000000, i
        packed.list[round % 5 + 1 <= #packed.list + 1 and round % 5 + 1 or 1] = i
        assert(packed.d == i / 4 and packed.n == i * 1000000 and packed.c == -1 and packed.left == i)
      end
    end
    assert.same({ c = -1, d = 25, n = 100000000, left = 100, list = { 100, 100, 100, 100, 100 } },
      ipmmap.totable(value.packed[100]))
  end)
end)

describe("in LuaJIT, a limit or a name of an integer of 64 bits", function()
  local value
  before_each(function() value = S:new() end)

  it("is exact", function()
    value.wide = 2 ^ 60
    value.wide = integer "1152921504606846976"
    refused("MeaningJit.wide: 1152921504606846977 is above the limit of 1152921504606846976",
      function() value.wide = integer "1152921504606846977" end)
    value.wide = -2 ^ 60
    refused("MeaningJit.wide: -1152921504606846977 is below the limit of -1152921504606846976",
      function() value.wide = integer "-1152921504606846977" end)
    refused("MeaningJit.far: 1152921504606846975 is below", function() value.far = integer "1152921504606846975" end)
    value.far = 2 ^ 61
    assert.has_error(function() value.far = 2 ^ 59 end)
    assert.has_error(function() value.bits = 9 end)
    value.bits = 10
    value.bits = -1 -- the largest one
    assert.is_true(value.bits == either.uint64_max)
  end)

  it("is found by either kind of number", function()
    value.big = "high"
    assert.equal("high", value.big)
    value.big = -2 ^ 60
    assert.equal("low", value.big)
    value.big = integer "1152921504606846976"
    assert.equal("high", value.big)
    value.big = integer "1152921504606846977"
    assert.is_true(value.big == integer "1152921504606846977")
    assert.is_true(ipmmap.lookup "MeaningJitBig".high == integer "1152921504606846976")
    assert.same({ "low", "high" }, (function()
      local names = {}
      for name in ipmmap.pairs(ipmmap.lookup "MeaningJitBig") do names[#names + 1] = name end
      return names
    end)())
  end)
end)

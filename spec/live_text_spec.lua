local ipmmap = require "ipmmap"
local memory = require "spec.helper.memory"
local process = require "spec.helper.process"
local segment = require "spec.helper.segment"

local S = ipmmap.base:extend("LiveText", { { "name", "char[32]" }, { "story", "char[2000]" } })

-- Whether a Lua string is valid: it has no NUL, and its hash fits its bytes, so that an equal string
-- finds it in a table.
local function is_sound(text)
  local copy = text:sub(1, 1) .. text:sub(2)
  return not text:find("\0", 1, true) and copy == text and ({ [text] = true })[copy] == true
end

describe("a text that another process changes without the lock", function()
  local _, manager, reader, path
  setup(function()
    _, manager, reader = segment.make(S, { "reader" })
    path = manager:info().path
  end)
  teardown(segment.close)

  -- Stores a text, and collects Lua's string of it, so that the next read has to make a new string.
  local function store(field, letter, length)
    manager:write(field, letter:rep(length))
    collectgarbage()
    collectgarbage()
  end

  -- Replaces the text by a shorter one at each allocation of `read` in turn.
  local function is_whole_at_each_step(field, length, short, read)
    local bytes = ("b"):rep(short) .. ("\0"):rep(length - short)
    local n, reached = 0, true
    while reached do
      n = n + 1
      store(field, "a", length)
      local view <close> = reader:lock()
      read(view)
      collectgarbage()
      collectgarbage()
      local ok, text
      reached, ok, text = memory.change(n, path, S:offsetof(field), bytes, function()
        return read(view)
      end)
      assert.is_true(ok, text)
      assert.is_true(is_sound(text), ("%q, changed at allocation %d"):format(text, n))
      assert.is_true(text == ("a"):rep(length) or text == ("b"):rep(short), text)
    end
    assert.is_true(n > 1)
  end

  local readers = {
    view = function(view, field) return view[field] end,
    read = function(_, field) return reader:read(field) end,
    totable = function(view, field) return ipmmap.totable(view)[field] end,
    bytes = function(view, field)
      local at = S:offsetof(field)
      return ipmmap.bytes(view):sub(at + 1, at + S:type().fields[field == "name" and 2 or 3].type.size)
        :match("^%Z*")
    end,
  }
  for name, read in pairs(readers) do
    it("is a valid Lua string, whenever it changes during " .. name, function()
      for field, lengths in pairs { name = { 20, 2 }, story = { 1500, 700 } } do
        is_whole_at_each_step(field, lengths[1], lengths[2], function(view)
          return read(view, field)
        end)
      end
    end)
  end

  -- In this test the moments of the changes are random; in those above they are not.
  it("is a valid Lua string while a process changes it without a pause", function()
    local child = process.spawn([[
      local path, offset = ...
      local file = assert(io.open(path, "r+b"))
      file:setvbuf("full")
      for i = 1, math.huge do
        local text = ("%d"):format(i):rep(i % 2 * 2 + 1)
        file:seek("set", tonumber(offset))
        file:write(text, ("\0"):rep(32 - #text))
        file:flush()
        if i == 100 then print("busy") end
      end
    ]], path, tostring(S:offsetof "name"))
    child:expect("busy")
    local view <close> = reader:lock()
    local last, changes, reads = nil, 0, 0
    repeat
      local text = view.name
      assert(is_sound(text) and text:find("^%d+$"), text)
      if text ~= last then last, changes = text, changes + 1 end
      reads = reads + 1
    until reads >= 100000 and changes >= 1000
    child:kill()
  end)
end)

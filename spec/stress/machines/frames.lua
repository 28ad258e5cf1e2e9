--- Frames that no home and no program would send. Each is a name and a function of the segment that
-- is stored at the server, which writes it there. None of them may change a replica.
local ipmmap = require "ipmmap"

local frames = {}

ipmmap.enum("FramesMode", "uint8", { "idle", "walk" })
ipmmap.struct("FramesPart", { { "on", "bool" }, { "name", "char[8]" }, { "x", "double" } })

--- The struct of the segment: it has a field of each kind that takes only some bytes.
frames.S = ipmmap.base:extend("Frames", {
  { "turn", "uint64" },
  { "flag", "bool" },
  { "text", "char[16]" },
  { "wide", "char16[8]" },
  { "mode", "FramesMode" },
  { "list", "FramesPart[<=3]" },
  { "maybe", "int32?" },
  { "level", "int32", min = 0, max = 10 },
  { "parts", "FramesPart[2]" },
})

local HEADER_CODE <const> = 0x1128

--- The bytes of a state.
function frames.bytes(turn)
  local bytes = ipmmap.bytes(frames.S:new {
    turn = turn, flag = turn % 2 == 0, text = "turn " .. turn, mode = "walk", level = turn % 10,
    list = { { on = true, name = "one" } }, maybe = turn,
  })
  return string.pack("<i2", HEADER_CODE) .. bytes:sub(3)
end

local function run(offset, bytes, size)
  return string.pack("<i8I4", offset, size or #bytes) .. bytes
end
frames.run = run

local function at(path) return (frames.S:offsetof(path)) end

local size = frames.S.size

--- Patches that are malformed, or would leave a struct that is.
frames.patches = {
  { "an offset after the end", run(size, "x") },
  { "a run across the end", run(size - 1, "xy") },
  { "a negative offset", run(-1, "x") },
  { "the greatest offset", run(math.maxinteger, "x") },
  { "an offset that wraps around", run(-size, ("x"):rep(size)) },
  { "a run of nothing", run(at "turn", "") },
  { "a size beyond the frame", run(at "turn", "x", 0xffffffff) },
  { "half a run's head", run(at "turn", "x") .. "\1\2\3" },
  { "runs that go down", run(at "turn" + 4, "x") .. run(at "turn", "x") },
  { "runs that overlap", run(at "turn", "xx") .. run(at "turn" + 1, "x") },
  { "the same run twice", run(at "turn", "x") .. run(at "turn", "x") },
  { "another header code", run(0, "\0\0") },
  { "a bool of 2", run(at "flag", "\2") },
  { "a bool of 255 in an array", run(at "parts" + 0, "\255") },
  { "bytes after the end of a text", run(at "text", "ab\0c" .. ("\0"):rep(12)) },
  { "one byte after the end of a text", run(at "text" + 15, "x") },
  { "bytes after the end of a wide text", run(at "wide" + 14, "x\0") },
  { "a count beyond the list", nil, path = "list", count = 4 },
  { "the greatest count", nil, path = "list", count = 0xffffffff },
  { "a good run and a bad one", run(at "turn", "x") .. run(at "flag", "\2") },
  { "a frame of 1 MiB", run(at "turn", "x") .. ("\0"):rep(1 << 20) },
  { "text that is no frame", "hello" },
  { "nothing but zeros", ("\0"):rep(24) },
}

-- Where a list keeps its count is found by looking: the count is the only difference between a list
-- of one element of zeros and one of none.
local function count_run(path, count)
  local none = ipmmap.bytes(frames.S:new { [path] = {} })
  local one = ipmmap.bytes(frames.S:new { [path] = { {} } })
  for i = 1, size do
    if none:byte(i) ~= one:byte(i) then
      local of_count = string.pack("<I4", count)
      return run(i - 1, of_count:sub(1, count > 0xff and 4 or 1))
    end
  end
end

for _, patch in ipairs(frames.patches) do
  patch[2] = patch[2] or count_run(patch.path, patch.count)
end

--- What is written instead of a number; the last ones are too great for a version.
frames.numbers = {
  "", "x", "-1", "1.5", "1e3", "0x10", " 1", "1 ", "nan", "inf", "1\n2", "\0", ("9"):rep(400),
  "18446744073709551616", "9223372036854775808", "4611686018427387904",
}

--- What is written instead of a position.
frames.positions = {
  "", "-", "1", "1-", "-1", "1-1-1", "x-y", "-1--1", "1 - 1", "0-0", "1-99999999999999999999",
  ("1"):rep(300) .. "-1",
}

--- What is written instead of the schema.
frames.schemas = {
  "", "x", "struct", "struct Frames {", "\0", ("struct "):rep(1000), ("{"):rep(5000),
  tostring(frames.S):gsub("uint64", "int64", 1),
  tostring(frames.S):gsub("%[16%]", "[17]"),
  tostring(frames.S):gsub("FramesPart", "FramesOther"),
  tostring(frames.S):gsub("\n}%s*$", "\n  more: int32\n}\n"),
  tostring(ipmmap.base),
  (tostring(frames.S):gsub("Frames", "Other")),
  ("/* */"):rep(100000),
}
for i, text in ipairs(frames.schemas) do frames.schemas[i] = (text) end

--- A text for people to read: its beginning, quoted.
function frames.show(text)
  return (("%q"):format(text:sub(1, 20)):gsub("\n", "n"))
end

return frames

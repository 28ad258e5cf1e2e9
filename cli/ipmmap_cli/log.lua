--- The log file of `ipmmap record` and `replay`: a header, then a frame for each state of the
-- struct that was recorded.
--
--     header  "IPMLOG2\n"; the schema text and the tag, each after its length (4 bytes); a check
--             of all this. If only parts of the struct were recorded: "IPMLOG3\n"; the schema text,
--             the tag, and the arguments PATH, a line for each; a check
--     frame   the length of the content (8 bytes); the same length with every bit inverted; a check
--             of the content; the content: time (double, Unix seconds), version (8 bytes), and each
--             run of changed bytes: offset (8 bytes), length (4 bytes), the bytes
--
-- Numbers are little-endian. The struct's bytes are as in memory, except that each bool is 0 or 1
-- and each text is filled up with zeros, because setbytes requires that. Runs are sorted by offset
-- and do not overlap. The first frame is the state at the start of the recording, as changes to a
-- struct of zeros. Each later frame is a commit; commits that leave the recorded parts as they were
-- have none. A check has 8 bytes and also covers the check
-- before it, so a frame that was changed, removed or moved is noticed. A log that ends within a
-- frame was cut off; the frames before that one are valid.
local log = {}

--- The largest struct, in bytes: each state is one Lua string.
log.MAX_SIZE = (1 << 31) - 1

local MAGIC <const>, PARTS_MAGIC <const> = "IPMLOG2\n", "IPMLOG3\n"
local COARSE <const>, FINE <const> = 4096, 16 -- how many bytes `difference` compares at once
local MAX_SCHEMA <const>, MAX_TAG <const>, MAX_PATHS <const> = 1 << 20, 128, 1 << 20
local MAX_TIME <const> = 2.0 ^ 53
local FIXED <const> = 16 -- bytes of a frame before its runs
local RUN <const> = 12 -- bytes of a run before those that changed

-- The check of the bytes and of the check `before`. Every step can be inverted, so one changed word
-- always gives another check.
local function check(before, bytes)
  local hash = before ~ #bytes
  local function mix(word)
    hash = (hash ~ word) * 0x9e3779b97f4a7c15
    hash = hash ~ (hash >> 32)
  end
  for at = 1, #bytes - 31, 32 do
    local a, b, c, d = string.unpack("<i8i8i8i8", bytes, at)
    mix(a) mix(b) mix(c) mix(d)
  end
  local rest = bytes:sub(#bytes - #bytes % 32 + 1) .. ("\0"):rep(-#bytes % 8)
  for at = 1, #rest, 8 do mix((string.unpack("<i8", rest, at))) end
  return hash
end

-- Writing -----------------------------------------------------------------------------------------

-- Appends the runs in which `new` differs from `old`, from offset `from` to before `to`.
local function add_runs(runs, old, new, from, to)
  local start
  for at = from, to, FINE do
    local last = math.min(at + FINE, to)
    local differs = at < to and old:sub(at + 1, last) ~= new:sub(at + 1, last)
    if differs and not start then
      start = at
    elseif start and not differs then
      runs[#runs + 1] = { start, new:sub(start + 1, math.min(at, to)) }
      start = nil
    end
  end
  if start then runs[#runs + 1] = { start, new:sub(start + 1, to) } end
end

--- The runs { offset, bytes } that change the bytes `old` to `new`, which is as long.
function log.difference(old, new)
  local runs = {}
  for from = 0, #new - 1, COARSE do
    local to = math.min(from + COARSE, #new)
    if old:sub(from + 1, to) ~= new:sub(from + 1, to) then add_runs(runs, old, new, from, to) end
  end
  return runs
end

local function join_header(schema, tag, paths)
  if not paths then return MAGIC .. string.pack("<s4s4", schema, tag) end
  return PARTS_MAGIC .. string.pack("<s4s4s4", schema, tag, paths)
end

--- Makes the header.
-- @param paths the parts that are recorded; none, or nil: everything
-- @return its bytes, and its check
function log.header(schema, tag, paths)
  local text = join_header(schema, tag, paths and paths[1] and table.concat(paths, "\n"))
  local sum = check(0, text)
  return text .. string.pack("<i8", sum), sum
end

--- Makes a frame of the content.
-- @param before the check of the frame or the header before it
-- @return its bytes, and its check
function log.seal(content, before)
  local sum = check(before, content)
  return string.pack("<i8i8i8", #content, ~#content, sum) .. content, sum
end

--- Makes the frame of a state.
-- @param runs a list of { offset, bytes }, sorted, which lead to it from the state before
-- @return its bytes, and its check
function log.frame(time, version, runs, before)
  local parts = { string.pack("<dI8", time, version) }
  for i, run in ipairs(runs) do parts[i + 1] = string.pack("<I8s4", run[1], run[2]) end
  return log.seal(table.concat(parts), before)
end

-- Reading -----------------------------------------------------------------------------------------

local Reader = {}
Reader.__index = Reader

--- A reader of the log in a file. Nil if the file is not seekable: a log is read twice.
function log.reader(file)
  local size = file:seek("end")
  if not size or not file:seek("set") then return nil end
  return setmetatable({ file = file, size = size, check = 0 }, Reader)
end

-- Reads `count` bytes; nil if the file has fewer left.
function Reader:read(count)
  if count > self.size - self.file:seek() then return nil end
  local bytes = count == 0 and "" or self.file:read(count)
  return bytes and #bytes == count and bytes or nil
end

function Reader:read_text(limit)
  local head = self:read(4)
  local length = head and string.unpack("<I4", head)
  return length and length <= limit and self:read(length) or nil
end

--- Reads the header.
-- @return schema text, tag, the list of the paths that were recorded (none: everything); or nil if
-- the file is no log; or nil and the format's name if it is one of another version
function Reader:header()
  local magic = self:read(#MAGIC)
  if magic ~= MAGIC and magic ~= PARTS_MAGIC then
    return nil, magic and magic:match("^(IPMLOG%d)\n$")
  end
  local schema = self:read_text(MAX_SCHEMA)
  local tag = schema and self:read_text(MAX_TAG)
  local paths = tag and magic == PARTS_MAGIC and self:read_text(MAX_PATHS) or nil
  local sum = tag and (paths or magic == MAGIC) and self:read(8)
  local text = sum and join_header(schema, tag, paths)
  if not text or check(0, text) ~= string.unpack("<i8", sum) then return nil end
  self.check = check(0, text)
  self.start, self.first_check = self.file:seek(), self.check
  local list = {}
  for path in (paths or ""):gmatch("[^\n]+") do list[#list + 1] = path end
  return schema, tag, list
end

--- Goes back to the first frame.
function Reader:rewind()
  self.file:seek("set", self.start)
  self.check = self.first_check
end

-- The runs { offset, bytes } of a frame. Nil if they are not sorted, overlap, or go beyond `size`
-- bytes.
local function read_runs(content, size)
  local runs, done, at = {}, 0, FIXED + 1
  while at <= #content do
    local ok, offset, bytes, next_at = pcall(string.unpack, "<i8s4", content, at)
    if not ok or offset < done or offset > size or #bytes > size - offset or #bytes == 0 then
      return nil
    end
    runs[#runs + 1] = { offset, bytes }
    done, at = offset + #bytes, next_at
  end
  return runs
end

-- Reads the content of the next frame. Returns nil and "end", "cut" or "damaged" if there is none.
function Reader:content(limit)
  if self.file:seek() == self.size then return nil, "end" end
  local head = self:read(24)
  if not head then return nil, "cut" end
  local length, inverted, sum = string.unpack("<i8i8i8", head)
  if length ~= ~inverted or length < FIXED or length > limit then return nil, "damaged" end
  local content = self:read(length)
  if not content then return nil, "cut" end
  if check(self.check, content) ~= sum then return nil, "damaged" end
  self.check = sum
  return content
end

--- Reads the next frame, of a struct of `size` bytes.
-- @return { time, version, runs }; or nil and the reason: "end", "cut" or "damaged"
function Reader:frame(size)
  local content, why = self:content(FIXED + (RUN + 1) * size)
  if not content then return nil, why end
  local time, version = string.unpack("<dI8", content)
  local runs = read_runs(content, size)
  if not runs or not (time >= 0 and time < MAX_TIME) then return nil, "damaged" end
  return { time = time, version = version, runs = runs }
end

--- Returns the struct's bytes with the frame's changes made.
function log.apply(frame, bytes)
  local parts, done = {}, 0
  for _, run in ipairs(frame.runs) do
    local offset, changed = run[1], run[2]
    parts[#parts + 1] = bytes:sub(done + 1, offset)
    parts[#parts + 1] = changed
    done = offset + #changed
  end
  parts[#parts + 1] = bytes:sub(done + 1)
  return table.concat(parts)
end

return log

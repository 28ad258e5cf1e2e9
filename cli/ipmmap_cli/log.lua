--- The log of record and replay: a header, then a frame for each commit that was seen.
--
--     header  "IPMLOG1\n", the schema text and the tag (each after its length in 4 bytes)
--     frame   its length in 4 bytes, then: time (double, Unix seconds), version (8 bytes), and each
--             run of bytes that changed: offset (8 bytes), length (4 bytes), the bytes
--
-- Numbers are little-endian; the bytes of the struct are as they lie in memory. The first frame's
-- changes are from a struct of zeros. A log that was cut off is good up to the cut.
local log = {}

local MAGIC <const> = "IPMLOG1\n"
local COARSE <const>, FINE <const> = 4096, 16 -- bytes compared at a time
local MAX_FRAME <const> = 1 << 31

-- Append the runs in which `new` differs from `old`, between two offsets from 0.
local function add_runs(parts, old, new, from, to)
  local start
  for at = from, to, FINE do
    local last = math.min(at + FINE, to)
    local differs = at < to and old:sub(at + 1, last) ~= new:sub(at + 1, last)
    if differs and not start then
      start = at
    elseif start and not differs then
      parts[#parts + 1] = string.pack("<I8s4", start, new:sub(start + 1, math.min(at, to)))
      start = nil
    end
  end
  if start then parts[#parts + 1] = string.pack("<I8s4", start, new:sub(start + 1, to)) end
end

function log.header(schema, tag)
  return MAGIC .. string.pack("<s4s4", schema, tag)
end

--- The frame of a commit: what leads from the bytes `old` to as many bytes `new`.
function log.frame(time, version, old, new)
  local parts = { string.pack("<dI8", time, version) }
  for from = 0, #new - 1, COARSE do
    local to = math.min(from + COARSE, #new)
    if old:sub(from + 1, to) ~= new:sub(from + 1, to) then add_runs(parts, old, new, from, to) end
  end
  return string.pack("<s4", table.concat(parts))
end

-- The next text after its length, or nil at the end and at a cut.
local function read_text(file, limit)
  local head = file:read(4)
  if not head or #head < 4 then return nil, head ~= nil end
  local length = string.unpack("<I4", head)
  if length > limit then return nil, true end
  local text = length == 0 and "" or file:read(length)
  if not text or #text < length then return nil, true end
  return text
end

--- Reads the header.
-- @return schema text, tag; or nil if this is no log
function log.read_header(file)
  if file:read(#MAGIC) ~= MAGIC then return nil end
  local schema = read_text(file, 1 << 20)
  local tag = schema and read_text(file, 1 << 10)
  if tag then return schema, tag end
end

--- Reads a frame.
-- @return { time, version, runs }, runs being a list of { offset, bytes }; or nil, and whether the
-- log is cut off or damaged there
function log.read_frame(file, size)
  local text, is_cut = read_text(file, MAX_FRAME)
  if not text then return nil, is_cut end
  if #text < 16 then return nil, true end
  local time, version, at = string.unpack("<dI8", text)
  local runs = {}
  while at <= #text do
    local ok, offset, bytes, next_at = pcall(string.unpack, "<I8s4", text, at)
    if not ok or offset < 0 or offset + #bytes > size then return nil, true end
    runs[#runs + 1] = { offset, bytes }
    at = next_at
  end
  return { time = time, version = version, runs = runs }
end

--- The bytes after a frame's changes.
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

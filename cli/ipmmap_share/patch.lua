--- Patches: which bytes of a struct become which, as a string. A patch is a sequence of runs. Each
-- is a uint64 offset, a uint32 size that is not 0, and that many bytes; numbers are little-endian
-- and nothing is padded. The runs ascend, do not overlap, and are inside the struct. An empty
-- string is a patch that changes nothing.
--
-- Offsets and sizes are in bytes, from 0 on.
local patch = {}

--- Bytes of a piece, in which large structs are read, changed and sent.
patch.PIECE = 256 * 2 ^ 10 | 0

local HEAD = "<I8I4"
local HEAD_BYTES = HEAD:packsize()
local NEAR = 16 -- equal bytes between two changes that are not worth a run of their own
local BLOCK = 4096 -- bytes that are compared at once

-- The run at a place in a patch: its offset, its size, and the place of its bytes; or nil, message,
-- code if it is malformed, or begins before `free`.
local function run_at(text, at, free, size)
  local rest = #text - at + 1 - HEAD_BYTES
  if rest < 0 then return nil, "a patch ends within a run", "corrupt" end
  local offset, count = HEAD:unpack(text, at)
  if offset < free or offset > size or count == 0 or count > size - offset then
    return nil, ("a patch has a run of %d bytes at %d, which is not inside the struct of %d bytes, "
                 .. "or not behind the run before it"):format(count, offset, size), "corrupt"
  end
  if count > rest then return nil, "a patch ends within a run", "corrupt" end
  return offset, count, at + HEAD_BYTES
end

--- The runs of a patch.
-- @tparam string text from anywhere
-- @tparam integer size the struct's
-- @treturn[1] table a list of { offset, bytes }
-- @return[2] nil
-- @treturn[2] string message: the patch is malformed
-- @treturn[2] string code, `"corrupt"`
function patch.unpack(text, size)
  local runs, at, free = {}, 1, 0
  while at <= #text do
    local offset, count, from = run_at(text, at, free, size)
    if not offset then return nil, count, from end
    runs[#runs + 1] = { offset, text:sub(from, from + count - 1) }
    free, at = offset + count, from + count
  end
  return runs
end

--- Makes a patch.
-- @tparam table runs a list of { offset, bytes }, ascending
-- @treturn string
function patch.pack(runs)
  local parts, free = {}, 0
  for i, run in ipairs(runs) do
    local offset, bytes = run[1], run[2]
    if offset < free or #bytes == 0 then
      error(("run %d, of %d bytes at %d, is empty or not behind the one before")
            :format(i, #bytes, offset), 2)
    end
    parts[#parts + 1] = HEAD:pack(offset, #bytes)
    parts[#parts + 1] = bytes
    free = offset + #bytes
  end
  return table.concat(parts)
end

-- The first and the last byte that differ among the bytes `from` to `to`, which are not all equal.
local function differing(old, new, from, to)
  while old:byte(from) == new:byte(from) do from = from + 1 end
  while old:byte(to) == new:byte(to) do to = to - 1 end
  return from, to
end

-- Adds the changes among the bytes `from` to `to`, which are not all equal, to a list of { first,
-- last }. Halves them, so that equal ones are compared as strings, until they are as few as a run's
-- head.
local function find_changes(old, new, from, to, changes)
  if to - from >= NEAR then
    local middle = (from + to) // 2
    if old:sub(from, middle) ~= new:sub(from, middle) then
      find_changes(old, new, from, middle, changes)
    end
    if old:sub(middle + 1, to) ~= new:sub(middle + 1, to) then
      find_changes(old, new, middle + 1, to, changes)
    end
    return
  end
  local first, last = differing(old, new, from, to)
  local before = changes[#changes]
  if before and first - before[2] <= NEAR + 1 then
    before[2] = last
  else
    changes[#changes + 1] = { first, last }
  end
end

--- The patch that leads from one state to another. Up to 16 equal bytes between two changes may be
-- a part of a run.
-- @tparam string old
-- @tparam string new as many bytes
-- @treturn string
function patch.diff(old, new)
  if #old ~= #new then error(("states of %d and %d bytes"):format(#old, #new), 2) end
  local changes = {}
  for from = 1, #old, BLOCK do
    local to = math.min(from + BLOCK - 1, #old)
    if old:sub(from, to) ~= new:sub(from, to) then find_changes(old, new, from, to, changes) end
  end
  for i, change in ipairs(changes) do
    changes[i] = { change[1] - 1, new:sub(change[1], change[2]) }
  end
  return patch.pack(changes)
end

--- Changes a state that is a list of pieces, of PIECE bytes each but for the last.
-- @tparam table pieces strings; unchanged if the patch is malformed
-- @tparam integer size of all pieces
-- @tparam string text a patch, from anywhere
-- @treturn[1] boolean true
-- @return[2] nil, message, code: as `unpack`
function patch.apply(pieces, size, text)
  local runs, message, code = patch.unpack(text, size)
  if not runs then return nil, message, code end
  local open, parts, kept -- the number of a piece, its new bytes so far, how many these are
  local function finish()
    if open then
      parts[#parts + 1] = pieces[open]:sub(kept + 1)
      pieces[open] = table.concat(parts)
    end
  end
  for _, run in ipairs(runs) do
    local offset, bytes = run[1], run[2]
    while #bytes > 0 do
      local i, at = offset // patch.PIECE + 1, offset % patch.PIECE
      if i ~= open then
        finish()
        open, parts, kept = i, {}, 0
      end
      local part = bytes:sub(1, patch.PIECE - at)
      parts[#parts + 1] = pieces[i]:sub(kept + 1, at)
      parts[#parts + 1] = part
      kept, offset, bytes = at + #part, offset + #part, bytes:sub(#part + 1)
    end
  end
  finish()
  return true
end

--- Cuts bytes into patches of PIECE bytes at most.
-- @tparam string bytes
-- @tparam[opt=0] integer offset where they belong
-- @treturn function an iterator of patches
function patch.pieces_of(bytes, offset)
  local room = patch.PIECE - HEAD_BYTES
  local at = 0
  return function()
    if at >= #bytes then return nil end
    local part = bytes:sub(at + 1, at + room)
    local piece = HEAD:pack((offset or 0) + at, #part) .. part
    at = at + #part
    return piece
  end
end

--- Cuts a patch, which is well-formed, into patches of PIECE bytes at most.
-- @tparam string text
-- @treturn function an iterator of patches
function patch.pieces(text)
  local at = 1
  local large -- the pieces of a run that is too large for one
  return function()
    local piece = large and large()
    if piece then return piece end
    local from = at
    while at <= #text do
      local offset, count = HEAD:unpack(text, at)
      local after = at + HEAD_BYTES + count
      if after - from > patch.PIECE then
        if at > from then break end
        at, large = after, patch.pieces_of(text:sub(at + HEAD_BYTES, after - 1), offset)
        return large()
      end
      at = after
    end
    if at > from then return text:sub(from, at - 1) end
  end
end

return patch

--- A struct of any size for the tests of many bytes: each commit writes one piece of it, with its
-- number, and the time. Some also leave a mark, which is not written again for thousands of
-- commits: so a follower that misses commits differs in the end.
local ipmmap = require "ipmmap"

local bulk = {}

local MARKS <const>, RARE <const> = 256, 16 -- how many; the commits between two of them

--- A struct with so many pieces of so many bytes, a multiple of 8.
function bulk.struct(pieces, size)
  return ipmmap.base:extend(("Bulk%dx%d"):format(pieces, size), {
    { "turn", "uint64" }, { "at", "int64" }, { "marks", "uint64[" .. MARKS .. "]" },
    { "pieces", ("uint64[%d][%d]"):format(pieces, size // 8) },
  })
end

--- Makes the changes of one commit in a locked view.
function bulk.step(view)
  local turn, pieces = view.turn + 1, view.pieces
  local piece = pieces[turn * 7919 % #pieces + 1]
  ipmmap.setbytes(piece, string.pack("<i8", turn * 0x9E3779B97F4A7C15):rep(#piece))
  if turn % RARE == 0 then view.marks[turn // RARE % MARKS + 1] = turn end
  view.turn, view.at = turn, math.floor(ipmmap.boottime() * 1e9)
end

return bulk

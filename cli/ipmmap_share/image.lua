--- The bytes of a struct, to which patches are applied in memory. They are kept in pieces, so that a
-- patch costs what it changes, also in a large struct.
local image = {}

local PIECE <const> = 16384

local Image = {}
Image.__index = Image

--- An image without bytes.
function image.new()
  return setmetatable({ pieces = {}, size = 0 }, Image)
end

--- Appends bytes.
function Image:append(bytes)
  local pieces = self.pieces
  local last, at = pieces[#pieces], 1
  if last and #last < PIECE then
    at = PIECE - #last + 1
    pieces[#pieces] = last .. bytes:sub(1, at - 1)
  end
  for from = at, #bytes, PIECE do pieces[#pieces + 1] = bytes:sub(from, from + PIECE - 1) end
  self.size = self.size + #bytes
end

--- Overwrites bytes, all of which lie within the image.
-- @param offset of the first one
function Image:put(offset, bytes)
  local done = 0
  while done < #bytes do
    local index, at = (offset + done) // PIECE + 1, (offset + done) % PIECE
    local piece = self.pieces[index]
    local part = bytes:sub(done + 1, done + #piece - at)
    self.pieces[index] = piece:sub(1, at) .. part .. piece:sub(at + #part + 1)
    done = done + #part
  end
end

--- All the bytes.
function Image:bytes() return table.concat(self.pieces) end

return image

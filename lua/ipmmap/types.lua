-- The scalar types, and their names in C, Python's ctypes, Rust, Go and Lua.
local types = {}

types.scalars = {
  bool = true, int8 = true, uint8 = true, int16 = true, uint16 = true, int32 = true, uint32 = true,
  int64 = true, uint64 = true, float = true, double = true, char = true, char16 = true,
  char32 = true,
}

local TEXT = "char[N]"

-- The other names of each type, in lower case, without spaces, "const", "c_" and "_t".
local others = {
  bool = { "_bool", "boolean", "logical" },
  int8 = { "i8", "s8", "sbyte", "schar", "signedchar" },
  uint8 = { "u8", "byte", "ubyte", "uchar", "unsignedchar", "octet" },
  int16 = { "i16", "s16", "short", "shortint" },
  uint16 = { "u16", "ushort", "unsignedshort", "word" },
  int32 = { "i32", "s32", "int", "signed", "signedint" },
  uint32 = { "u32", "uint", "unsigned", "unsignedint", "dword" },
  int64 = {
    "i64", "s64", "long", "longint", "longlong", "longlongint", "integer", "lua_integer", "ssize",
    "isize", "ptrdiff", "intptr", "time", "off",
  },
  uint64 = {
    "u64", "ulong", "unsignedlong", "ulonglong", "unsignedlonglong", "lua_unsigned", "size",
    "usize", "uintptr", "qword",
  },
  float = { "f32", "float32", "single" },
  double = { "f64", "float64", "number", "lua_number", "real" },
  char16 = { "utf16", "wchar16", "tchar" },
  char32 = { "utf32", "rune" },
  [TEXT] = { "string", "str", "text", "char*", "wchar", "char_p", "cstring", "varchar" },
}

local meant = {}
for name in pairs(types.scalars) do meant[name] = name end
for name, list in pairs(others) do
  for _, other in ipairs(list) do meant[other] = name end
end

--- The type that a definition with an unknown type probably means: "int32[4]" for "int[4]",
-- "char[N]" for "string".
-- @local
-- @tparam string written the unknown type
-- @treturn ?string
function types.suggest(written)
  local name, dimensions = written:match "^([^%[]*)(.*)$"
  name = name:lower():gsub("%f[%w]const%f[%W]", ""):gsub("%s", ""):gsub("^c_", ""):gsub("_t$", "")
  local found = meant[name]
  if found == TEXT or found == "char" and dimensions == "[]" then
    return dimensions:find "%d" and "char" .. dimensions or TEXT
  elseif found and dimensions:gsub("%[%d+%]", "") == "" and found .. dimensions ~= written then
    return found .. dimensions
  end
end

return types

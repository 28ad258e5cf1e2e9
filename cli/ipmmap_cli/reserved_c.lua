--- The names that a generated C header must not declare: the keywords of C and C++, and the macros
-- of the compiler and of the standard headers, which a program may include before or after this
-- header.
local types = require "ipmmap_cli.types"

local WORDS <const> = types.set [[
  auto break case char const continue default do double else enum extern float for goto if inline
  int long register restrict return short signed sizeof static struct switch typedef union unsigned
  void volatile while bool true false NULL offsetof size_t ptrdiff_t wchar_t asm typeof
  typeof_unqual alignas alignof and and_eq bitand bitor catch char16_t char32_t char8_t class compl
  concept const_cast consteval constexpr constinit co_await co_return co_yield decltype delete
  dynamic_cast explicit export friend mutable namespace new noexcept not not_eq nullptr nullptr_t
  max_align_t operator or or_eq private protected public reinterpret_cast requires static_assert
  static_cast template this thread_local throw try typeid typename using virtual xor xor_eq
  int8_t uint8_t int16_t uint16_t int32_t uint32_t int64_t uint64_t
  linux unix I complex imaginary noreturn errno assert h_errno math_errhandling stdin stdout stderr
  h_addr s6_addr s6_addr16 s6_addr32 d_fileno st_atime st_mtime st_ctime sa_handler sa_sigaction
  sigev_notify_function sigev_notify_attributes BUFSIZ CLOCKS_PER_SEC DECIMAL_DIG EOF INFINITY
  L_tmpnam NAN WEOF ONCE_FLAG_INIT TSS_DTOR_ITERATIONS]]

local PATTERNS <const> = {
  "^_[%u_]", -- reserved for the compiler
  "^E[%u%d]", "^SIG_?%u", "^PRI[%lX]", "^SCN[%lX]", "^si_%l", -- errno.h, signal.h, inttypes.h
  "^ATOMIC_", "^L?DBL_", "^FLT_", "^EXIT_", "^FE_", "^FILENAME_", "^FOPEN_", "^FP_",
  "^HUGE_VAL", "^LC_", "^MATH_", "^MB_", "^RAND_", "^SEEK_", "^TIME_", "^TMP_",
  "^U?INT[%w_]*_%u+$", "^[SU]?CHAR_%u+$", "^U?SHRT_%u+$", "^U?L?LONG_%u+$", -- limits.h, stdint.h
  "^BOOL_%u+$", "^PTRDIFF_%u+$", "^SIZE_%u+$", "^WCHAR_%u+$", "^WINT_%u+$",
}

--- Whether a name is reserved.
return function(name)
  if WORDS[name] then return true end
  for _, pattern in ipairs(PATTERNS) do
    if name:find(pattern) then return true end
  end
  return false
end

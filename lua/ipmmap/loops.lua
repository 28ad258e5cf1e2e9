-- `next` and `pairs` for the loops of this library.
--
-- In LuaJIT of before April 2022 a compiled loop over either can crash on x86-64: it keeps only
-- half of an address (https://github.com/LuaJIT/LuaJIT/issues/829). Debian 12 has such a LuaJIT.
-- With it, these loops use a `next` that is never compiled. Betas do not say when they were made,
-- so all of them count.
local jit = rawget(_G, "jit")

local loops = { next = next, pairs = pairs }

if jit and jit.arch == "x64" and jit.version:find "beta" then
  function loops.next(t, key)
    return next(t, key)
  end
  jit.off(loops.next)

  function loops.pairs(t)
    return loops.next, t
  end
end

return loops

--- Turns Lua modules into C strings, for a host that ships one file.
-- usage: lua5.4 embed.lua lua/ipmmap/init.lua ... >modules.c
-- A module is a list of its lines: C compilers need not take literals of more than 4095 bytes.

local function module_name(path)
  return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

local function literal(line)
  local escaped = line:gsub('[%c"\\?\128-\255]', function(c)
    if c == '"' or c == "\\" then return "\\" .. c end
    return ("\\%03o"):format(c:byte())
  end)
  return '"' .. escaped .. '"'
end

local modules = {}
table.sort(arg, function(a, b) return module_name(a) < module_name(b) end)

print('#include "../../src/host/modules.h"\n')
print("#include <stddef.h>\n")
for i, path in ipairs(arg) do
  local name = module_name(path)
  modules[i] = ('    {"%s", "@%s", module_%d},'):format(name, path, i)
  print(("static const char *const module_%d[] = { /* %s */"):format(i, path))
  for line in io.lines(path, "L") do print("    " .. literal(line) .. ",") end
  print("    NULL,\n};\n")
end
print("const lipm_module lipm_modules[] = {")
print(table.concat(modules, "\n"))
print("    {NULL, NULL, NULL},\n};")

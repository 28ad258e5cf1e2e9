--- Describes the machine on which the figures were measured.

local function output(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local text = pipe:read("a"):gsub("%s+$", "")
  pipe:close()
  return text ~= "" and text or "unknown"
end

local function version(package)
  return output("dpkg-query -W -f '${Version}' " .. package)
end

--- The lines above the results table, in order.
return function(directory)
  return {
    { "date", os.date "!%Y-%m-%d %H:%M UTC" },
    { "commit", output "git describe --always --dirty --exclude '*'" },
    { "processor", output "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1" },
    { "processors", output "nproc" },
    { "memory", output "awk '/^MemTotal/ { printf \"%.0f GiB\", $2 / 1048576 }' /proc/meminfo" },
    { "load", output "cut -d ' ' -f 1-3 /proc/loadavg" },
    { "kernel", output "uname -sr" },
    { "system", output "sed -n 's/^PRETTY_NAME=//p' /etc/os-release | tr -d '\"'" },
    { "files on", output(("stat -f -c %%T '%s'"):format(directory)) },
    { "libc", output "getconf GNU_LIBC_VERSION" },
    { "compiler", output((os.getenv "CC" or "cc") .. " --version | head -n 1") },
    { "flags", os.getenv "CFLAGS" or "" },
    { "Lua", output "lua5.4 -v" },
    { "Python", output "/usr/bin/python3 --version" },
    { "fasteners", version "python3-fasteners" },
    { "LMDB", version "liblmdb0" },
    { "tdb", version "libtdb1" },
    { "Boost", version "libboost-dev" },
    { "Redis", version "redis-server" },
  }
end

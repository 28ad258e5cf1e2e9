--- Writes docs/c-api.md from the C header, which is the contract.
-- usage: lua5.4 tools/c_api.lua <src/ipmmap.h >docs/c-api.md

local function strip(comment)
  comment = comment:gsub("^/%*+ ?\n?", ""):gsub("\n? ?%*/$", "")
  return (("\n" .. comment):gsub("\n ?%* ?", "\n"):sub(2))
end

--- Markdown from a comment: indented lines are code, "word   text" is an item of a list.
local function prose(comment)
  local out, mode = {}, "text"
  local function add(line, new)
    if new ~= mode and #out > 0 and out[#out] ~= "" then out[#out + 1] = "" end
    mode = new
    out[#out + 1] = line
  end
  for line in (comment .. "\n"):gmatch("(.-)\n") do
    local key, text = line:match("^([%a_][%w_]*)%s%s+(%S.*)$")
    if line == "" then
      add("", mode)
    elseif line:find("^ %- ") then
      add(line:sub(2), "list")
    elseif line:find("^     ") and mode ~= "list" then
      add(line:sub(2), "code")
    elseif key then
      add(("- *%s*: %s"):format(key, text), "list")
    elseif line:find("^  ") and mode == "list" then
      out[#out + 1] = "  " .. line:match("^%s*(.*)")
    else
      add(line, "text")
    end
  end
  return table.concat(out, "\n"):gsub("\n+$", "")
end

--- What a paragraph of C declares, in order.
local function names(code)
  local list, seen = {}, {}
  local function add(name)
    if name and not name:find("_$") and not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  for line in code:gmatch("[^\n]+") do
    add(line:match("^#define ([%w_]+)") or line:match("^IPM_API.-([%w_]+)%(")
        or line:match("^typedef [^{]-([%w_]+);") or line:match("^typedef %a+ ([%w_]+) {")
        or line:match("^struct ([%w_]+) {"))
  end
  return list
end

--- Declarations as a reader wants them: without attributes and without the bodies of macros.
local function declarations(code)
  code = (code:gsub("\n+$", "") .. "\n")
  code = code:gsub("\\\n", "\\\r") -- "\r": a macro goes on
             :gsub("(#define [%w_]+%b()) [^\n]*", "%1"):gsub("\r", "\n")
  return (code:gsub("IPM_API (.-;)", function(declaration)
    return declaration:gsub("\n        ", "\n")
  end):gsub("\n$", ""))
end

local header = io.read("a")
header = header:match("^(.-)\n#ifdef __cplusplus\n}\n"):gsub("#ifdef __cplusplus\n.-#endif\n", "")
               :gsub("#ifndef IPMMAP_H\n#define IPMMAP_H\n", ""):gsub("#include [^\n]*\n", "")

local intro, rest = header:match("^(/%*.-%*/)\n(.*)$")
print("# The C interface\n")
print("What `src/ipmmap.h` says, made readable by `tools/c_api.lua`; how to build a host with it")
print("is in [in-your-host.md](in-your-host.md), what a call costs in [budget.md](budget.md).\n")
print((prose(strip(intro))))

local at = 1
while true do
  at = rest:find("%S", at)
  if not at then break end
  local comment, after = rest:match("^(/%*.-%*/)\n()", at)
  local title = comment and comment:match("^/%* %-%-%-%- (.-) %-+ %*/$")
  if title then
    print("\n## " .. title)
    at = after
  else
    local stop = rest:find("\n\n", after or at, true) or #rest
    local code = rest:sub(after or at, stop)
    at = stop + 1
    local declared = names(code)
    if #declared > 0 then
      print(("\n### `%s`\n"):format(table.concat(declared, "`, `")))
      print("```c\n" .. declarations(code) .. "\n```")
      if comment then print("\n" .. prose(strip(comment))) end
    end
  end
end

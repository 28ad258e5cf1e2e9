--- Reads the repository's Markdown pages: their code blocks, headings and links.
local markdown = {}

--- The text of a file.
function markdown.read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

--- The code blocks in one language on a page, in order.
-- @tparam string path
-- @tparam string language as written after the fence: "lua"
function markdown.blocks(path, language)
  local blocks = {}
  for block in markdown.read(path):gmatch("\n```" .. language .. "\n(.-)\n```") do
    blocks[#blocks + 1] = block
  end
  return blocks
end

-- A page without its code blocks. A block begins and ends with a fence, which may be indented.
local function prose(path)
  local kept, is_code = {}, false
  for line in (markdown.read(path) .. "\n"):gmatch("(.-)\n") do
    if line:find("^%s*```") then
      is_code = not is_code
    elseif not is_code then
      kept[#kept + 1] = line
    end
  end
  return "\n" .. table.concat(kept, "\n") .. "\n"
end

--- The link fragments of a page's headings, as GitHub makes them.
-- @treturn {[string]=boolean,...}
function markdown.fragments(path)
  local fragments = {}
  for heading in prose(path):gmatch("\n#+ ([^\n]+)") do
    fragments[heading:lower():gsub("[^%w _-]", ""):gsub(" ", "-")] = true
  end
  return fragments
end

--- The targets of a page's links and pictures, except those on other hosts.
-- @treturn {table,...} `target` as written, `path` from the repository's root, `fragment`
function markdown.links(page)
  local links, directory = {}, page:match("^(.*/)") or ""
  for target in prose(page):gmatch("%]%(([^)%s]+)%)") do
    local path, fragment = target:match("^([^#]*)#?(.*)$")
    if not path:find("^%a+:") then
      path = path == "" and page or directory .. path
      local before
      repeat
        before, path = path, path:gsub("[^/]+/%.%./", "", 1)
      until path == before
      links[#links + 1] = { target = target, path = path, fragment = fragment }
    end
  end
  return links
end

--- The Markdown files of the repository.
function markdown.pages()
  local pages = {}
  local find = "find . -name build -prune -o -name '.?*' -prune -o -name '*.md' -print"
  for path in io.popen(find):lines() do
    pages[#pages + 1] = path:sub(3)
  end
  table.sort(pages)
  return pages
end

return markdown

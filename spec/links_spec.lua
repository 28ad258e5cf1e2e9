local markdown = require "spec.helper.markdown"

describe("the Markdown files", function()
  it("have links that lead to existing files and headings", function()
    local pages = markdown.pages()
    assert.is_true(#pages >= 15)
    for _, page in ipairs(pages) do
      for _, link in ipairs(markdown.links(page)) do
        local file = io.open(link.path)
        assert(file, page .. " links to " .. link.target .. ", which is not there")
        file:close()
        assert(link.fragment == "" or markdown.fragments(link.path)[link.fragment],
               page .. " links to " .. link.target .. ", which has no such heading")
      end
    end
  end)

  it("are all linked from the README", function()
    local linked = { ["README.md"] = true }
    for _, link in ipairs(markdown.links("README.md")) do linked[link.path] = true end
    for _, page in ipairs(markdown.pages()) do
      assert(linked[page], page .. " is not linked from README.md")
    end
  end)
end)

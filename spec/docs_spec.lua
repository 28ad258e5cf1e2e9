local tmpdir = require "spec.helper.tmpdir"

describe("the reference of LDoc", function()
  it("is made from the sources without a warning", function()
    local pipe = assert(io.popen(("ldoc --fatalwarnings --dir %s . 2>&1"):format(tmpdir())))
    local output = pipe:read("a")
    assert.is_true(pipe:close() == true, output)
    assert.is_nil(output:match("[^\n]*warning[^\n]*"))
    assert.is_nil(output:match("[^\n]*falling back[^\n]*"))
  end)
end)

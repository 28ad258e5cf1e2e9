describe("the lists of mutants", function()
  for _, name in ipairs { "mutants", "survivors" } do
    it("have only lines that exist in the sources: " .. name, function()
      local command = "${LUA:-lua5.4} spec/mutation/run.lua --list spec/mutation/%s >/dev/null"
      assert.is_true(os.execute(command:format(name)))
    end)
  end
end)

local function run(script, shell)
  local pipe = assert(io.popen(("%s sh -c '%s' 2>&1"):format(script, shell)))
  local output = pipe:read("a")
  local ok = pipe:close()
  return ok == true, output
end

describe("a TAP report", function()
  it("is passed on, with the verdict of its lines", function()
    assert.same({ true, "# sh -c true; echo ok 1 - a; echo 1..1\nok 1 - a\n1..1\n" },
                { run(".ci/tap", "true; echo ok 1 - a; echo 1..1") })
    assert.same({ false, "# sh -c true; echo not ok 1 - a; echo 1..1\nnot ok 1 - a\n1..1\n" },
                { run(".ci/tap", "true; echo not ok 1 - a; echo 1..1") })
  end)

  it("gets one more failure when the runner crashes, stops early, fails or runs nothing", function()
    for shell, reason in pairs {
      ['echo "ok 1 - a"; kill -SEGV $$'] = "ran to its end (exit status 139)",
      ['echo "ok 1 - a"; echo 1..2'] = "ran to its end (exit status 0)",
      ['echo "ok 1 - a"; echo 1..1; exit 3'] = "ended with success (exit status 3)",
      ['echo 1..0'] = "ran a test",
    } do
      local ok, output = run(".ci/tap", shell)
      assert.is_false(ok)
      assert.equal("not ok - sh " .. reason, output:match("([^\n]*)\n$"))
    end
  end)
end)

describe("a check by exit status", function()
  it("is one line when it passes, and tells what was printed when it fails", function()
    assert.same({ true, "ok - name\n" }, { run(".ci/check name", "echo fine") })
    assert.same({ false, "# hm\n# boom\nnot ok - name\n" },
                { run(".ci/check name", "echo hm; echo boom; exit 1") })
  end)
end)

describe("the installer of packages", function()
  it("is silent when nothing is missing", function()
    if not os.execute("command -v dpkg-query >/dev/null") then pending("needs Debian") end
    assert.same({ true, "" }, { run(".ci/packages test libc6 dash #", "") })
  end)
end)

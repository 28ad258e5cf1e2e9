local function run(script, shell)
  local pipe = assert(io.popen(("%s sh -c '%s' 2>&1"):format(script, shell)))
  local output = pipe:read("a")
  local ok = pipe:close()
  return ok == true, output
end

describe("a TAP report", function()
  it("is printed, and fails if one of its lines is a failure", function()
    assert.same({ true, "# running sh -c true; echo ok 1 - a; echo 1..1\nok 1 - a\n1..1\n" },
                { run(".ci/tap", "true; echo ok 1 - a; echo 1..1") })
    assert.same({ false, "# running sh -c true; echo not ok 1 - a; echo 1..1\nnot ok 1 - a\n1..1\n" },
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

describe("the summary of TAP reports", function()
  local tmpdir = require "spec.helper.tmpdir"
  local reports = tmpdir() .. "/reports"

  --- Writes the report to a file, and returns the summary's success and output.
  local function summary(report, mode)
    local file <close> = assert(io.open(reports, "w"))
    file:write(report)
    file:flush()
    local pipe = assert(io.popen((".ci/summary %s <%s 2>&1"):format(mode or "", reports)))
    local output = pipe:read("a")
    return { pipe:close() == true, output }
  end

  local REPORT <const> = table.concat({
    "# running a_test", "# of no interest", "ok 1 - a", "# a_test.c:5: not so: good", "not ok 2 - b", "# after b",
    "ok 3 - c # SKIP needs root", "1..3", "# running busted", "1..2", "not ok 1 - d", "# because", "# of this",
    "ok 2 - e", "# running other", "Segmentation fault", "not ok - other ran to its end (exit status 139)",
  }, "\n") .. "\n"
  local FAILURES <const> = table.concat({
    "# running a_test", "# a_test.c:5: not so: good", "not ok 2 - b", "# after b",
    "# running busted", "not ok 1 - d", "# because", "# of this",
    "# running other", "Segmentation fault", "not ok - other ran to its end (exit status 139)",
  }, "\n") .. "\n"
  local END <const> = "skipped: c: needs root\n2 passed, 3 failed, 1 skipped\n"

  it("prints each failure with its diagnostics, each skipped test with the reason, and a line of counts", function()
    assert.same({ false, FAILURES .. END }, summary(REPORT))
    assert.same({ true, "1 passed, 0 failed\n" }, summary("# running x\n# chatter\nok 1 - a\n1..1\n"))
  end)

  it("prints all lines of the reports before it, if asked to", function()
    assert.same({ false, REPORT .. END }, summary(REPORT, "all"))
  end)

  it("does not count a report twice that contains a summary already", function()
    assert.same({ false, FAILURES .. END }, summary(REPORT .. END .. "2 passed, 3 failed\n"))
  end)

  it("fails if no test was run", function()
    assert.same({ false, "0 passed, 0 failed\n" }, summary("# running x\n"))
  end)

  it("names the tests that busted skips with the reason, and shows why other tests fail", function()
    local spec = tmpdir() .. "/some_spec.lua"
    local file = assert(io.open(spec, "w"))
    file:write [[
      describe("it", function()
        it("passes", function() end)
        it("is skipped", function() pending("there is no moon") end)
        it("fails", function() assert.equal(1, 2) end)
        it("raises", function() error({ code = "x" }) end)
      end)
    ]]
    file:close()
    local pipe = assert(io.popen((".ci/tap busted --output=spec/helper/tap.lua %s | .ci/summary"):format(spec)))
    local output = pipe:read("a")
    assert.matches("\nnot ok 3 %- it fails\n# [^\n]*some_spec.lua:4: Expected objects to be equal.\n# Passed in:\n",
                   output)
    assert.matches('\nnot ok 4 %- it raises\n# [^\n]*some_spec.lua:5: {\n#   code = "x"\n# }\n', output)
    assert.matches("\nskipped: it is skipped: there is no moon\n1 passed, 2 failed, 1 skipped\n$", output)
  end)

  it("is the last output of a CI run, and counts a step that fails without output as one failure", function()
    local dir = tmpdir()
    assert(os.execute(("cp -r .ci %s && mkdir %s/bin"):format(dir, dir)))
    local make = assert(io.open(dir .. "/bin/make", "w"))
    make:write [[#!/bin/sh
      case $1 in
          test) [ "$VERBOSE" ] && printf 'ok 1 - a\nok 2 - b # SKIP why\n1 passed, 0 failed, 1 skipped\n' ;;
          lint) echo "not ok - c"; exit 1 ;;
          proof) echo "ok - d"; echo "1 passed, 0 failed" ;;
          fuzz) exit 1 ;;
      esac
    ]]
    make:close()
    local pipe = assert(io.popen(("chmod +x %s/bin/make; PATH=%s/bin:$PATH %s/.ci/run 2>&1"):format(dir, dir, dir)))
    local output = pipe:read("a")
    assert.is_nil((pipe:close()))
    assert.matches("\nnot ok %- make fuzz SECONDS=15\nskipped: b: why\n2 passed, 2 failed, 1 skipped\n$", output)
  end)
end)

describe("a check by exit status", function()
  it("prints one line if it passes, and the command's output if it fails", function()
    assert.same({ true, "ok - name\n" }, { run(".ci/check name", "echo fine") })
    assert.same({ false, "# hm\n# boom\nnot ok - name\n" },
                { run(".ci/check name", "echo hm; echo boom; exit 1") })
  end)
end)

describe("the installer of packages", function()
  it("prints nothing if nothing is missing", function()
    if not os.execute("command -v dpkg-query >/dev/null") then pending("needs Debian") end
    assert.same({ true, "" }, { run(".ci/packages test libc6 dash #", "") })
  end)
end)

# make docs: the Lua reference from the sources' LDoc comments into docs/html, and docs/c-api.md from
# the C header. The latter is kept, for those who read the repository; a test compares it.

TO_DOCS  = lua5.4 lua-ldoc lua-discount
TO_TEST += lua-ldoc lua-discount

docs:
	@.ci/packages 'make docs' $(TO_DOCS)
	@$(MAKE) --no-print-directory docs/c-api.md docs/html/index.html

docs/c-api.md: src/ipmmap.h tools/c_api.lua
	lua5.4 tools/c_api.lua <src/ipmmap.h >$@.new
	mv $@.new $@

# LDoc heads the functions of a file with its path.
docs/html/index.html: config.ld $(MODULES) $(BINDING) README.md CHANGELOG.md $(wildcard docs/*.md)
	ldoc --fatalwarnings --dir docs/html .
	sed -Ei 's/(lua\.ipmmap|src\.lua)\.([a-z]+) Functions/In \2/g' $@

clean: clean-docs
clean-docs:
	rm -rf docs/html

## The kept file's time says nothing: git sets it.
.PHONY: docs docs/c-api.md clean-docs

# make docs: generates the Lua reference in docs/html from the sources' LDoc comments, and docs/c-api.md
# from the C header. docs/c-api.md is in the repository, so that it can be read there; a test checks
# that it is up to date.

TO_DOCS  = lua5.4 lua-ldoc lua-discount
TO_TEST += lua-ldoc lua-discount

docs:
	@.ci/packages 'make docs' $(TO_DOCS)
	@$(MAKE) --no-print-directory docs/c-api.md docs/html/index.html

docs/c-api.md: src/ipmmap.h docs/c_api.lua
	lua5.4 docs/c_api.lua <src/ipmmap.h >$@.new
	mv $@.new $@

# sed replaces the headings, because LDoc makes them from the path of each file.
docs/html/index.html: config.ld $(MODULES) $(BINDING) README.md CHANGELOG.md $(wildcard docs/*.md)
	ldoc --fatalwarnings --dir docs/html .
	sed -Ei 's/(lua\.ipmmap|src\.lua)\.([a-z]+) Functions/In \2/g' $@

clean: clean-docs
clean-docs:
	rm -rf docs/html

## docs/c-api.md is phony, because git sets its modification time.
.PHONY: docs docs/c-api.md clean-docs

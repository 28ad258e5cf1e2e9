# make docs: generates the Lua reference docs/lua-api.md and docs/html from the sources' LDoc
# comments, the editors' annotations lua/ipmmap/meta.lua from the same comments, and docs/c-api.md
# from the C header. All except docs/html are in the repository, and tests compare them with the
# sources.

TO_DOCS  = lua$(LUA_VERSION) lua-ldoc lua-discount
TO_TEST += lua-ldoc lua-discount

docs:
	@.ci/packages 'make docs' $(TO_DOCS)
	@$(MAKE) --no-print-directory docs/c-api.md docs/lua-api.md annotations \
	    docs/html/index.html

docs/c-api.md: src/ipmmap.h tools/c_api.lua
	$(LUA) tools/c_api.lua <src/ipmmap.h >$@.new
	mv $@.new $@

docs/lua-api.md:
	$(LUA) tools/lua_api.lua >$@.new
	mv $@.new $@

# This target is not the installed file itself, so that an installation needs no Lua interpreter.
annotations:
	$(LUA) tools/lua_meta.lua >lua/ipmmap/meta.lua.new
	mv lua/ipmmap/meta.lua.new lua/ipmmap/meta.lua

# sed replaces the headings, because LDoc makes them from the path of each file.
docs/html/index.html: config.ld $(MODULES) $(BINDING) README.md CHANGELOG.md $(wildcard docs/*.md)
	ldoc --fatalwarnings --dir docs/html .
	sed -Ei 's/(lua\.ipmmap|src\.lua)\.([a-z]+) Functions/In \2/g' $@

clean: clean-docs
clean-docs:
	rm -rf docs/html

## Generated files in the repository are phony targets, because git sets their modification times.
.PHONY: docs docs/c-api.md docs/lua-api.md annotations clean-docs

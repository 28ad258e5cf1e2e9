# make         builds what Lua loads, with a C compiler and Lua's headers; installs nothing:
#              build/ipmmap/core.so for Lua, and build/ipmmap/libipmmap.so for LuaJIT
# make test    installs what the tests need, builds, runs all of them; prints what fails, and a count
#              (VERBOSE=1: each test)
# make lint    installs what the checks need, runs all of them
# make docs    installs what LDoc needs, makes the Lua reference in docs/html from the sources
# make host    builds what C and C++ hosts link: libraries, with and without the Lua module, and dist,
#              which needs a Lua interpreter too; installs nothing
# make bench   installs what the benchmarks need, runs them, writes bench/results.json and .svg;
#              (QUICK=1: in less than a minute, and less exactly; COMPARE=FILE: prints the figures
#              of an earlier run beside the new ones)
# make proof   installs spin and has it check the models of proof/, in minutes
#              (QUICK=1: in one; FULL=1: larger ones too)
# make demo    installs what the demo needs, builds, runs an editor and a reader for five seconds
# make install copies the library, the hosts' libraries and the command ipmmap to $(DESTDIR)$(PREFIX),
#              and needs no more than make; with LUA=luajit the library for LuaJIT, and nothing else;
#              make uninstall, with the same LUA, removes these files
# make clean   removes all that was built

# Quotes a path for the shell, as one word.
quote   = '$(subst ','\'',$(1))'

PREFIX     = /usr/local
LUA        = lua5.4
export LUA

# The version of LUA, which its name tells, or it itself. LuaJIT is a Lua 5.1 with an FFI.
LUA_VERSION := $(or $(if $(findstring luajit,$(notdir $(LUA))),5.1),\
                    $(patsubst lua%,%,$(filter lua5.%,$(notdir $(LUA)))),\
                    $(shell $(call quote,$(LUA)) -e 'io.write(_VERSION:sub(5))' 2>/dev/null))
LUA_INCDIR = /usr/include/lua$(LUA_VERSION)
LUA_DIR    = $(DESTDIR)$(PREFIX)/share/lua/$(LUA_VERSION)/ipmmap
LUA_LIBDIR = $(DESTDIR)$(PREFIX)/lib/lua/$(LUA_VERSION)/ipmmap
LUAJIT_INCDIR = /usr/include/luajit-2.1
FOR_LUAJIT := $(filter 5.1,$(LUA_VERSION))
ifeq ($(filter 5.1 5.4 5.5,$(LUA_VERSION)),)
$(error ipmmap is for Lua 5.4, Lua 5.5 and LuaJIT, not for $(LUA). A host with another Lua uses the C interface: \
    docs/in-your-host.md)
endif

BUILD    = build
LUA_INC = -I$(call quote,$(LUA_INCDIR))
ifneq ($(words $(BUILD)),1)
$(error BUILD is '$(BUILD)': make has no files with a space in their names, so it must be one word)
endif

CFLAGS   = -O3 -g
WARNINGS = -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
           -Wstrict-prototypes -Wmissing-prototypes
DEFINES  = -D_GNU_SOURCE
COMPILE  = $(CC) $(WARNINGS) $(DEFINES) -fPIC -fno-plt -fvisibility=hidden -pthread $(CPPFLAGS) $(CFLAGS)
LINK     = $(CC) $(CFLAGS) $(LDFLAGS) -pthread
SHARED_CORE = -shared -Wl,-Bsymbolic -Wl,-z,defs -Wl,-z,nodelete

CORE    := $(sort $(wildcard src/core/*.c))
BINDING := $(sort $(wildcard src/lua/*.c))
MODULES := $(sort $(wildcard lua/ipmmap/*.lua))
JIT_MODULES := $(sort $(wildcard lua/ipmmap/jit/*.lua))
C_TESTS := $(sort $(wildcard spec/core/*_test.c))
HELPERS := $(sort $(wildcard spec/helper/*.c))

OBJECTS       = $(CORE:%.c=$(BUILD)/%.o) $(BINDING:%.c=$(BUILD)/%.o)
TEST_PROGRAMS = $(C_TESTS:%.c=$(BUILD)/%)
TEST_MODULES  = $(HELPERS:%.c=$(BUILD)/%.so) $(BUILD)/luajit/spec/helper/posix.so

# The C files that lint checks. The included makefiles add files to this list and to others.
C_FILES = $(CORE) $(BINDING) $(C_TESTS) $(HELPERS)

BUSTED  = busted --output=spec/helper/tap.lua
# The specs of what LuaJIT does as Lua does: they run with both.
JIT_SPECS = $(patsubst %,spec/%_spec.lua,helper versions struct value view assign bytes update jit \
              constructor error handle lock access coroutine wait_any changed listen feed \
              feed_changes share apply follow migrate compatible adopt appear trust resident processes \
              supervision jit_hook meaning_definition meaning_value meaning_list meaning_handle \
              meaning_jit share_url share_resp share_redis share_tls)
SUMMARY = .ci/summary $(if $(VERBOSE),all)

TO_BUILD = gcc libc6-dev liblua$(LUA_VERSION)-dev
TO_DEMO  = $(TO_BUILD) lua$(LUA_VERSION)
TO_TEST  = $(TO_DEMO) luajit libluajit-5.1-dev lua-busted luarocks lua-luv lua-cqueues \
           util-linux e2fsprogs xfsprogs btrfs-progs
TO_PROVE = gcc libc6-dev spin
TO_LINT  = $(TO_BUILD) lua$(LUA_VERSION) lua-check luarocks clang clang-format clang-tidy shellcheck

all: $(if $(FOR_LUAJIT),,$(BUILD)/ipmmap/core.so) $(BUILD)/ipmmap/libipmmap.so

# The includes come before the rules, because the rules need the complete lists.
include src/host.mk
include cli/cli.mk
include docs/docs.mk
include bench/bench.mk
include spec/stress/stress.mk
include spec/hostile/hostile.mk
include spec/hosts/hosts.mk

$(BUILD)/ipmmap/core.so: $(OBJECTS) src/lua/core.map
	@mkdir -p $(@D)
	$(LINK) -shared -Wl,-z,nodelete -Wl,--version-script=src/lua/core.map -o $@ $(OBJECTS)

# What LuaJIT loads by its FFI. It has no soname, so that it is another library than a host's libipmmap.
$(BUILD)/ipmmap/libipmmap.so: $(CORE:%.c=$(BUILD)/%.o)
	@mkdir -p $(@D)
	$(LINK) $(SHARED_CORE) -o $@ $^

$(BUILD)/src/core/%.o: src/core/%.c | toolchain
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/src/lua/%.o: src/lua/%.c | toolchain headers
	@mkdir -p $(@D)
	$(COMPILE) -Isrc $(LUA_INC) -MMD -MP -c -o $@ $<

$(BUILD)/spec/core/%.o: spec/core/%.c | toolchain
	@mkdir -p $(@D)
	$(COMPILE) -Isrc -MMD -MP -c -o $@ $<

$(BUILD)/spec/core/%: $(BUILD)/spec/core/%.o $(CORE:%.c=$(BUILD)/%.o)
	$(LINK) -o $@ $(filter %.o,$^)

.SECONDARY: $(TEST_PROGRAMS:=.o)

$(BUILD)/spec/helper/%.so: spec/helper/%.c | toolchain headers
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_INC) -fvisibility=default -MMD -MP -shared $(LDFLAGS) -o $@ $<

# For the specs in LuaJIT.
$(BUILD)/luajit/spec/helper/%.so: spec/helper/%.c | toolchain
	@mkdir -p $(@D)
	$(COMPILE) -I$(call quote,$(LUAJIT_INCDIR)) -fvisibility=default -MMD -MP -shared $(LDFLAGS) -o $@ $<

-include $(OBJECTS:.o=.d) $(TEST_PROGRAMS:=.d) $(HELPERS:%.c=$(BUILD)/%.d) \
    $(BUILD)/luajit/spec/helper/posix.d

toolchain:
	@echo '#include <stdio.h>' | $(CC) -E - >/dev/null 2>&1 || \
	    { echo 'no C compiler ($(CC)): on Debian it is in the packages gcc and libc6-dev' >&2; exit 1; }

headers:
	@echo '#include <lua.h>' | $(CC) $(CPPFLAGS) $(LUA_INC) -E - >/dev/null 2>&1 || \
	    { echo 'no lua.h in' $(call quote,$(LUA_INCDIR))': on Debian it is in the package liblua$(LUA_VERSION)-dev' >&2; exit 1; }

interpreter:
	@command -v $(call quote,$(LUA)) >/dev/null || \
	    { echo 'no $(LUA): on Debian it is in the package lua$(LUA_VERSION)' >&2; exit 1; }

# Builds everything that the tests run: the module, the C tests, the specs' modules and programs, and
# the programs of spec/stress.
build-tests: all $(TEST_PROGRAMS) $(TEST_MODULES) $(STRESS_PROGRAMS)

test:
	@.ci/packages 'make test' $(TO_TEST)
	@$(MAKE) --no-print-directory $(if $(VERBOSE),,--silent) build-tests
	@{ for program in $(TEST_PROGRAMS); do .ci/tap $$program; done; \
	   for quick in $(STRESS_QUICK); do .ci/tap $(STRESS_DIR)/$$quick; done; \
	   .ci/tap $(BUSTED); LUA=luajit .ci/tap $(BUSTED) $(JIT_SPECS); } | $(SUMMARY)

lint:
	@.ci/packages 'make lint' $(TO_LINT)
	@$(MAKE) --no-print-directory --keep-going \
	    lint-lua lint-luajit lint-format lint-tidy lint-gcc lint-clang lint-host lint-rockspec lint-shell

INCLUDES = -Isrc $(LUA_INC)
STRICT   = $(WARNINGS) -Werror -O2 -pthread $(DEFINES) $(INCLUDES) -c -o /dev/null
EACH     = sh -c $(call quote,for file do $(1) || bad=1; done; exit $$bad) each

lint-lua:
	@.ci/check luacheck luacheck --quiet .
lint-luajit:
	@.ci/check 'luacheck, for LuaJIT' luacheck --quiet --std luajit+busted --max-line-length 120 \
	    $(filter-out lua/ipmmap/meta.lua,$(MODULES)) $(JIT_MODULES) $(JIT_SPECS)
lint-format:
	@.ci/check clang-format clang-format --dry-run -Werror \
	    $(C_FILES) $(filter-out $(CDEF),$(wildcard src/*.h)) $(wildcard src/*/*.h spec/*/*.h bench/*.h bench/*/*.h bench/peer/*.c*)
lint-tidy:
	@.ci/check clang-tidy $(call EACH,clang-tidy --quiet $$file -- -std=c11 $(DEFINES) $(INCLUDES)) \
	    $(CORE) $(BINDING) $(HOST_SOURCES)
lint-gcc lint-clang: lint-%:
	@.ci/check '$*, all warnings' $(call EACH,$* $(STRICT) $$file) $(C_FILES)
lint-rockspec:
	@.ci/check 'luarocks lint' $(call EACH,luarocks lint $$file) $(wildcard *.rockspec)
lint-shell:
	@.ci/check shellcheck shellcheck proof/check proof/run \
	    $(wildcard .ci/* src/*.sh examples/*.sh spec/*/*.sh)

proof:
	@.ci/packages 'make proof' $(TO_PROVE)
	@proof/run $(if $(QUICK),quick,$(if $(FULL),full,default))

demo:
	@.ci/packages 'make demo' $(TO_DEMO)
	@$(MAKE) --no-print-directory all
	@examples/demo.sh

# The files to install, in the format of src/place.sh. `uninstall` uses the same lists.
ifdef FOR_LUAJIT
INSTALLED_MODULE = $(foreach file,$(JIT_MODULES),644:$(file):LUA_DIR/jit/$(notdir $(file))) \
                   755:$(BUILD)/ipmmap/libipmmap.so:LUA_LIBDIR/libipmmap.so
else
INSTALLED_MODULE = 755:$(BUILD)/ipmmap/core.so:LUA_LIBDIR/core.so
endif
INSTALLED_MODULE += $(foreach file,$(MODULES),644:$(file):LUA_DIR/$(notdir $(file)))
INSTALLED = $(INSTALLED_MODULE) $(if $(FOR_LUAJIT),,$(INSTALLED_HOST) $(INSTALLED_CLI) $(GENERATED_CLI))
PLACE = LUA_DIR=$(call quote,$(LUA_DIR)) LUA_LIBDIR=$(call quote,$(LUA_LIBDIR)) \
        CLI_DIR=$(call quote,$(CLI_DIR)) SHARE_DIR=$(call quote,$(SHARE_DIR)) \
        PREFIX=$(call quote,$(DESTDIR)$(PREFIX)) src/place.sh

install: install-module $(if $(FOR_LUAJIT),,install-host install-cli)

# The files that the rock installs, see ipmmap-scm-1.rockspec.
install-module: all
	@$(PLACE) install $(INSTALLED_MODULE)

uninstall:
	@$(PLACE) uninstall $(INSTALLED)

clean:
	rm -rf $(BUILD)

help:
	@sed -n '/^# \(make \|  \)/s/^# //p' Makefile spec/stress/stress.mk spec/hostile/hostile.mk spec/hosts/hosts.mk

.PHONY: all toolchain headers interpreter build-tests test lint proof demo install install-module uninstall clean help \
        lint-lua lint-luajit lint-format lint-tidy lint-gcc lint-clang lint-host lint-rockspec lint-shell

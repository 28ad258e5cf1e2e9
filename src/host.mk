# make host: builds the library for C and C++ hosts: libipmmap.a, libipmmap.so, libipmmap_lua.a with
# the Lua module inside, their pkg-config files, and the amalgamation: two source files in dist.

VERSION := $(shell sed -n 's/^.define IPM_VERSION "\([^"]*\)".*/\1/p' src/ipmmap.h)
SONAME  := libipmmap.so.$(basename $(VERSION))

GAME_SOURCES   = $(sort $(wildcard examples/game/*.c))
HOST_SOURCES   = $(sort $(wildcard src/host/*.c)) $(GAME_SOURCES) spec/host/budget.c
HOST_OBJECTS   = $(CORE:%.c=$(BUILD)/%.o)
MODULE_OBJECTS = $(OBJECTS) $(BUILD)/src/host/luaopen.o $(BUILD)/host/modules.o
HOST_LIBRARIES = $(BUILD)/libipmmap.a $(BUILD)/libipmmap.so.$(VERSION) $(BUILD)/libipmmap_lua.a
HOST_FILES     = $(HOST_LIBRARIES) dist/ipmmap.c dist/ipmmap.h
PKG_CONFIG     = $(BUILD)/host/ipmmap.pc $(BUILD)/host/ipmmap-lua.pc

TO_HOST  = gcc libc6-dev binutils liblua$(LUA_VERSION)-dev lua$(LUA_VERSION)
TO_GAME  = $(TO_HOST) libncurses-dev
TO_TEST += python3-cffi g++ pkg-config libncurses-dev valgrind strace
TO_LINT += g++ libncurses-dev valgrind

host: $(HOST_FILES)

$(BUILD)/libipmmap.a: $(HOST_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libipmmap.so.$(VERSION): $(HOST_OBJECTS)
	$(LINK) $(SHARED_CORE) -Wl,-soname,$(SONAME) -o $@ $^
	ln -sf $(@F) $(BUILD)/$(SONAME)
	ln -sf $(@F) $(BUILD)/libipmmap.so

$(BUILD)/libipmmap_lua.a: $(MODULE_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

# Annotations are for editors, which do not look into a library.
EMBEDDED = $(filter-out lua/ipmmap/meta.lua,$(MODULES))

$(BUILD)/host/modules.c: tools/embed.awk $(EMBEDDED)
	@mkdir -p $(@D)
	LC_ALL=C awk -f tools/embed.awk lua/ipmmap/init.lua \
	    $(filter-out lua/ipmmap/init.lua,$(EMBEDDED)) >$@.new
	mv $@.new $@

$(BUILD)/host/modules.o: $(BUILD)/host/modules.c
	$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/src/host/%.o: src/host/%.c | toolchain headers
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_INC) -MMD -MP -c -o $@ $<

-include $(BUILD)/src/host/luaopen.d $(BUILD)/host/modules.d

dist/ipmmap.c: tools/amalgamate.lua $(CORE) $(BINDING) $(wildcard src/*/*.h) src/ipmmap.h \
    src/host/luaopen.c $(BUILD)/host/modules.c | interpreter
	@mkdir -p $(@D)
	$(LUA) tools/amalgamate.lua $(CORE) -- $(BINDING) src/host/luaopen.c $(BUILD)/host/modules.c \
	    >$@.new
	mv $@.new $@

dist/ipmmap.h: src/ipmmap.h
	@mkdir -p $(@D)
	cp $< $@

# The header as plain declarations, for foreign function interfaces. They are in the repository, and
# the targets are phony, because git sets their modification times.
CDEF = src/ipmmap.cdef.h

cdef: | interpreter
	$(LUA) tools/cdef.lua <src/ipmmap.h >$(CDEF).new
	mv $(CDEF).new $(CDEF)
	$(LUA) tools/cdef.lua module <src/ipmmap.h >lua/ipmmap/jit/cdef.lua.new
	mv lua/ipmmap/jit/cdef.lua.new lua/ipmmap/jit/cdef.lua

# The example host in examples/game.
game:
	@.ci/packages 'make game' $(TO_GAME)
	@$(MAKE) --no-print-directory $(BUILD)/examples/game/game
	@echo 'in one terminal: $(BUILD)/examples/game/game examples/game/rules.lua'
	@echo 'in another, with the library installed: lua5.4 examples/game/tune.lua storm'

$(BUILD)/examples/game/game: $(GAME_SOURCES) examples/game/game.h src/ipmmap.h \
    $(BUILD)/libipmmap_lua.a
	@mkdir -p $(@D)
	$(COMPILE) -Isrc $(LUA_INC) $(LDFLAGS) -o $@ $(GAME_SOURCES) $(BUILD)/libipmmap_lua.a \
	    -llua$(LUA_VERSION) -lncurses

# Tests on the libraries that hosts link.
CXX_TESTS      = $(BUILD)/spec/core/fields_test_cxx
TSAN_TESTS     = $(BUILD)/tsan/threads_test
C_TESTS       += spec/host/threads_test.c
C_FILES       += $(HOST_SOURCES)
TEST_PROGRAMS += $(CXX_TESTS) $(TSAN_TESTS)
TEST_MODULES  += $(BUILD)/static/ipmmap.so $(BUILD)/amalgamation/ipmmap.so \
                 $(BUILD)/examples/game/game $(BUILD)/spec/host/budget

$(CXX_TESTS): $(BUILD)/%_cxx: %.c $(BUILD)/libipmmap.a
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -pthread \
	    $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ -x c++ $< -x none $(BUILD)/libipmmap.a

$(BUILD)/spec/host/threads_test: spec/host/threads_test.c $(BUILD)/libipmmap_lua.a
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_INC) $(LDFLAGS) -o $@ $^ -llua$(LUA_VERSION)

$(BUILD)/spec/host/budget: spec/host/budget.c $(BUILD)/libipmmap.a
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/tsan/threads_test: spec/host/threads_test.c dist/ipmmap.c dist/ipmmap.h
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -Wall -Wextra -fsanitize=thread -O1 -g -Wno-tsan -pthread -DIPM_LUA \
	    $(LUA_INC) $(CPPFLAGS) $(LDFLAGS) -o $@ $< dist/ipmmap.c -llua$(LUA_VERSION)

$(BUILD)/static/ipmmap.so: $(BUILD)/libipmmap_lua.a
	@mkdir -p $(@D)
	$(LINK) -shared -o $@ -Wl,--whole-archive $< -Wl,--no-whole-archive

$(BUILD)/amalgamation/ipmmap.so: dist/ipmmap.c dist/ipmmap.h
	@mkdir -p $(@D)
	$(CC) -Wall -Wextra -Werror -fPIC -pthread -DIPM_LUA $(LUA_INC) $(CPPFLAGS) $(CFLAGS) \
	    $(LDFLAGS) -shared -o $@ $<

lint-host: dist/ipmmap.c dist/ipmmap.h
	@.ci/check 'dist, with the warnings of hosts' spec/host/warnings.sh $(call quote,$(LUA_INCDIR))

# The prefix with spaces escaped for pkg-config, and with the characters that sed interprets escaped.
EMPTY     =
PC_PREFIX = $(subst |,\|,$(subst &,\&,$(subst \,\\,$(subst $(EMPTY) ,\ ,$(PREFIX)))))

$(PKG_CONFIG): $(BUILD)/%.pc: src/%.pc.in
	@mkdir -p $(@D)
	@sed 's|@PREFIX@|'$(call quote,$(PC_PREFIX))'|; s|@VERSION@|$(VERSION)|' $< >$@

INSTALLED_HOST = \
    644:src/ipmmap.h:PREFIX/include/ipmmap.h \
    644:$(CDEF):PREFIX/include/ipmmap.cdef.h \
    644:$(BUILD)/libipmmap.a:PREFIX/lib/libipmmap.a \
    644:$(BUILD)/libipmmap_lua.a:PREFIX/lib/libipmmap_lua.a \
    755:$(BUILD)/libipmmap.so.$(VERSION):PREFIX/lib/libipmmap.so.$(VERSION) \
    link:libipmmap.so.$(VERSION):PREFIX/lib/$(SONAME) \
    link:libipmmap.so.$(VERSION):PREFIX/lib/libipmmap.so \
    $(foreach file,$(PKG_CONFIG),644:$(file):PREFIX/lib/pkgconfig/$(notdir $(file)))

install-host: $(HOST_LIBRARIES) $(PKG_CONFIG)
	@$(PLACE) install $(INSTALLED_HOST)

clean: clean-dist
clean-dist:
	rm -rf dist

## The pkg-config files are phony, because the prefix may differ from the last build's.
.PHONY: host cdef lint-host game install-host clean-dist $(PKG_CONFIG)

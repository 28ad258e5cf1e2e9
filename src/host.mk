# make host: the library for C and C++ hosts: libipmmap.a, libipmmap.so, libipmmap_lua.a with the
# Lua module inside, their pkg-config files, and all of it as two files in dist.

VERSION := $(shell sed -n 's/^.define IPM_VERSION "\([^"]*\)".*/\1/p' src/ipmmap.h)
SONAME  := libipmmap.so.$(basename $(VERSION))

INCLUDE_DIR = $(DESTDIR)$(PREFIX)/include
HOST_LIBDIR = $(DESTDIR)$(PREFIX)/lib

GAME_SOURCES   = $(sort $(wildcard examples/game/*.c))
HOST_SOURCES   = $(sort $(wildcard src/host/*.c)) $(GAME_SOURCES) spec/host/budget.c
HOST_OBJECTS   = $(CORE:%.c=$(BUILD)/%.o)
MODULE_OBJECTS = $(OBJECTS) $(BUILD)/src/host/open.o $(BUILD)/host/modules.o
HOST_LIBRARIES = $(BUILD)/libipmmap.a $(BUILD)/libipmmap.so.$(VERSION) $(BUILD)/libipmmap_lua.a
HOST_FILES     = $(HOST_LIBRARIES) dist/ipmmap.c dist/ipmmap.h

TO_HOST  = gcc libc6-dev binutils liblua5.4-dev lua5.4
TO_GAME  = $(TO_HOST) libncurses-dev
TO_TEST += g++ pkg-config libncurses-dev valgrind strace
TO_LINT += libncurses-dev valgrind

host: $(HOST_FILES)

$(BUILD)/libipmmap.a: $(HOST_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/libipmmap.so.$(VERSION): $(HOST_OBJECTS)
	$(LINK) -shared -Wl,-soname,$(SONAME) -Wl,-Bsymbolic -Wl,-z,defs -Wl,-z,nodelete -o $@ $^
	ln -sf $(@F) $(BUILD)/$(SONAME)
	ln -sf $(@F) $(BUILD)/libipmmap.so

$(BUILD)/libipmmap_lua.a: $(MODULE_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/host/modules.c: src/host/embed.lua $(MODULES)
	@mkdir -p $(@D)
	lua5.4 src/host/embed.lua $(MODULES) >$@.new
	mv $@.new $@

$(BUILD)/host/modules.o: $(BUILD)/host/modules.c
	$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/src/host/%.o: src/host/%.c | toolchain
	@mkdir -p $(@D)
	$(COMPILE) -I$(LUA_INCDIR) -MMD -MP -c -o $@ $<

-include $(BUILD)/src/host/open.d $(BUILD)/host/modules.d

dist/ipmmap.c: src/host/amalgamate.lua $(CORE) $(BINDING) $(wildcard src/*/*.h) src/ipmmap.h \
    src/host/open.c $(BUILD)/host/modules.c
	@mkdir -p $(@D)
	lua5.4 src/host/amalgamate.lua $(CORE) -- $(BINDING) src/host/open.c $(BUILD)/host/modules.c \
	    >$@.new
	mv $@.new $@

dist/ipmmap.h: src/ipmmap.h
	@mkdir -p $(@D)
	cp $< $@

# The example of a host: examples/game.
game:
	@.ci/packages 'make game' $(TO_GAME)
	@$(MAKE) --no-print-directory $(BUILD)/examples/game/game
	@echo 'in one terminal: $(BUILD)/examples/game/game examples/game/rules.lua'
	@echo 'in another, with the library installed: lua5.4 examples/game/tune.lua storm'

$(BUILD)/examples/game/game: $(GAME_SOURCES) examples/game/game.h src/ipmmap.h \
    $(BUILD)/libipmmap_lua.a
	@mkdir -p $(@D)
	$(COMPILE) -Isrc -I$(LUA_INCDIR) $(LDFLAGS) -o $@ $(GAME_SOURCES) $(BUILD)/libipmmap_lua.a \
	    -llua5.4 -lncurses

# The same tests on what hosts get.
CXX_TESTS      = $(BUILD)/spec/core/fields_test_cxx
TSAN_TESTS     = $(BUILD)/tsan/threads_test
C_TESTS       += spec/host/threads_test.c
TEST_PROGRAMS += $(CXX_TESTS) $(TSAN_TESTS)
TEST_MODULES  += $(BUILD)/static/ipmmap.so $(BUILD)/amalgamation/ipmmap.so \
                 $(BUILD)/examples/game/game $(BUILD)/spec/host/budget

$(CXX_TESTS): $(BUILD)/%_cxx: %.c $(BUILD)/libipmmap.a
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -pthread \
	    $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ -x c++ $< -x none $(BUILD)/libipmmap.a

$(BUILD)/spec/host/threads_test: spec/host/threads_test.c $(BUILD)/libipmmap_lua.a
	@mkdir -p $(@D)
	$(COMPILE) -I$(LUA_INCDIR) $(LDFLAGS) -o $@ $^ -llua5.4

$(BUILD)/spec/host/budget: spec/host/budget.c $(BUILD)/libipmmap.a
	@mkdir -p $(@D)
	$(COMPILE) $(LDFLAGS) -o $@ $^

$(BUILD)/tsan/threads_test: spec/host/threads_test.c dist/ipmmap.c dist/ipmmap.h
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -Wall -Wextra -fsanitize=thread -O1 -g -Wno-tsan -pthread -DIPM_LUA \
	    -I$(LUA_INCDIR) $(CPPFLAGS) $(LDFLAGS) -o $@ $< dist/ipmmap.c -llua5.4

$(BUILD)/static/ipmmap.so: $(BUILD)/libipmmap_lua.a
	@mkdir -p $(@D)
	$(LINK) -shared -o $@ -Wl,--whole-archive $< -Wl,--no-whole-archive

$(BUILD)/amalgamation/ipmmap.so: dist/ipmmap.c dist/ipmmap.h
	@mkdir -p $(@D)
	$(CC) -Wall -Wextra -Werror -fPIC -pthread -DIPM_LUA -I$(LUA_INCDIR) $(CPPFLAGS) $(CFLAGS) \
	    $(LDFLAGS) -shared -o $@ $<

install: install-host
install-host: host
	install -d $(INCLUDE_DIR) $(HOST_LIBDIR)/pkgconfig
	install -m 644 src/ipmmap.h $(INCLUDE_DIR)
	install -m 644 $(BUILD)/libipmmap.a $(BUILD)/libipmmap_lua.a $(HOST_LIBDIR)
	install -m 755 $(BUILD)/libipmmap.so.$(VERSION) $(HOST_LIBDIR)
	ln -sf libipmmap.so.$(VERSION) $(HOST_LIBDIR)/$(SONAME)
	ln -sf libipmmap.so.$(VERSION) $(HOST_LIBDIR)/libipmmap.so
	for name in ipmmap ipmmap-lua; do \
	    sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' src/host/$$name.pc.in \
	        >$(HOST_LIBDIR)/pkgconfig/$$name.pc || exit 1; \
	done

uninstall: uninstall-host
uninstall-host:
	rm -f $(INCLUDE_DIR)/ipmmap.h $(HOST_LIBDIR)/libipmmap.a $(HOST_LIBDIR)/libipmmap_lua.a \
	    $(HOST_LIBDIR)/libipmmap.so* $(HOST_LIBDIR)/pkgconfig/ipmmap.pc \
	    $(HOST_LIBDIR)/pkgconfig/ipmmap-lua.pc

clean: clean-dist
clean-dist:
	rm -rf dist

.PHONY: host game install-host uninstall-host clean-dist

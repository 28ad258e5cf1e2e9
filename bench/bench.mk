# The benchmarks: make bench, see docs/performance.md.

TO_BENCH       = $(TO_DEMO) lua-dkjson
TO_BENCH_PEERS = luajit gnuplot-nox python3-fasteners liblmdb-dev libtdb-dev g++ libboost-dev redis-server

BENCH_CORE = $(patsubst %.c,$(BUILD)/%,$(filter-out bench/core/open.c,$(wildcard bench/core/*.c)))
BENCH_PEER = $(patsubst %.c,$(BUILD)/%,$(wildcard bench/peer/*.c)) $(BUILD)/bench/peer/boost
BENCH_LUA  = $(BUILD)/bench/lua/minimal.so $(BUILD)/bench/lua/bare.so $(BUILD)/bench/lua/loop.so

$(BUILD)/bench/core/%: bench/core/%.c bench/core/open.c bench/measure.c $(CORE:%.c=$(BUILD)/%.o)
	@mkdir -p $(@D)
	$(COMPILE) -Isrc -o $@ $^

$(BUILD)/bench/lua/%.so: bench/lua/%.c | toolchain headers
	@mkdir -p $(@D)
	$(COMPILE) $(LUA_INC) -fvisibility=default -shared -o $@ $<

$(BUILD)/bench/lua/bare.so: bench/lua/bare.c bench/core/open.c bench/measure.c \
    $(CORE:%.c=$(BUILD)/%.o)
	@mkdir -p $(@D)
	$(COMPILE) -Isrc $(LUA_INC) -fvisibility=default -shared -o $@ $^

$(BUILD)/bench/measure.o: bench/measure.c | toolchain
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<

# If a peer cannot be built here, it is left out, and the table says so.
$(BUILD)/bench/peer/lmdb: LDLIBS = -llmdb
$(BUILD)/bench/peer/tdb:  LDLIBS = -ltdb
$(BUILD)/bench/peer/%: bench/peer/%.c $(BUILD)/bench/measure.o
	@mkdir -p $(@D)
	@$(COMPILE) -o $@ $^ $(LDLIBS) || rm -f $@
$(BUILD)/bench/peer/boost: bench/peer/boost.cpp $(BUILD)/bench/measure.o
	@mkdir -p $(@D)
	@$(CXX) -std=c++14 -Wall -Wextra -pthread $(CPPFLAGS) $(CFLAGS) -o $@ $^ || rm -f $@

bench:
	@.ci/packages 'make bench' $(TO_BENCH)
	@for package in $(TO_BENCH_PEERS); do .ci/packages 'make bench' $$package || true; done
	@$(MAKE) --no-print-directory all $(BENCH_CORE) $(BENCH_LUA) $(BENCH_PEER)
	@LUA_PATH='./lua/?.lua;./lua/?/init.lua;./bench/?.lua;./bench/lua/?.lua;;' \
	    LUA_CPATH='./$(BUILD)/?.so;./$(BUILD)/bench/lua/?.so;;' CC='$(CC)' CFLAGS='$(CFLAGS)' \
	    $(LUA) bench/run.lua $(BUILD) $(if $(QUICK),quick,full) $(if $(COMPARE),$(call quote,$(COMPARE)))

.PHONY: bench

C_FILES += $(wildcard bench/*.c bench/core/*.c bench/lua/*.c)

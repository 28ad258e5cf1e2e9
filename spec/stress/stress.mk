# Tests in which processes die at any moment. Included by the Makefile.
#
# make sweep    kills a process after every instruction of everything that it does with a segment
# make chaos    kills and stops processes at random, for MINUTES=1; with IN_LUA=1 processes in C, Lua
#               and, if it is installed, LuaJIT; with MIGRATE=1 while the segment is migrated back
#               and forth
# make images   opens copies of a segment's files that were made while its lock was held
# make crowd    lets 16 processes open a segment that does not exist yet, while its creator dies
# make layouts  lets processes follow a segment whose layout changes, while its managers are killed
# make news     lets processes wait for each other's commits
# make followers  kills editors at random while other processes follow every commit, for KILLS=100000
# make machines  lets several machines share a segment over real redis-servers, for MINUTES=1, while
#               processes are killed and stopped, cables are cut and hostile frames are sent; with
#               PART=kills that part only (the parts are listed in spec/stress/machines.lua)
# make machines-scale  measures what commits cost the server, the home and followers
# make mutants  changes the core one line at a time, and checks that a test fails: the changes listed
#               in spec/mutation/mutants; with GENERATED=1 all that rules generate, with GENERATED=12
#               a dozen of them
# make weak_memory  runs the core's code on a simulated machine with memory as weak as C allows
# make latency  measures how long a process waits for one that dies, or for a busy writer

MINUTES   = 1
LUA_PATHS = LUA_PATH='lua/?.lua;lua/?/init.lua;./?.lua;;' LUA_CPATH='$(BUILD)/?.so;;'

STRESS         = sweep chaos images crowd news followers weak_memory latency
STRESS_DIR     = $(BUILD)/spec/stress
STRESS_SOURCES = $(sort $(wildcard spec/stress/*.c))
STRESS_OBJECTS = $(STRESS_SOURCES:%.c=$(BUILD)/%.o)
STRESS_PROGRAMS = $(STRESS:%=$(STRESS_DIR)/%)

# The stress tests that `make test` runs, the quickest first. For each mutant, one of these or of the
# tests below fails.
STRESS_QUICK = 'weak_memory 20000' 'crowd 50' 'images 100' 'news 500' 'followers 300' \
               'chaos 1 1000' 'latency 50 2' 'sweep 31'

# The tests that `make mutants` tries first.
MUTANT_TESTS = queue_test rwlock_test thread_test force_test

C_FILES += $(STRESS_SOURCES)

$(STRESS_DIR)/%.o: spec/stress/%.c | toolchain
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

$(STRESS_DIR)/sweep: $(STRESS_DIR)/step.o $(STRESS_DIR)/phases.o $(STRESS_DIR)/waiter.o
$(STRESS_DIR)/chaos: $(STRESS_DIR)/chaos_worker.o $(STRESS_DIR)/chaos_crew.o
$(STRESS_DIR)/weak_memory: $(STRESS_DIR)/weak.o $(STRESS_DIR)/weak_core.o
$(STRESS_DIR)/weak_memory: COMPILED_ANEW = %/core/feed.o %/core/listeners.o %/core/mutex.o \
    %/core/notify.o %/core/queue.o %/core/ring.o %/core/rwlock.o %/core/share.o %/core/transaction.o
# -z now binds all symbols at the start, so that sweep does not step through the dynamic linker.
$(STRESS_PROGRAMS): $(STRESS_DIR)/%: $(STRESS_DIR)/%.o $(STRESS_DIR)/stress.o $(CORE:%.c=$(BUILD)/%.o)
	$(LINK) -Wl,-z,now -o $@ $(filter-out $(COMPILED_ANEW),$^)

-include $(STRESS_OBJECTS:.o=.d)

stress: $(STRESS_PROGRAMS)
sweep images crowd news weak_memory latency: %: $(STRESS_DIR)/%
	$<
followers: $(STRESS_DIR)/followers
	$< $(or $(KILLS),100000)
CREW = $(LUA) spec/stress/chaos.lua -- $(or $(shell command -v luajit),$(LUA)) spec/stress/chaos.lua
chaos: $(STRESS_DIR)/chaos $(if $(IN_LUA),all)
	$(if $(IN_LUA),$(LUA_PATHS)) $< $(if $(MIGRATE),--migrate) $(MINUTES) $(if $(IN_LUA),0 $(CREW))

# `make mutants` runs the quickest tests first.
SLOW_TESTS     = $(addprefix spec/core/,abi_test fault_test hostile_test)
MUTATION_TESTS = $(filter-out $(SLOW_TESTS),$(CORE_TESTS)) spec/core/fault_test \
                 $(STRESS_QUICK:'%='spec/stress/%) spec/core/hostile_test
SAMPLE_TESTS   = $(filter-out $(SLOW_TESTS) spec/core/catch_up_test,$(CORE_TESTS)) \
                 'spec/stress/weak_memory 5000'
MUTANTS        = --list spec/mutation/mutants
mutants: MUTANTS := $(if $(GENERATED),--generate $(if $(filter-out 1,$(GENERATED)),--some $(GENERATED)),$(MUTANTS))
mutants:
	@$(LUA) spec/mutation/run.lua $(MUTANTS) $(if $(ONLY),--only '$(ONLY)') --jobs $(or $(JOBS),1) \
	    $(if $(filter-out 1,$(GENERATED)),$(SAMPLE_TESTS),$(MUTATION_TESTS))

LAYOUTS = 30
layouts: all $(BUILD)/spec/helper/posix.so
	$(LUA_PATHS) $(LUA) spec/stress/layouts.lua $(LAYOUTS)

TO_SHARE = redis-server lua-cqueues lua-luaossl lua-argparse lua-luv iproute2
SHARE_PATHS = LUA_PATH='lua/?.lua;lua/?/init.lua;cli/?.lua;./?.lua;;' LUA_CPATH='$(BUILD)/?.so;;'
machines machines-scale: all $(BUILD)/spec/helper/posix.so
	@.ci/packages 'make $@' $(TO_SHARE)
	$(SHARE_PATHS) $(LUA) spec/stress/$(if $(filter machines,$@),machines.lua $(MINUTES) $(PART),machines/scale.lua)

.PHONY: $(STRESS) machines machines-scale stress layouts mutants

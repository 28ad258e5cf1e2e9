# Processes that die, in all ways and all the time. Included by the Makefile.
#
# make sweep    kills a process after every instruction of all that it does with a segment
# make chaos    kills and stops processes at random, for MINUTES=1
# make images   opens copies of a segment's files that were made while its lock was held
# make crowd    lets 16 processes open a segment that is not there yet, while its creator dies
# make latency  measures how long those wait who wait for somebody who dies, or is busy

MINUTES = 1

STRESS         = sweep chaos images crowd latency
STRESS_DIR     = $(BUILD)/spec/stress
STRESS_SOURCES = $(sort $(wildcard spec/stress/*.c))
STRESS_OBJECTS = $(STRESS_SOURCES:%.c=$(BUILD)/%.o)
STRESS_PROGRAMS = $(STRESS:%=$(STRESS_DIR)/%)

# What `make test` runs of it: seconds.
STRESS_QUICK = 'sweep 31' 'chaos 1 1000' 'images 100' 'crowd 50'

C_FILES += $(STRESS_SOURCES)

$(STRESS_DIR)/%.o: spec/stress/%.c | toolchain
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c -o $@ $<

$(STRESS_DIR)/sweep: $(STRESS_DIR)/step.o $(STRESS_DIR)/phases.o $(STRESS_DIR)/waiter.o
$(STRESS_DIR)/chaos: $(STRESS_DIR)/chaos_worker.o
# Bound at once: the dynamic linker's work is no part of what is stepped through.
$(STRESS_PROGRAMS): $(STRESS_DIR)/%: $(STRESS_DIR)/%.o $(STRESS_DIR)/stress.o $(CORE:%.c=$(BUILD)/%.o)
	$(LINK) -Wl,-z,now -o $@ $^

-include $(STRESS_OBJECTS:.o=.d)

sweep images crowd latency: %: $(STRESS_DIR)/%
	$<
chaos: $(STRESS_DIR)/chaos
	$< $(MINUTES)

.PHONY: $(STRESS)

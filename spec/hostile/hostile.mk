# Tests with damaged files, unusual systems, and tools that find errors.
#
# make fuzz       has libFuzzer mutate data files, lock files and schema texts, for SECONDS=60
# make sanitize   runs the tests under ASan, UBSan and memcheck, and threads under TSan
# make musl       runs the C tests with another libc, and both libcs on one segment
# make aarch64    builds the library and the C tests for 64-bit ARM, and runs the tests in an emulator
# make overlay    runs tests on overlayfs, as in a container

SECONDS = 60

TO_FUZZ     = $(TO_BUILD) clang libclang-rt-dev
TO_SANITIZE = $(TO_TEST) valgrind
TO_MUSL     = $(TO_BUILD) musl-tools
TO_AARCH64  = gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user

CORE_TESTS = $(basename $(filter spec/core/%,$(C_TESTS)))

C_FILES += $(sort $(wildcard spec/hostile/*.c))

# ---- make test: the calls that fault_test makes fail, see spec/core/fault.h --------------------

WRAPPED = access calloc chmod close epoll_create1 epoll_ctl eventfd fallocate fchmod fclose fcntl free fstat fstatfs \
          getcwd getrlimit inotify_add_watch inotify_init1 ioctl lchown lseek lstat madvise malloc mkdir \
          mlock mmap msync munmap nanosleep open open_memstream pread pthread_mutex_init \
          pthread_mutex_trylock pthread_mutexattr_init \
          pwrite read realloc rename stat strdup syscall timerfd_create tsearch \
          unlink
comma  := ,

$(BUILD)/spec/core/fault_test: LDFLAGS += $(WRAPPED:%=-Wl$(comma)--wrap=%)

# ---- make fuzz ---------------------------------------------------------------------------------

FUZZERS = $(addprefix $(BUILD)/fuzz/,fuzz_data fuzz_lock fuzz_schema)
FUZZ    = clang $(WARNINGS) $(DEFINES) -O1 -g -pthread -Isrc \
          -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

$(BUILD)/fuzz/%: spec/hostile/%.c spec/hostile/fuzz.h $(CORE) $(wildcard src/*.h src/core/*.h)
	@mkdir -p $(@D)
	$(FUZZ) -o $@ $< $(CORE)

fuzz:
	@.ci/packages 'make fuzz' $(TO_FUZZ)
	@$(MAKE) --no-print-directory $(FUZZERS)
	@spec/hostile/fuzz.sh $(SECONDS) $(BUILD)/fuzz $(FUZZERS)

# ---- make sanitize -----------------------------------------------------------------------------

# These builds have directories and flags of their own.
ASAN  = BUILD=$(BUILD)/asan \
        CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all'
# gcc warns that TSan does not support fences. That is harmless: all data that the fences order is
# read and written by atomics, so TSan reports no false races.
TSAN  = BUILD=$(BUILD)/tsan CFLAGS='-O1 -g -fsanitize=thread -Wno-tsan'

# Tests that do not work under memcheck: hostile_test tries random pages, which is too slow there;
# hostile_test and rwlock_test measure time; catch_up_test counts instructions; limits_test leaves
# no address space for memcheck, nor for ASan.
MEMCHECK_TESTS = $(filter-out $(addprefix spec/core/,hostile_test rwlock_test thread_test fault_test \
                   limits_test catch_up_test), \
                 $(CORE_TESTS))

# resident_test is left out, because mlock does nothing under ASan.
SANITIZED_TESTS = $(filter-out $(addprefix spec/core/,resident_test limits_test),$(CORE_TESTS))
# The specs of the module. The other specs build packages and programs without sanitizers, count
# instructions, are for LuaJIT, or are of segments on several machines, where little is in C.
SANITIZED_SPECS = $(filter-out $(addprefix spec/,budget_spec.lua cdef_spec.lua ci_spec.lua helper_spec.lua \
                  host_spec.lua install_spec.lua jit_spec.lua reference_spec.lua resident_spec.lua \
                  rockspec_spec.lua running_spec.lua) \
                  $(wildcard spec/share_*_spec.lua spec/machines_*_spec.lua),$(wildcard spec/*_spec.lua))

sanitize:
	@.ci/packages 'make sanitize' $(TO_SANITIZE)
	@$(MAKE) --no-print-directory $(ASAN) $(SANITIZED_TESTS:%=$(BUILD)/asan/%) all
	@$(MAKE) --no-print-directory $(TSAN) $(BUILD)/tsan/spec/core/thread_test
	@$(MAKE) --no-print-directory all $(TEST_PROGRAMS) $(TEST_MODULES)
	@spec/hostile/sanitize.sh $(BUILD) '$(SANITIZED_TESTS)' '$(MEMCHECK_TESTS)' $(SANITIZED_SPECS) | \
	    $(SUMMARY)

# ---- make musl ---------------------------------------------------------------------------------

MIXED = spec/hostile/mixed
MUSL  = BUILD=$(BUILD)/musl CC=musl-gcc

$(BUILD)/$(MIXED): $(MIXED).c $(CORE:%.c=$(BUILD)/%.o)
	@mkdir -p $(@D)
	$(COMPILE) -Isrc -o $@ $^

musl:
	@.ci/packages 'make musl' $(TO_MUSL)
	@$(MAKE) --no-print-directory $(MUSL) $(CORE_TESTS:%=$(BUILD)/musl/%) $(BUILD)/musl/$(MIXED)
	@$(MAKE) --no-print-directory $(BUILD)/$(MIXED)
	@for program in $(CORE_TESTS:%=$(BUILD)/musl/%) \
	    '$(BUILD)/$(MIXED) $(BUILD)/musl/$(MIXED)' '$(BUILD)/musl/$(MIXED) $(BUILD)/$(MIXED)'; do \
	    .ci/tap $$program; \
	done | $(SUMMARY)

# ---- make aarch64 ------------------------------------------------------------------------------

# /proc has the numbers of the system calls that qemu makes.
AARCH64  = BUILD=$(BUILD)/aarch64 CC=aarch64-linux-gnu-gcc \
           CPPFLAGS='-DPROC_FUTEX=202 -DPROC_NANOSLEEP=35 -DPROC_CLOCK_NANOSLEEP=230'
EMULATOR = qemu-aarch64 -L /usr/aarch64-linux-gnu

# Tests that do not work under qemu-user. It has no robust lists, so that nobody learns of a holder's
# death; no MADV_DONTFORK, no ptrace, and no limit on the address space; it hides what some file
# systems say about their free room; and it makes up the process's own /proc/self/stat, so that others
# see another start time (supervision_test). fault_test works, but takes minutes.
NEED_ROBUST_LISTS = damage_test death_test feed_test fork_test migrate_test patch_test queue_test rwlock_test \
                    users_test
NOT_EMULATED  = $(NEED_ROBUST_LISTS) lockfile_test catch_up_test limits_test nospace_test room_test fault_test \
                supervision_test
AARCH64_TESTS = $(filter-out $(NOT_EMULATED:%=spec/core/%),$(CORE_TESTS))

aarch64:
	@.ci/packages 'make aarch64' $(TO_AARCH64)
	@$(MAKE) --no-print-directory $(AARCH64) $(AARCH64_TESTS:%=$(BUILD)/aarch64/%) \
	    $(BUILD)/aarch64/ipmmap/libipmmap.so
	@for program in $(AARCH64_TESTS:%=$(BUILD)/aarch64/%); do \
	    .ci/tap $(EMULATOR) $$program; \
	done | $(SUMMARY)

# ---- make overlay ------------------------------------------------------------------------------

TO_OVERLAY = $(TO_TEST)

# Without the tests that mount a file system of their own, and the slow one with damaged files.
OVERLAY_TESTS  = $(filter-out $(addprefix spec/core/,overlay_test nospace_test hostile_test), \
                 $(CORE_TESTS))
OVERLAY_STRESS = 'images 100' 'crowd 50' 'news 500' 'chaos 0.3'
OVERLAY_SPECS  = $(patsubst %,spec/%_spec.lua,access adopt bytes constructor corrupt error handle listen lock \
                   lock_view migrate processes struct value view)

overlay:
	@.ci/packages 'make overlay' $(TO_OVERLAY)
	@$(MAKE) --no-print-directory build-tests
	@spec/hostile/overlay.sh $(OVERLAY_TESTS:%=$(BUILD)/%) $(TSAN_TESTS) $(OVERLAY_STRESS:'%='$(STRESS_DIR)/%) \
	    'busted --output=TAP $(OVERLAY_SPECS)' | $(SUMMARY)

.PHONY: fuzz sanitize musl aarch64 overlay

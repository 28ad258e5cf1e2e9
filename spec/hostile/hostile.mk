# make fuzz [SECONDS=60]   mutated data files, lock files and schema texts, by libFuzzer

SECONDS  = 60
TO_FUZZ  = $(TO_BUILD) clang libclang-rt-14-dev
C_FILES += $(sort $(wildcard spec/hostile/*.c))

FUZZERS  = $(addprefix $(BUILD)/fuzz/,fuzz_data fuzz_lock fuzz_schema)
FUZZ     = clang $(WARNINGS) $(DEFINES) -O1 -g -pthread -Isrc \
           -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

$(BUILD)/fuzz/%: spec/hostile/%.c spec/hostile/fuzz.h $(CORE) $(wildcard src/*.h src/core/*.h)
	@mkdir -p $(@D)
	$(FUZZ) -o $@ $< $(CORE)

fuzz:
	@.ci/packages 'make fuzz' $(TO_FUZZ)
	@$(MAKE) --no-print-directory $(FUZZERS)
	@spec/hostile/fuzz.sh $(SECONDS) $(BUILD)/fuzz $(FUZZERS)

.PHONY: fuzz

# What fault_test makes fail: see spec/core/fault.h.
WRAPPED = access calloc chmod close fallocate fchmod fclose fcntl free fstat fstatfs getcwd lstat madvise \
          malloc mkdir mlock mmap msync munmap nanosleep open open_memstream posix_fallocate pread \
          pthread_mutex_init pthread_mutex_trylock pthread_mutexattr_init pwrite realloc rename \
          stat strdup syscall tsearch unlink
comma  := ,

$(BUILD)/spec/core/fault_test: LDFLAGS += $(WRAPPED:%=-Wl$(comma)--wrap=%)

# The command ipmmap, which is in Lua, and what is generated from its parser: the manual page and
# the shells' completions.

CLI_MODULES   := $(sort $(wildcard cli/ipmmap_cli/*.lua))
CLI_GENERATED  = $(addprefix $(BUILD)/cli/,ipmmap.1 ipmmap.bash ipmmap.zsh ipmmap.fish)

TO_CLI   = lua5.4 lua-argparse lua-dkjson lua-luv
TO_DEMO += $(TO_CLI)
TO_TEST += python3

SHARE   = $(DESTDIR)$(PREFIX)/share
CLI_DIR = $(SHARE)/lua/5.4/ipmmap_cli
MAN     = $(SHARE)/man/man1/ipmmap.1
BASH    = $(SHARE)/bash-completion/completions/ipmmap
ZSH     = $(SHARE)/zsh/site-functions/_ipmmap
FISH    = $(SHARE)/fish/vendor_completions.d/ipmmap.fish

cli: $(CLI_GENERATED)

$(BUILD)/cli/ipmmap.1: $(CLI_MODULES) $(BUILD)/ipmmap/core.so
	@mkdir -p $(@D)
	bin/ipmmap man > $@.new && mv $@.new $@

$(BUILD)/cli/ipmmap.%: $(CLI_MODULES) $(BUILD)/ipmmap/core.so
	@mkdir -p $(@D)
	bin/ipmmap completion $* > $@.new && mv $@.new $@

install: install-cli

install-cli: all
	install -d $(CLI_DIR) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(CLI_MODULES) $(CLI_DIR)
	install -m 755 bin/ipmmap $(DESTDIR)$(PREFIX)/bin
	@if .ci/packages 'the command ipmmap' $(TO_CLI); then \
	    $(MAKE) --no-print-directory install-cli-generated; \
	else \
	    echo 'installed without what is generated: its manual page and completions' >&2; \
	fi

install-cli-generated: $(CLI_GENERATED)
	install -d $(dir $(MAN) $(BASH) $(ZSH) $(FISH))
	install -m 644 $(BUILD)/cli/ipmmap.1 $(MAN)
	install -m 644 $(BUILD)/cli/ipmmap.bash $(BASH)
	install -m 644 $(BUILD)/cli/ipmmap.zsh $(ZSH)
	install -m 644 $(BUILD)/cli/ipmmap.fish $(FISH)

uninstall: uninstall-cli

uninstall-cli:
	rm -rf $(CLI_DIR)
	rm -f $(DESTDIR)$(PREFIX)/bin/ipmmap $(MAN) $(BASH) $(ZSH) $(FISH)

.PHONY: cli install-cli install-cli-generated uninstall-cli

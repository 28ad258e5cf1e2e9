# The command ipmmap, which is written in Lua, and the files generated from its parser: the manual page
# and the completions for shells.

# Those in ipmmap_share carry a segment's commits between machines. They are loaded for that alone, and
# only they need cqueues and luaossl.
CLI_MODULES   := $(sort $(wildcard cli/ipmmap_cli/*.lua cli/ipmmap_share/*.lua))
CLI_GENERATED  = $(addprefix $(BUILD)/cli/,ipmmap.1 ipmmap.bash ipmmap.zsh ipmmap.fish)

TO_CLI   = lua$(LUA_VERSION) lua-argparse lua-luv
TO_DEMO += $(TO_CLI)
TO_TEST += lua-dkjson python3 gnuplot-nox lua-luaossl openssl redis-server

CLI_DIR   = $(DESTDIR)$(PREFIX)/share/lua/$(LUA_VERSION)/ipmmap_cli
SHARE_DIR = $(DESTDIR)$(PREFIX)/share/lua/$(LUA_VERSION)/ipmmap_share

INSTALLED_CLI = 755:$(BUILD)/cli/ipmmap:PREFIX/bin/ipmmap \
                $(foreach file,$(filter cli/ipmmap_cli/%,$(CLI_MODULES)),644:$(file):CLI_DIR/$(notdir $(file))) \
                $(foreach file,$(filter cli/ipmmap_share/%,$(CLI_MODULES)),644:$(file):SHARE_DIR/$(notdir $(file)))
GENERATED_CLI = \
    644:$(BUILD)/cli/ipmmap.1:PREFIX/share/man/man1/ipmmap.1 \
    644:$(BUILD)/cli/ipmmap.bash:PREFIX/share/bash-completion/completions/ipmmap \
    644:$(BUILD)/cli/ipmmap.zsh:PREFIX/share/zsh/site-functions/_ipmmap \
    644:$(BUILD)/cli/ipmmap.fish:PREFIX/share/fish/vendor_completions.d/ipmmap.fish

cli: $(CLI_GENERATED)

$(BUILD)/cli/ipmmap.1: $(CLI_MODULES) $(BUILD)/ipmmap/core.so
	@mkdir -p $(@D)
	bin/ipmmap man > $@.new && mv $@.new $@

$(BUILD)/cli/ipmmap.%: $(CLI_MODULES) $(BUILD)/ipmmap/core.so
	@mkdir -p $(@D)
	bin/ipmmap completion $* > $@.new && mv $@.new $@

$(BUILD)/cli/ipmmap: bin/ipmmap
	@mkdir -p $(@D)
	@sed '1s|lua5.4|'$(call quote,$(LUA))'|' $< >$@

install-cli: all $(BUILD)/cli/ipmmap
	@$(PLACE) install $(INSTALLED_CLI)
	@if $(LUA) -e 'require "argparse" require "dkjson" require "luv"' >/dev/null 2>&1; then \
	    $(MAKE) --no-print-directory install-cli-generated; \
	else \
	    echo 'left out: the manual page and completions of the command ipmmap, as it cannot run' \
	        'here to print them: it needs what Debian has in the packages $(TO_CLI)' >&2; \
	fi

install-cli-generated: $(CLI_GENERATED)
	@$(PLACE) install $(GENERATED_CLI)

# The command names its interpreter, which may differ from the last build's.
.PHONY: $(BUILD)/cli/ipmmap cli install-cli install-cli-generated

# make hosts   runs the examples in programs of Debian that embed Lua: Neovim, LÖVE, nginx, darktable

TO_HOSTS = $(TO_DEMO) lua-busted lua-cqueues neovim love darktable xvfb libgl1-mesa-dri \
           lua5.1 lua5.2 lua5.3 libpcre3 libpcre2-8-0 libssl3

# These packages are unpacked, not installed: nginx's Lua module and luajit are in conflict as
# packages, and nginx starts as a service when it is installed.
HOST_PACKAGES = nginx libnginx-mod-http-ndk libnginx-mod-http-lua lua-resty-core lua-resty-lrucache \
                libluajit2-5.1-2

hosts:
	@.ci/packages 'make hosts' $(TO_HOSTS)
	@$(MAKE) --no-print-directory all $(BUILD)/spec/helper/posix.so $(BUILD)/hosts/root
	@.ci/tap $(BUSTED) spec/hosts | $(SUMMARY)

$(BUILD)/hosts/root:
	spec/hosts/unpack.sh $@ $(HOST_PACKAGES)

.PHONY: hosts

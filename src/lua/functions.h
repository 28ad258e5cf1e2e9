/*
 * The C functions that Lua calls. core.c and open.c put them into tables.
 */
#ifndef LIPM_FUNCTIONS_H
#define LIPM_FUNCTIONS_H

#include <lua.h>

/* Functions of the module. */
int lipm_open(lua_State *L);
int lipm_repair(lua_State *L);
int lipm_adopt(lua_State *L);
int lipm_describe(lua_State *L);
int lipm_totable(lua_State *L);
int lipm_bytes(lua_State *L);
int lipm_setbytes(lua_State *L);
int lipm_pointer(lua_State *L);
int lipm_now(lua_State *L);
int lipm_boottime(lua_State *L);
int lipm_ticks(lua_State *L);
int lipm_sleep(lua_State *L);
int lipm_wait_any(lua_State *L);
int lipm_check(lua_State *L);
int lipm_setshare(lua_State *L);
int lipm_numbertext(lua_State *L);

/* Methods of Structs, except those in layout.c. */
int lipm_new(lua_State *L);
int lipm_convert(lua_State *L);
int lipm_initial(lua_State *L);
int lipm_type(lua_State *L);

/* Methods of handles. */
int lipm_handle_lock(lua_State *L);
int lipm_handle_try_lock(lua_State *L);
int lipm_handle_with(lua_State *L);
int lipm_handle_try_with(lua_State *L);
int lipm_handle_unlock(lua_State *L);
int lipm_handle_rollback(lua_State *L);
int lipm_handle_read(lua_State *L);
int lipm_handle_snapshot(lua_State *L);
int lipm_handle_versioned_snapshot(lua_State *L);
int lipm_handle_write(lua_State *L);
int lipm_handle_set(lua_State *L);
int lipm_handle_add(lua_State *L);
int lipm_handle_max(lua_State *L);
int lipm_handle_min(lua_State *L);
int lipm_handle_bor(lua_State *L);
int lipm_handle_band(lua_State *L);
int lipm_handle_swap(lua_State *L);
int lipm_handle_update(lua_State *L);
int lipm_handle_touch(lua_State *L);
int lipm_handle_clear(lua_State *L);
int lipm_handle_wait(lua_State *L);
int lipm_handle_changed(lua_State *L);
int lipm_handle_feed(lua_State *L);
int lipm_handle_fd(lua_State *L);
int lipm_handle_drain(lua_State *L);
int lipm_handle_users(lua_State *L);
int lipm_handle_version(lua_State *L);
int lipm_handle_last_update(lua_State *L);
int lipm_handle_info(lua_State *L);
int lipm_handle_flush(lua_State *L);
int lipm_handle_destroy(lua_State *L);
int lipm_handle_share(lua_State *L);
int lipm_handle_apply(lua_State *L);
int lipm_handle_edit(lua_State *L);
int lipm_handle_close(lua_State *L);

/* Methods of feeds. */
int lipm_feed_next(lua_State *L);
int lipm_feed_changes(lua_State *L);
int lipm_feed_commits(lua_State *L);
int lipm_feed_time(lua_State *L);
int lipm_feed_patch(lua_State *L);
int lipm_feed_close(lua_State *L);

/* Metamethods of handles. lipm_handle_unknown is the __index of the table of methods. */
int lipm_handle_collect(lua_State *L);
int lipm_handle_newindex(lua_State *L);
int lipm_handle_unknown(lua_State *L);

#endif

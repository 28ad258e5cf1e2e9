/*
 * The userdata "ipmmap.feed": a feed, its value, and its end. A handle closes its feeds before
 * itself.
 */
#ifndef LIPM_FEED_H
#define LIPM_FEED_H

#include "memory.h"

#include <lua.h>

typedef struct lipm_feed {
    const void *brand;  /* by which a method knows its feeds */
    ipm_feed *feed;     /* NULL: closed */
    lipm_memory memory; /* of its value: the C feed's */
    struct lipm_handle *handle;
    struct lipm_feed *next, **link; /* of the handle's open feeds: the next, and what leads here */
    uint64_t told;                  /* how many commits it has told */
} lipm_feed;

enum { LIPM_FEED_HANDLE = 1, LIPM_FEED_VALUE, LIPM_FEED_VALUES = LIPM_FEED_VALUE };

#define LIPM_FEED_CLASS "ipmmap.feed"

/* Begins each feed. */
extern const char lipm_feed_brand;

/* The feed that a method was called on, open or closed. */
lipm_feed *lipm_checkanyfeed(lua_State *L);

/* The same, open; and raise if a feed is closed, to be called after whatever may have run other
 * code. */
lipm_feed *lipm_checkfeed(lua_State *L);
void lipm_checkopenfeed(lua_State *L, const lipm_feed *feed);

/* Add a feed that was just opened to the open feeds of its handle. */
void lipm_addfeed(lipm_feed **feeds, lipm_feed *feed);

/* Close a feed, if it is open; its value cannot be touched any more. */
void lipm_endfeed(lipm_feed *feed);

#endif

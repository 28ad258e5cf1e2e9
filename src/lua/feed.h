/*
 * The userdata "ipmmap.feed": a feed, its value, and its end. A handle closes its feeds before
 * itself.
 *
 * The value's bytes are the C feed's. When the feed goes on with a segment of another layout, it
 * gets another C feed and another value, and the memory of the value before never has an address
 * again.
 */
#ifndef LIPM_FEED_H
#define LIPM_FEED_H

#include "value.h"

#include <lua.h>

typedef struct lipm_feed {
    const void *brand; /* by which a method knows its feeds */
    ipm_feed *feed;    /* NULL: closed */
    lipm_value *value; /* it has no bytes of its own */
    struct lipm_handle *handle;
    struct lipm_feed *next, **link; /* of the handle's open feeds: the next, and what leads here */
    uint64_t steps; /* how many commits it has told, and how often it has got another C feed */
} lipm_feed;

/* The user values of a feed. */
enum {
    LIPM_FEED_HANDLE = 1,
    LIPM_FEED_VALUE,  /* `value` */
    LIPM_FEED_STRUCT, /* the value's Struct, which is not the handle's if the handle has followed */
    LIPM_FEED_VALUES = LIPM_FEED_STRUCT
};

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

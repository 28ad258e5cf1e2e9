#include "feed.h"

#include "layout.h"

#include <lauxlib.h>

const char lipm_feed_brand = 'f';

lipm_feed *lipm_checkanyfeed(lua_State *L) {
    lipm_feed *feed = lua_touserdata(L, 1);
    if (feed == NULL || lua_rawlen(L, 1) != sizeof *feed || feed->brand != &lipm_feed_brand)
        luaL_typeerror(L, 1, "feed");
    return feed;
}

void lipm_addfeed(lipm_feed **feeds, lipm_feed *feed) {
    feed->next = *feeds;
    feed->link = feeds;
    if (feed->next != NULL)
        feed->next->link = &feed->next;
    *feeds = feed;
}

void lipm_endfeed(lipm_feed *feed) {
    if (feed->feed == NULL)
        return;
    *feed->link = feed->next;
    if (feed->next != NULL)
        feed->next->link = feed->link;
    feed->value->memory.base = NULL;
    lipm_releaselayout(feed->value->memory.layout);
    ipm_feed_close(feed->feed);
    feed->feed = NULL;
}

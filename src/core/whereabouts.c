#include "whereabouts.h"

#include "error.h"
#include "excerpt.h"
#include "trail.h"

#include <inttypes.h>
#include <string.h>

/* Append the path of a part. */
static void find_trail(const ipm_whereabouts *at, ipm_trail *trail) {
    char index[32];
    if (at->whole == NULL)
        return;
    find_trail(at->whole, trail);
    snprintf(index, sizeof index, "[%" PRIu64 "]", at->index);
    if (at->name != NULL)
        ipm_trail_enter(trail, ".", at->name);
    else if (at->index != 0)
        ipm_trail_enter(trail, "", index);
}

int ipm_refuse(const ipm_whereabouts *at, int code, const char *what) {
    ipm_trail trail = {.length = 0};
    const ipm_whereabouts *root = at;
    while (root->whole != NULL)
        root = root->whole;
    find_trail(at, &trail);
    bool has_field = trail.length > 0 && trail.path[0] != '[';
    return ipm_fail(at->error, code, 0, "%s%s%s: %s",
                    ipm_excerpt_of(root->name, strlen(root->name)).text, has_field ? "." : "",
                    ipm_excerpt_of(trail.path, trail.length).text, what);
}

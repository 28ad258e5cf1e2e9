#include "excerpt.h"

#include <string.h>

ipm_excerpt ipm_excerpt_of(const char *text, size_t length) {
    static const char more[] = "...";
    ipm_excerpt excerpt;
    size_t room = sizeof excerpt.text - 1;
    size_t copied = length <= room ? length : room - (sizeof more - 1);
    for (size_t i = 0; i < copied; i++) {
        excerpt.text[i] = text[i];
        if (text[i] < ' ' || text[i] > '~')
            excerpt.text[i] = '?';
    }
    excerpt.text[copied] = '\0';
    if (copied < length)
        memcpy(excerpt.text + copied, more, sizeof more);
    return excerpt;
}

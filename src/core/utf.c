#include "utf.h"

#include <string.h>

/* Decode one character. returns  its length; 0: it is not UTF-8 */
static size_t read_character(const unsigned char *text, size_t length, uint32_t *character) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length */
    unsigned first = text[0];
    size_t size = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size == 0 || size > length || first >= 0xf8)
        return 0;
    *character = size == 1 ? first : first & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *character = *character << 6 | (text[i] & 0x3fU);
    }
    return *character < least[size] || *character > 0x10ffff ? 0 : size;
}

static void store_unit(ipm_kind kind, uint32_t value, void *into, size_t at, size_t room) {
    if (at >= room)
        return;
    uint16_t narrow = (uint16_t)value;
    if (kind == IPM_CHAR16)
        memcpy((char *)into + at * sizeof narrow, &narrow, sizeof narrow);
    else
        memcpy((char *)into + at * sizeof value, &value, sizeof value);
}

size_t ipm_utf_encode(ipm_kind kind, const char *text, size_t length, void *into, size_t room) {
    size_t count = 0;
    for (size_t at = 0; at < length;) {
        uint32_t character;
        size_t size = read_character((const unsigned char *)text + at, length - at, &character);
        if (size == 0)
            return SIZE_MAX;
        at += size;
        if (kind == IPM_CHAR16 && character > 0xffff) {
            store_unit(kind, 0xd7c0 + (character >> 10), into, count++, room);
            character = 0xdc00 | (character & 0x3ff);
        }
        store_unit(kind, character, into, count++, room);
    }
    return count;
}

static size_t write_character(uint32_t character, char utf8[4]) {
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0}; /* by length */
    size_t size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--, character >>= 6)
        utf8[i] = (char)(0x80 | (character & 0x3f));
    utf8[0] = (char)(lead[size] | character);
    return size;
}

static uint32_t load_unit(ipm_kind kind, const void *units, size_t at) {
    uint32_t wide;
    uint16_t narrow;
    if (kind == IPM_CHAR16) {
        memcpy(&narrow, (const char *)units + at * sizeof narrow, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, (const char *)units + at * sizeof wide, sizeof wide);
    return wide;
}

size_t ipm_utf_decode(ipm_kind kind, const void *units, size_t count, char utf8[4],
                      size_t *length) {
    uint32_t character = load_unit(kind, units, 0);
    size_t read = 1;
    if (kind == IPM_CHAR16 && (character & 0xfc00) == 0xd800 && count > 1) {
        uint32_t low = load_unit(kind, units, 1);
        if ((low & 0xfc00) == 0xdc00) {
            character = 0x10000 + ((character & 0x3ff) << 10 | (low & 0x3ff));
            read = 2;
        }
    }
    *length = write_character(character > 0x10ffff ? 0xfffd : character, utf8);
    return read;
}

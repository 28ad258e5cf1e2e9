#include "draft.h"

#include "../core/word.h"

#include <string.h>

/* If a draft's userdata has at most this many bytes, the Struct keeps it for the next draft. */
#define KEPT_BYTES (UINT64_C(1) << 20)

void lipm_begindraft(lua_State *L, int owner, lipm_draft *draft) {
    draft->L = L;
    draft->owner = owner;
    lua_pushnil(L);
    draft->kept = lua_gettop(L);
    draft->size = 0;
    draft->room = sizeof draft->few;
    draft->bytes = draft->few;
}

/* Push a userdata of `least` bytes or more: the one that the Struct keeps, or a new one. The Struct
 * no longer keeps its own, because a second draft may begin before this one is stored. */
static unsigned char *push_bytes(lipm_draft *draft, uint64_t least, uint64_t *room) {
    lua_State *L = draft->L;
    if (lua_getiuservalue(L, draft->owner, LIPM_STRUCT_DRAFT) == LUA_TUSERDATA) {
        lua_pushnil(L);
        lua_setiuservalue(L, draft->owner, LIPM_STRUCT_DRAFT);
        *room = lua_rawlen(L, -1);
        if (*room >= least)
            return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    *room = least;
    return lua_newuserdatauv(L, least, 0);
}

void lipm_growdraft(lipm_draft *draft, uint64_t size) {
    uint64_t room;
    unsigned char *bytes = push_bytes(draft, 2 * draft->room + size, &room);
    memcpy(bytes, draft->bytes, draft->size);
    draft->bytes = bytes;
    draft->room = room;
    lua_replace(draft->L, draft->kept);
}

static bool store_bytes(lipm_memory *memory, const lipm_piece *piece) {
    unsigned char *at = lipm_change(memory, piece->offset, piece->size + piece->zeros);
    if (at == NULL)
        return false;
    ipm_copy_to_shared(at, piece->bytes, piece->size);
    if (piece->zeros > 0)
        ipm_zero_shared(at + piece->size, piece->zeros);
    return true;
}

static bool store_fields(lipm_memory *memory, const lipm_piece *piece) {
    for (uint64_t left = piece->fields; left != 0; left &= left - 1) {
        const ipm_field *field = &piece->type->fields[__builtin_ctzll(left)];
        uint64_t size = field->type->size;
        unsigned char *at = lipm_change(memory, piece->offset + field->offset, size);
        if (at == NULL)
            return false;
        ipm_copy_to_shared(at, piece->bytes + field->offset, size);
    }
    return true;
}

/* Let the Struct keep the draft's userdata for the next draft. */
static void keep_bytes(const lipm_draft *draft) {
    if (draft->bytes == draft->few || draft->room > KEPT_BYTES)
        return;
    lua_pushvalue(draft->L, draft->kept);
    lua_setiuservalue(draft->L, draft->owner, LIPM_STRUCT_DRAFT);
}

static bool store_pieces(const lipm_draft *draft, uint64_t from, lipm_memory *memory) {
    bool is_stored = true;
    for (uint64_t at = from; is_stored && at < draft->size;) {
        const lipm_piece *piece = lipm_pieceat(draft, at);
        is_stored = piece->type != NULL ? store_fields(memory, piece) : store_bytes(memory, piece);
        at += sizeof *piece + ((piece->size + 7) & ~UINT64_C(7));
    }
    return is_stored;
}

void lipm_foldpieces(lipm_draft *draft, uint64_t at, uint64_t from, const lipm_memory *memory) {
    lipm_memory own = *memory;
    lipm_piece *piece = lipm_pieceat(draft, at);
    own.ready = piece->bytes;
    own.ready_offset = piece->offset;
    own.ready_size = piece->size;
    store_pieces(draft, from, &own);
    draft->size = from;
}

bool lipm_storedraft(lipm_draft *draft, lipm_memory *memory) {
    bool is_stored = store_pieces(draft, 0, memory);
    keep_bytes(draft);
    return is_stored;
}

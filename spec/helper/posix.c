/*
 * The system calls that tests of several processes need, for Lua and for LuaJIT. A failing call
 * raises.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

int luaopen_spec_helper_posix(lua_State *L);

static int check(lua_State *L, int result, const char *call) {
    if (result == -1)
        return luaL_error(L, "%s: %s", call, strerror(errno));
    return result;
}

static int check_int(lua_State *L, int index) {
    return (int)luaL_checkinteger(L, index);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int timed_out(lua_State *L) {
    lua_pushnil(L);
    lua_pushliteral(L, "timeout");
    return 2;
}

/* fork() -> 0 in the child, which dies with its parent; the child's pid in the parent */
static int posix_fork(lua_State *L) {
    fflush(NULL);
    pid_t parent = getpid();
    pid_t pid = check(L, fork(), "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    lua_pushinteger(L, pid);
    return 1;
}

/* forkpty(columns, lines) -> 0 in the child, whose terminal it is; pid, master in the parent */
static int posix_forkpty(lua_State *L) {
    struct winsize size = {.ws_col = (unsigned short)check_int(L, 1),
                           .ws_row = (unsigned short)check_int(L, 2)};
    int master;
    fflush(NULL);
    pid_t pid = check(L, forkpty(&master, NULL, NULL, &size), "forkpty");
    lua_pushinteger(L, pid);
    if (pid == 0)
        return 1;
    lua_pushinteger(L, master);
    return 2;
}

/* resize(master, columns, lines): resizes the terminal; its process gets SIGWINCH */
static int posix_resize(lua_State *L) {
    struct winsize size = {.ws_col = (unsigned short)check_int(L, 2),
                           .ws_row = (unsigned short)check_int(L, 3)};
    check(L, ioctl(check_int(L, 1), TIOCSWINSZ, &size), "ioctl");
    return 0;
}

/* exec({ program, argument... }): replaces the process */
static int posix_exec(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    int count = 0;
    do {
        luaL_checkstack(L, 1, "arguments");
        lua_rawgeti(L, 1, ++count);
    } while (!lua_isnil(L, -1));
    const char **argv = lua_newuserdata(L, (size_t)count * sizeof *argv);
    count--;
    for (int i = 0; i < count; i++)
        argv[i] = luaL_checkstring(L, i + 2);
    argv[count] = NULL;
    execvp(argv[0], (char **)argv);
    return luaL_error(L, "exec %s: %s", argv[0], strerror(errno));
}

/* exit(status): ends the process without finalizers, and without flushing files */
static int posix_exit(lua_State *L) {
    _exit(check_int(L, 1));
}

/* pipe() -> read end, write end; exec closes both */
static int posix_pipe(lua_State *L) {
    int ends[2];
    check(L, pipe2(ends, O_CLOEXEC), "pipe");
    lua_pushinteger(L, ends[0]);
    lua_pushinteger(L, ends[1]);
    return 2;
}

static int posix_dup2(lua_State *L) {
    check(L, dup2(check_int(L, 1), check_int(L, 2)), "dup2");
    return 0;
}

static int posix_close(lua_State *L) {
    check(L, close(check_int(L, 1)), "close");
    return 0;
}

/* Whether there is something to read within the seconds at `index`. */
static int is_readable(lua_State *L, int fd, int index) {
    struct pollfd input = {.fd = fd, .events = POLLIN};
    double until = now() + luaL_checknumber(L, index);
    for (;;) {
        double left = until - now();
        int ready = poll(&input, 1, left > 0 ? (int)(left * 1000) + 1 : 0);
        if (ready >= 0 || errno != EINTR)
            return check(L, ready, "poll");
    }
}

/* poll(fd, seconds) -> whether the descriptor becomes readable in that time */
static int posix_poll(lua_State *L) {
    lua_pushboolean(L, is_readable(L, check_int(L, 1), 2));
    return 1;
}

/* read(fd, n, seconds) -> at most n bytes, "" at the end; nil, "timeout" */
static int posix_read(lua_State *L) {
    int fd = check_int(L, 1);
    size_t size = (size_t)luaL_checkinteger(L, 2);
    char *bytes = lua_newuserdata(L, size);
    if (!is_readable(L, fd, 3))
        return timed_out(L);
    ssize_t got = read(fd, bytes, size);
    if (got == -1 && errno == EIO) /* EIO: a terminal whose other side is closed */
        got = 0;
    if (got == -1)
        return check(L, -1, "read");
    lua_pushlstring(L, bytes, (size_t)got);
    return 1;
}

/* write(fd, bytes): writes all bytes; raises, instead of dying by SIGPIPE, if no process can read
 * them */
static int posix_write(lua_State *L) {
    int fd = check_int(L, 1);
    size_t left;
    const char *bytes = luaL_checklstring(L, 2, &left);
    void (*old)(int) = signal(SIGPIPE, SIG_IGN);
    ssize_t put = 0;
    while (left > 0 && (put = write(fd, bytes, left)) != -1) {
        bytes += put;
        left -= (size_t)put;
    }
    int error = errno;
    signal(SIGPIPE, old);
    errno = error;
    check(L, put == -1 ? -1 : 0, "write");
    return 0;
}

static int posix_kill(lua_State *L) {
    check(L, kill(check_int(L, 1), check_int(L, 2)), "kill");
    return 0;
}

/* wait(pid, seconds) -> "exit", status; "signal" or "stop", number; nil, "timeout" */
static int posix_wait(lua_State *L) {
    pid_t pid = check_int(L, 1);
    double until = now() + luaL_checknumber(L, 2);
    int status;
    while (check(L, waitpid(pid, &status, WNOHANG | WUNTRACED), "waitpid") == 0) {
        if (now() > until)
            return timed_out(L);
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    }
    if (WIFEXITED(status)) {
        lua_pushliteral(L, "exit");
        lua_pushinteger(L, WEXITSTATUS(status));
    } else if (WIFSIGNALED(status)) {
        lua_pushliteral(L, "signal");
        lua_pushinteger(L, WTERMSIG(status));
    } else {
        lua_pushliteral(L, "stop");
        lua_pushinteger(L, WSTOPSIG(status));
    }
    return 2;
}

/* lock(path, byte) -> fd: holds an open-file-description lock on the byte, for writing */
static int posix_lock(lua_State *L) {
    int fd = check(L, open(luaL_checkstring(L, 1), O_RDWR | O_CLOEXEC), "open");
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = luaL_checkinteger(L, 2), .l_len = 1};
    check(L, fcntl(fd, F_OFD_SETLK, &lock), "fcntl");
    lua_pushinteger(L, fd);
    return 1;
}

static int posix_getpid(lua_State *L) {
    lua_pushinteger(L, getpid());
    return 1;
}

static int posix_getcwd(lua_State *L) {
    char *path = getcwd(NULL, 0);
    lua_pushstring(L, path);
    free(path);
    return 1;
}

static int posix_chdir(lua_State *L) {
    check(L, chdir(luaL_checkstring(L, 1)), "chdir");
    return 0;
}

static int posix_setenv(lua_State *L) {
    check(L, setenv(luaL_checkstring(L, 1), luaL_checkstring(L, 2), 1), "setenv");
    return 0;
}

/* mkdtemp(prefix) -> the path of a new directory, which other users may not enter */
static int posix_mkdtemp(lua_State *L) {
    size_t length;
    const char *prefix = luaL_checklstring(L, 1, &length);
    char *path = lua_newuserdata(L, length + sizeof "XXXXXX");
    memcpy(path, prefix, length);
    memcpy(path + length, "XXXXXX", sizeof "XXXXXX");
    if (!mkdtemp(path))
        return luaL_error(L, "mkdtemp %s: %s", path, strerror(errno));
    lua_pushstring(L, path);
    return 1;
}

/* fill(address, size, byte): what a C function of a host could do with ipmmap.pointer. */
static int posix_fill(lua_State *L) {
    memset(lua_touserdata(L, 1), (int)luaL_checkinteger(L, 3), (size_t)luaL_checkinteger(L, 2));
    return 0;
}

static const luaL_Reg functions[] = {
    {"forkpty", posix_forkpty}, {"resize", posix_resize}, {"fork", posix_fork},
    {"exec", posix_exec},       {"exit", posix_exit},     {"pipe", posix_pipe},
    {"dup2", posix_dup2},       {"close", posix_close},   {"poll", posix_poll},
    {"read", posix_read},       {"write", posix_write},   {"kill", posix_kill},
    {"wait", posix_wait},       {"lock", posix_lock},     {"getpid", posix_getpid},
    {"getcwd", posix_getcwd},   {"chdir", posix_chdir},   {"setenv", posix_setenv},
    {"mkdtemp", posix_mkdtemp}, {"fill", posix_fill},
};

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"SIGKILL", SIGKILL}, {"SIGTERM", SIGTERM}, {"SIGINT", SIGINT},   {"SIGSTOP", SIGSTOP},
    {"SIGCONT", SIGCONT}, {"SIGABRT", SIGABRT}, {"SIGSEGV", SIGSEGV}, {"SIGBUS", SIGBUS},
};

int luaopen_spec_helper_posix(lua_State *L) {
    lua_newtable(L);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        lua_pushcfunction(L, functions[i].func);
        lua_setfield(L, -2, functions[i].name);
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        lua_pushinteger(L, signals[i].number);
        lua_setfield(L, -2, signals[i].name);
    }
    return 1;
}

/* For LD_PRELOAD: while the file $READ_ONLY_DISK exists, no database file can be written, as on a file system that the kernel has
 * remounted read-only after an error: what is open stays open, and memory that was mapped before stays writable. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_read_only(const char *path) {
    const char *flag = getenv("READ_ONLY_DISK");
    return flag != NULL && strstr(path, ".sqlite3") != NULL && access(flag, F_OK) == 0;
}

static int is_refused(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = '\0';
    return is_read_only(path);
}

static int refuse(void) {
    errno = EROFS;
    return -1;
}

int open64(const char *path, int flags, ...) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if ((flags & O_ACCMODE) != O_RDONLY && is_read_only(path))
        return refuse();
    return real(path, flags, mode);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
    return is_refused(fd) ? refuse() : real(fd, bytes, count, offset);
}

int ftruncate64(int fd, off_t length) {
    int (*real)(int, off_t) = dlsym(RTLD_NEXT, "ftruncate64");
    return is_refused(fd) ? refuse() : real(fd, length);
}

int unlink(const char *path) {
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    return is_read_only(path) ? refuse() : real(path);
}

/* For LD_PRELOAD: while the file $FULL_DISK exists, no database file grows, as on a disk without a free block. What is
 * written within a file succeeds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_refused(int fd, off_t end) {
    char link[64], path[4096];
    struct stat found;
    const char *flag = getenv("FULL_DISK");
    if (flag == NULL || access(flag, F_OK) != 0 || fstat(fd, &found) != 0 || end <= found.st_size)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = '\0';
    return strstr(path, ".sqlite3") != NULL;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t offset) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
    if (is_refused(fd, offset + (off_t)count)) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return pwrite64(fd, bytes, count, offset);
}

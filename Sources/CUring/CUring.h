/* First, so that fd_set is the one Swift's Glibc module knows: liburing.h sets _XOPEN_SOURCE. */
#include <sys/select.h>
#include <liburing.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/vfs.h>

/* glibc declares this for _GNU_SOURCE only, which Swift's Glibc module does not set. */
int statx(int folder, const char *path, int flags, unsigned int mask, struct statx *result);

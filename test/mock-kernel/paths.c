// /dev/dri of the mock: the functions of libc that look at paths and list directories.
// SPDX-License-Identifier: MIT
#include "mock.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { DRM_MAJOR = 226 };

_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one layout for both");
_Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "one layout for both");

// The function that would have been called without us.
#define REAL(name)                  \
  static __typeof__(&(name)) real;   \
  if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name)

enum place place_of(const char *path, struct node **node) {
  static const char PREFIX[] = "/dev/dri";
  if (path == NULL || strncmp(path, PREFIX, sizeof PREFIX - 1) != 0) return PLACE_ELSEWHERE;
  const char *rest = path + sizeof PREFIX - 1;
  if (*rest != 0 && *rest != '/') return PLACE_ELSEWHERE;
  while (*rest == '/') rest++;
  if (!config.has_directory) return PLACE_MISSING;
  if (*rest == 0 || strcmp(rest, ".") == 0) return PLACE_DIRECTORY;
  for (unsigned i = 0; i < config.node_count; i++) {
    char name[32];
    snprintf(name, sizeof name, "renderD%u", config.nodes[i].number);
    if (strcmp(rest, name) != 0) continue;
    *node = &config.nodes[i];
    return PLACE_NODE;
  }
  return PLACE_MISSING;
}

// ---- stat

static int fill(enum place place, const struct node *node, struct stat *to) {
  memset(to, 0, sizeof *to);
  if (place == PLACE_MISSING) {
    errno = ENOENT;
    return -1;
  }
  to->st_nlink = 1;
  to->st_blksize = PAGE;
  if (place == PLACE_DIRECTORY) {
    to->st_mode = S_IFDIR | 0755;
    to->st_ino = 1;
    return 0;
  }
  to->st_mode = S_IFCHR | (node->denied ? 0600 : 0666);
  to->st_rdev = makedev(DRM_MAJOR, node->number);
  to->st_ino = node->number + 2;
  return 0;
}

#define STAT(name, buffer)                                   \
  int name(const char *path, struct buffer *to) {            \
    REAL(name); \
    struct node *node = NULL;                                \
    enum place place = place_of(path, &node);                \
    if (place == PLACE_ELSEWHERE) return real(path, to);     \
    return fill(place, node, (struct stat *)to);             \
  }
#define FSTAT(name, buffer)                                              \
  int name(int fd, struct buffer *to) {                                  \
    REAL(name); \
    struct file *file = file_of(fd);                                     \
    if (file == NULL) return real(fd, to);                               \
    return fill(PLACE_NODE, file->node, (struct stat *)to);              \
  }
#define FSTATAT(name, buffer)                                               \
  int name(int at, const char *path, struct buffer *to, int flags) {        \
    REAL(name); \
    struct node *node = NULL;                                               \
    enum place place = place_of(path, &node);                               \
    if (place != PLACE_ELSEWHERE) return fill(place, node, (struct stat *)to); \
    struct file *file = path != NULL && *path == 0 ? file_of(at) : NULL;    \
    if (file != NULL) return fill(PLACE_NODE, file->node, (struct stat *)to); \
    return real(at, path, to, flags);                                       \
  }
STAT(stat, stat)
STAT(lstat, stat)
STAT(stat64, stat64)
STAT(lstat64, stat64)
FSTAT(fstat, stat)
FSTAT(fstat64, stat64)
FSTATAT(fstatat, stat)
FSTATAT(fstatat64, stat64)

// What programs built against glibc before 2.33 call; the first argument is the layout's version.
int __xstat(int version, const char *path, struct stat *to) {
  return (void)version, stat(path, to);
}
int __lxstat(int version, const char *path, struct stat *to) {
  return (void)version, lstat(path, to);
}
int __fxstat(int version, int fd, struct stat *to) { return (void)version, fstat(fd, to); }
int __xstat64(int version, const char *path, struct stat64 *to) {
  return (void)version, stat64(path, to);
}
int __lxstat64(int version, const char *path, struct stat64 *to) {
  return (void)version, lstat64(path, to);
}
int __fxstat64(int version, int fd, struct stat64 *to) { return (void)version, fstat64(fd, to); }

int statx(int at, const char *path, int flags, unsigned mask, struct statx *to) {
  REAL(statx);
  struct node *node = NULL;
  enum place place = place_of(path, &node);
  struct file *file = path != NULL && *path == 0 ? file_of(at) : NULL;
  if (place == PLACE_ELSEWHERE && file == NULL) return real(at, path, flags, mask, to);
  struct stat from;
  if (file != NULL)
    fill(PLACE_NODE, file->node, &from);
  else if (fill(place, node, &from) != 0)
    return -1;
  memset(to, 0, sizeof *to);
  to->stx_mask = STATX_BASIC_STATS;
  to->stx_blksize = PAGE;
  to->stx_nlink = 1;
  to->stx_mode = (uint16_t)from.st_mode;
  to->stx_ino = from.st_ino;
  to->stx_rdev_major = major(from.st_rdev);
  to->stx_rdev_minor = minor(from.st_rdev);
  return 0;
}

// ---- access, links

static int check_access(enum place place, const struct node *node, int mode) {
  int error = 0;
  if (place == PLACE_MISSING)
    error = ENOENT;
  else if (place == PLACE_NODE && ((mode & X_OK) != 0 || (node->denied && mode != F_OK)))
    error = EACCES;
  if (error == 0) return 0;
  errno = error;
  return -1;
}

int access(const char *path, int mode) {
  REAL(access);
  struct node *node = NULL;
  enum place place = place_of(path, &node);
  return place == PLACE_ELSEWHERE ? real(path, mode) : check_access(place, node, mode);
}

int faccessat(int at, const char *path, int mode, int flags) {
  REAL(faccessat);
  struct node *node = NULL;
  enum place place = place_of(path, &node);
  return place == PLACE_ELSEWHERE ? real(at, path, mode, flags) : check_access(place, node, mode);
}

char *realpath(const char *path, char *to) {
  REAL(realpath);
  struct node *node = NULL;
  enum place place = place_of(path, &node);
  if (place == PLACE_ELSEWHERE) return real(path, to);
  if (check_access(place, node, F_OK) != 0) return NULL;
  char text[64] = "/dev/dri";
  if (place == PLACE_NODE) snprintf(text, sizeof text, "/dev/dri/renderD%u", node->number);
  return to == NULL ? strdup(text) : strcpy(to, text);
}

ssize_t readlink(const char *path, char *to, size_t bytes) {
  REAL(readlink);
  struct node *node = NULL;
  enum place place = place_of(path, &node);
  if (place == PLACE_ELSEWHERE) return real(path, to, bytes);
  errno = place == PLACE_MISSING ? ENOENT : EINVAL;
  return -1;
}

// ---- directories

struct listing {
  struct listing *next;
  unsigned position;
  struct dirent entry;
};
static struct listing *listings;

/** The position-th entry of /dev/dri. */
static bool entry_at(unsigned position, struct dirent *entry) {
  memset(entry, 0, sizeof *entry);
  entry->d_reclen = sizeof *entry;
  entry->d_ino = position + 1;
  entry->d_off = (off_t)position + 1;
  entry->d_type = DT_DIR;
  if (position < 2) {
    strcpy(entry->d_name, position == 0 ? "." : "..");
    return true;
  }
  if (position - 2 >= config.node_count) return false;
  entry->d_type = DT_CHR;
  unsigned number = config.nodes[position - 2].number;
  snprintf(entry->d_name, sizeof entry->d_name, "renderD%u", number);
  return true;
}

static struct listing *listing_of(DIR *directory) {
  pthread_mutex_lock(&lock);
  struct listing *listing = listings;
  while (listing != NULL && (DIR *)listing != directory) listing = listing->next;
  pthread_mutex_unlock(&lock);
  return listing;
}

static int directory_error(enum place place) {
  errno = place == PLACE_MISSING ? ENOENT : ENOTDIR;
  return -1;
}

DIR *opendir(const char *path) {
  REAL(opendir);
  struct node *node;
  enum place place = place_of(path, &node);
  if (place == PLACE_ELSEWHERE) return real(path);
  if (place != PLACE_DIRECTORY) return directory_error(place), NULL;
  struct listing *listing = calloc(1, sizeof *listing);
  if (listing == NULL) return NULL;
  pthread_mutex_lock(&lock);
  listing->next = listings;
  listings = listing;
  pthread_mutex_unlock(&lock);
  return (DIR *)listing;
}

struct dirent *readdir(DIR *directory) {
  REAL(readdir);
  struct listing *listing = listing_of(directory);
  if (listing == NULL) return real(directory);
  return entry_at(listing->position++, &listing->entry) ? &listing->entry : NULL;
}

struct dirent64 *readdir64(DIR *directory) {
  REAL(readdir64);
  if (listing_of(directory) == NULL) return real(directory);
  return (struct dirent64 *)readdir(directory);
}

void rewinddir(DIR *directory) {
  REAL(rewinddir);
  struct listing *listing = listing_of(directory);
  if (listing == NULL)
    real(directory);
  else
    listing->position = 0;
}

int closedir(DIR *directory) {
  REAL(closedir);
  struct listing *listing = listing_of(directory);
  if (listing == NULL) return real(directory);
  pthread_mutex_lock(&lock);
  struct listing **link = &listings;
  while (*link != listing) link = &(*link)->next;
  *link = listing->next;
  pthread_mutex_unlock(&lock);
  free(listing);
  return 0;
}

typedef int filter_function(const struct dirent *);
typedef int compare_function(const struct dirent **, const struct dirent **);

static int scan(enum place place, struct dirent ***list, filter_function *filter,
                compare_function *compare) {
  if (place != PLACE_DIRECTORY) return directory_error(place);
  struct dirent **found = calloc(MAX_NODES + 2, sizeof *found), entry;
  int count = 0;
  if (found == NULL) return -1;
  for (unsigned i = 0; entry_at(i, &entry); i++) {
    if (filter != NULL && filter(&entry) == 0) continue;
    found[count] = malloc(sizeof entry);
    if (found[count] == NULL) abort();
    *found[count++] = entry;
  }
  if (compare != NULL)
    qsort(found, (size_t)count, sizeof *found, (int (*)(const void *, const void *))compare);
  *list = found;
  return count;
}

int scandir(const char *path, struct dirent ***list, filter_function *filter,
            compare_function *compare) {
  REAL(scandir);
  struct node *node;
  enum place place = place_of(path, &node);
  if (place == PLACE_ELSEWHERE) return real(path, list, filter, compare);
  return scan(place, list, filter, compare);
}

int scandir64(const char *path, struct dirent64 ***list, int (*filter)(const struct dirent64 *),
              int (*compare)(const struct dirent64 **, const struct dirent64 **)) {
  REAL(scandir64);
  struct node *node;
  enum place place = place_of(path, &node);
  if (place == PLACE_ELSEWHERE) return real(path, list, filter, compare);
  return scan(place, (struct dirent ***)list, (filter_function *)filter,
              (compare_function *)compare);
}

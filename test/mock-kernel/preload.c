// The functions of libc that the mock replaces: descriptors, ioctls, mappings. paths.c: paths.
// SPDX-License-Identifier: MIT
#include "mock.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pid_t owner;

const struct libc *libc(void) {
  static struct libc real;
  if (real.munmap != NULL) return &real;
  // The same twice if two threads come at once.
  *(void **)&real.open = dlsym(RTLD_NEXT, "open");
  *(void **)&real.openat = dlsym(RTLD_NEXT, "openat");
  *(void **)&real.close = dlsym(RTLD_NEXT, "close");
  *(void **)&real.ioctl = dlsym(RTLD_NEXT, "ioctl");
  *(void **)&real.fcntl = dlsym(RTLD_NEXT, "fcntl");
  *(void **)&real.dup = dlsym(RTLD_NEXT, "dup");
  *(void **)&real.dup2 = dlsym(RTLD_NEXT, "dup2");
  *(void **)&real.dup3 = dlsym(RTLD_NEXT, "dup3");
  *(void **)&real.mmap = dlsym(RTLD_NEXT, "mmap");
  *(void **)&real.syscall = dlsym(RTLD_NEXT, "syscall");
  *(void **)&real.munmap = dlsym(RTLD_NEXT, "munmap");
  return &real;
}

static void take(void) { pthread_mutex_lock(&lock); }

static void give(void) { pthread_mutex_unlock(&lock); }

static void init_progress(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&progress, &attributes);
  pthread_condattr_destroy(&attributes);
}

/** A forked child starts without files: its copies of the descriptors are /dev/null to it. */
static void in_child(void) {
  static const pthread_mutex_t fresh = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
  lock = fresh;
  owner = getpid();
  init_progress();
  files_forget();
  control_after_fork();
  for (unsigned i = 0; i < config.node_count; i++)
    for (unsigned j = 0; j < config.nodes[i].core_count; j++) {
      struct core *core = &config.nodes[i].cores[j];
      core->started = false;
      core->head = core->tail = NULL;
      core->completed = core->issued;
      pthread_cond_init(&core->work, NULL);
    }
}

__attribute__((constructor)) static void load(void) {
  owner = getpid();
  config_load();
  control_load();
  init_progress();
  pthread_atfork(take, give, in_child);
}

__attribute__((destructor)) static void unload(void) { control_exit(); }

/** The file of a descriptor; NULL in a child that shares our memory but no descriptors (vfork). */
static struct file *ours(int fd) {
  struct file *file = file_of(fd);
  return file != NULL && getpid() == owner ? file : NULL;
}

// ---- open

static int open_node(struct node *node, int flags) {
  struct fault fault = fault_for(OP_OPEN);
  if (fault.kind == FAULT_LOST) set_device_lost();
  int error = 0;
  if (fault.kind == FAULT_ERRNO)
    error = fault.value;
  else if (device_lost())
    error = ENODEV;
  else if (node->denied)
    error = EACCES;
  else if ((flags & O_DIRECTORY) != 0)
    error = ENOTDIR;
  if (error != 0) {
    errno = error;
    return -1;
  }
  take();
  int fd = file_open(node, flags);
  give();
  return fd;
}

static int open_at(int directory, const char *path, int flags, mode_t mode) {
  struct node *node;
  switch (place_of(path, &node)) {
    case PLACE_NODE: return open_node(node, flags);
    case PLACE_DIRECTORY: errno = ENOSYS; return -1; // only opendir lists it
    case PLACE_MISSING: errno = ENOENT; return -1;
    default: return libc()->openat(directory, path, flags, mode);
  }
}

static mode_t mode_of(int flags, va_list arguments) {
  bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return creates ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                \
  int name(const char *path, int flags, ...) {    \
    va_list arguments;                            \
    va_start(arguments, flags);                   \
    mode_t mode = mode_of(flags, arguments);      \
    va_end(arguments);                            \
    return open_at(AT_FDCWD, path, flags, mode);  \
  }
#define OPENAT(name)                                          \
  int name(int directory, const char *path, int flags, ...) { \
    va_list arguments;                                        \
    va_start(arguments, flags);                               \
    mode_t mode = mode_of(flags, arguments);                  \
    va_end(arguments);                                        \
    return open_at(directory, path, flags, mode);             \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

// What fortified programs call instead.
int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __openat_2(int at, const char *path, int flags) { return open_at(at, path, flags, 0); }
int __openat64_2(int at, const char *path, int flags) { return open_at(at, path, flags, 0); }

// ---- close, duplicates

int close(int fd) {
  if (ours(fd) == NULL) return libc()->close(fd);
  take();
  // The table first: once it is closed the number may be somebody else's.
  file_detach(fd);
  int result = libc()->close(fd);
  give();
  return result;
}

int close_range(unsigned first, unsigned last, int flags) {
  if ((flags & (int)CLOSE_RANGE_CLOEXEC) == 0)
    for (unsigned fd = first; fd <= last && fd < 65536; fd++)
      if (ours((int)fd) != NULL) close((int)fd);
  return (int)libc()->syscall(SYS_close_range, first, last, flags);
}

int dup(int fd) {
  if (ours(fd) == NULL) return libc()->dup(fd);
  take();
  struct file *file = file_of(fd);
  int copy = libc()->dup(fd);
  if (copy >= 0 && file != NULL) copy = file_attach(copy, file);
  give();
  return copy;
}

static int dup_onto(int fd, int target, int flags) {
  take();
  struct file *file = file_of(fd);
  if (libc()->fcntl(fd, F_GETFD) >= 0 && fd != target) file_detach(target);
  int copy = flags < 0 ? libc()->dup2(fd, target) : libc()->dup3(fd, target, flags);
  if (copy >= 0 && file != NULL && fd != target) copy = file_attach(copy, file);
  give();
  return copy;
}

int dup2(int fd, int target) {
  bool any = ours(fd) != NULL || ours(target) != NULL;
  return any ? dup_onto(fd, target, -1) : libc()->dup2(fd, target);
}

int dup3(int fd, int target, int flags) {
  bool any = ours(fd) != NULL || ours(target) != NULL;
  return any ? dup_onto(fd, target, flags) : libc()->dup3(fd, target, flags);
}

static int control_descriptor(int fd, int command, void *argument) {
  bool copies = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
  if (!copies || ours(fd) == NULL) return libc()->fcntl(fd, command, argument);
  take();
  struct file *file = file_of(fd);
  int copy = libc()->fcntl(fd, command, argument);
  if (copy >= 0 && file != NULL) copy = file_attach(copy, file);
  give();
  return copy;
}

#define FCNTL(name)                                   \
  int name(int fd, int command, ...) {                \
    va_list arguments;                                \
    va_start(arguments, command);                     \
    void *argument = va_arg(arguments, void *);       \
    va_end(arguments);                                \
    return control_descriptor(fd, command, argument); \
  }
FCNTL(fcntl)
FCNTL(fcntl64)

// ---- ioctl, mmap

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (ours(fd) == NULL) return libc()->ioctl(fd, request, argument);
  take();
  struct file *file = file_of(fd);
  int result = -EBADF;
  if (file != NULL) {
    file->refs++;
    result = drm_ioctl(file, request, argument);
    file_put(file);
  }
  give();
  if (result >= 0) return result;
  errno = -result;
  return -1;
}

static void *map_node(int fd, void *address, size_t length, int prot, int flags, off_t offset) {
  struct fault fault = fault_for(OP_MMAP);
  if (fault.kind == FAULT_LOST) set_device_lost();
  if (fault.kind == FAULT_ERRNO || device_lost()) {
    errno = fault.kind == FAULT_ERRNO ? fault.value : ENODEV;
    return MAP_FAILED;
  }
  take();
  struct file *file = file_of(fd);
  void *start = MAP_FAILED;
  if (file == NULL)
    errno = EBADF;
  else
    start = bo_mmap(file, address, length, prot, flags, (uint64_t)offset);
  give();
  return start;
}

void *mmap(void *address, size_t length, int prot, int flags, int fd, off_t offset) {
  if ((flags & MAP_ANONYMOUS) == 0 && ours(fd) != NULL)
    return map_node(fd, address, length, prot, flags, offset);
  if ((flags & MAP_FIXED) == 0 || mapping_count == 0)
    return libc()->mmap(address, length, prot, flags, fd, offset);
  take();
  void *start = libc()->mmap(address, length, prot, flags, fd, offset);
  if (start != MAP_FAILED) mappings_cut(start, length);
  give();
  return start;
}

void *mmap64(void *address, size_t length, int prot, int flags, int fd, off64_t offset) {
  return mmap(address, length, prot, flags, fd, offset);
}

int munmap(void *address, size_t length) {
  if (mapping_count == 0 || getpid() != owner) return libc()->munmap(address, length);
  take();
  int result = libc()->munmap(address, length);
  if (result == 0) mappings_cut(address, length);
  give();
  return result;
}

/** libuv closes descriptors and asks for files' states by their system calls. */
long syscall(long number, ...) {
  long a[6];
  va_list arguments;
  va_start(arguments, number);
  for (unsigned i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
  va_end(arguments);
  switch (number) {
    case SYS_close: return close((int)a[0]);
    case SYS_ioctl: return ioctl((int)a[0], (unsigned long)a[1], (void *)a[2]);
    case SYS_close_range: return close_range((unsigned)a[0], (unsigned)a[1], (int)a[2]);
    case SYS_statx:
      return statx((int)a[0], (const char *)a[1], (int)a[2], (unsigned)a[3], (struct statx *)a[4]);
    default: return libc()->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
}

// Open files of the mock, their buffer objects and the mappings of these in the client.
// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mock.h"

enum { MAX_FDS = 65536 };

/** Buffers lie one behind the other in their file's memfd; mmap's offset is this and the position. */
static const uint64_t MMAP_BASE = UINT64_C(1) << 32;

// Recursive: an allocator that is not libc's may unmap memory while we hold it.
pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
pthread_cond_t progress;
static _Atomic(struct file *) files[MAX_FDS];

struct mapping {
  struct mapping *next;
  uintptr_t start, end;
  struct bo *bo;
};
static struct mapping *mappings;
atomic_uint mapping_count;

struct file *file_of(int fd) {
  return fd >= 0 && fd < MAX_FDS ? atomic_load(&files[fd]) : NULL;
}

/** Makes a descriptor one of the file's. It is closed when it is out of the table's range. */
int file_attach(int fd, struct file *file) {
  if (fd >= MAX_FDS) {
    libc()->close(fd);
    errno = EMFILE;
    return -1;
  }
  file->opens++;
  file->refs++;
  atomic_store(&files[fd], file);
  return fd;
}

/** A free descriptor in range, close-on-exec: the memory of the file's buffers. */
static int new_memfd(void) { return memfd_create("mock-etnaviv", MFD_CLOEXEC); }

int file_open(struct node *node, int flags) {
  // A character device, as a render node is one; its number is never used for anything else.
  int fd = libc()->open("/dev/null", O_RDWR | (flags & O_CLOEXEC));
  if (fd < 0) return -1;
  struct file *file = calloc(1, sizeof *file);
  if (file != NULL) file->memfd = new_memfd();
  if (file == NULL || file->memfd < 0) {
    int error = file == NULL ? ENOMEM : errno;
    free(file);
    libc()->close(fd);
    errno = error;
    return -1;
  }
  file->node = node;
  for (unsigned i = 0; i < MAX_CORES; i++) file->sockets[i] = -1;
  count(COUNT_OPENS);
  level(LEVEL_FILES, 1);
  // The caller's reference keeps the file alive if the descriptor is refused.
  file->refs = file->opens = 1;
  fd = file_attach(fd, file);
  file->opens--;
  if (file->opens == 0) {
    level(LEVEL_FILES, -1);
    count(COUNT_RELEASES);
  }
  file_put(file);
  return fd;
}

/** The last descriptor and mapping are gone: handles go with them, jobs run on. */
static void file_release(struct file *file) {
  for (uint32_t i = 0; i < file->handle_count; i++)
    if (file->handles[i] != NULL) bo_close(file->handles[i]);
  level(LEVEL_FILES, -1);
  count(COUNT_RELEASES);
}

static void file_unopen(struct file *file) {
  if (--file->opens == 0) file_release(file);
  file_put(file);
}

void file_detach(int fd) {
  struct file *file = atomic_exchange(&files[fd], NULL);
  if (file != NULL) file_unopen(file);
}

void file_put(struct file *file) {
  if (--file->refs != 0) return;
  for (unsigned i = 0; i < MAX_CORES; i++)
    if (file->sockets[i] >= 0) libc()->close(file->sockets[i]);
  libc()->close(file->memfd);
  free(file->handles);
  free(file);
}

void files_forget(void) {
  for (unsigned i = 0; i < MAX_FDS; i++) files[i] = NULL;
  mappings = NULL;
  mapping_count = 0;
}

// ---- buffer objects

static uint32_t free_handle(struct file *file) {
  for (uint32_t i = 0; i < file->handle_count; i++)
    if (file->handles[i] == NULL) return i + 1;
  uint32_t more = file->handle_count == 0 ? 64 : file->handle_count * 2;
  struct bo **handles = realloc(file->handles, more * sizeof *handles);
  if (handles == NULL) return 0;
  memset(handles + file->handle_count, 0, (more - file->handle_count) * sizeof *handles);
  uint32_t first = file->handle_count;
  file->handles = handles;
  file->handle_count = more;
  return first + 1;
}

struct bo *bo_new(struct file *file, uint64_t size, uint32_t flags, int *error) {
  *error = ENOMEM;
  if (size > config.memory || file->bytes + size > config.memory) return NULL;
  uint32_t handle = free_handle(file);
  struct bo *bo = handle == 0 ? NULL : calloc(1, sizeof *bo);
  if (bo == NULL) return NULL;
  if (ftruncate(file->memfd, (off_t)(file->tail + size)) != 0) {
    free(bo);
    return NULL;
  }
  bo->file = file;
  bo->handle = handle;
  bo->flags = flags;
  bo->size = size;
  bo->base = file->tail;
  bo->refs = 1;
  bo->next = file->all;
  file->all = bo;
  file->tail += size;
  file->bytes += size;
  file->handles[handle - 1] = bo;
  count(COUNT_BUFFERS_NEW);
  level(LEVEL_BUFFERS, 1);
  level(LEVEL_BYTES, (int64_t)size);
  return bo;
}

struct bo *bo_find(struct file *file, uint32_t handle) {
  return handle != 0 && handle <= file->handle_count ? file->handles[handle - 1] : NULL;
}

void bo_close(struct bo *bo) {
  bo->file->handles[bo->handle - 1] = NULL;
  bo->handle = 0;
  bo_put(bo);
}

void bo_put(struct bo *bo) {
  if (--bo->refs != 0) return;
  struct file *file = bo->file;
  struct bo **link = &file->all;
  while (*link != bo) link = &(*link)->next;
  *link = bo->next;
  int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  if (fallocate(file->memfd, mode, (off_t)bo->base, (off_t)bo->size) != 0)
    log_line("error", "%llu bytes could not be given back", (unsigned long long)bo->size);
  file->bytes -= bo->size;
  count(COUNT_BUFFERS_FREED);
  level(LEVEL_BUFFERS, -1);
  level(LEVEL_BYTES, -(int64_t)bo->size);
  free(bo);
}

uint64_t bo_mmap_offset(const struct bo *bo) { return MMAP_BASE + bo->base; }

// ---- mappings in the client

static void add_mapping(struct bo *bo, uintptr_t start, uintptr_t end) {
  struct mapping *mapping = malloc(sizeof *mapping);
  if (mapping == NULL) abort();
  *mapping = (struct mapping){mappings, start, end, bo};
  mappings = mapping;
  mapping_count++;
  bo->refs++;
  bo->file->opens++;
  bo->file->refs++;
  level(LEVEL_MAPPINGS, 1);
  level(LEVEL_MAPPED_BYTES, (int64_t)(end - start));
}

void *bo_mmap(struct file *file, void *address, size_t length, int prot, int flags,
              uint64_t offset) {
  struct bo *bo = NULL;
  for (uint32_t i = 0; i < file->handle_count && bo == NULL; i++)
    if (file->handles[i] != NULL && bo_mmap_offset(file->handles[i]) == offset)
      bo = file->handles[i];
  size_t pages = (length + PAGE - 1) / PAGE * PAGE;
  // Only the offset itself, at most the whole buffer, and shared: as the kernel's GEM does.
  if (bo == NULL || length == 0 || pages > bo->size || (flags & MAP_TYPE) == MAP_PRIVATE) {
    errno = EINVAL;
    return MAP_FAILED;
  }
  void *start = libc()->mmap(address, length, prot, flags, file->memfd, (off_t)bo->base);
  if (start == MAP_FAILED) return MAP_FAILED;
  if ((flags & MAP_FIXED) != 0) mappings_cut(start, pages);
  add_mapping(bo, (uintptr_t)start, (uintptr_t)start + pages);
  count(COUNT_MAPS);
  return start;
}

/** The range is no longer mapped; what remains of a mapping on either side stays one of its own. */
void mappings_cut(void *address, size_t length) {
  uintptr_t start = (uintptr_t)address, end = start + (length + PAGE - 1) / PAGE * PAGE;
  for (struct mapping **link = &mappings; *link != NULL;) {
    struct mapping *mapping = *link;
    if (mapping->start >= end || mapping->end <= start) {
      link = &mapping->next;
      continue;
    }
    struct bo *bo = mapping->bo;
    struct file *file = bo->file;
    *link = mapping->next;
    mapping_count--;
    level(LEVEL_MAPPINGS, -1);
    level(LEVEL_MAPPED_BYTES, -(int64_t)(mapping->end - mapping->start));
    if (mapping->start < start) add_mapping(bo, mapping->start, start);
    if (mapping->end > end) add_mapping(bo, end, mapping->end);
    if (mapping->start >= start && mapping->end <= end) count(COUNT_UNMAPS);
    free(mapping);
    bo_put(bo);
    file_unopen(file);
    // New pieces went to the front, so the list is read again from there.
    link = &mappings;
  }
}

// ---- GPU addresses of a file

static bool busy(const struct bo *bo) {
  const struct node *node = bo->file->node;
  for (unsigned i = 0; i < node->core_count; i++)
    if (bo->last_read[i] > node->cores[i].completed || bo->last_write[i] > node->cores[i].completed)
      return true;
  return false;
}

static struct bo *overlapping(const struct bo *bo, uint64_t va) {
  for (struct bo *other = bo->file->all; other != NULL; other = other->next)
    if (other != bo && other->in_space && va < other->va + other->size && other->va < va + bo->size)
      return other;
  return NULL;
}

static int insert_anywhere(struct bo *bo) {
  uint64_t va = PAGE;
  for (struct bo *other; (other = overlapping(bo, va)) != NULL;) va = other->va + other->size;
  if (va + bo->size > ADDRESS_END) return ENOSPC;
  bo->va = va;
  bo->in_space = true;
  return 0;
}

int space_insert(struct bo *bo, uint64_t va) {
  if (bo->in_space && (va == 0 || bo->va == va)) return 0;
  if (va == 0) return insert_anywhere(bo);
  // A buffer stays where it is while a job uses it.
  if (bo->in_space && busy(bo)) return EINVAL;
  if (va % PAGE != 0) return EINVAL;
  if (va >= ADDRESS_END || bo->size > ADDRESS_END - va) return ENOSPC;
  for (struct bo *other; (other = overlapping(bo, va)) != NULL;) {
    // Idle buffers make room; those of running jobs and of this very submit do not.
    if (busy(other) || other->pin_stamp == bo->submit_stamp) return ENOSPC;
    other->in_space = false;
  }
  bo->va = va;
  bo->in_space = true;
  return 0;
}

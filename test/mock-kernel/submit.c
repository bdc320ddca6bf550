// GEM_SUBMIT: what the kernel checks before a job is queued (spec/uapi.md 1, 4).
// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "mock.h"

enum { NO_IMPLICIT = 1, FENCE_IN = 2, FENCE_OUT = 4, SOFTPIN = 8, ALL_FLAGS = 15 };
enum { LIMIT = 128 * 1024, MAX_REQUESTS = 128 };

struct submit_args {
  uint32_t fence, pipe, exec_state, nr_bos, nr_relocs, stream_size;
  uint64_t bos, relocs, stream;
  uint32_t flags;
  int32_t fence_fd;
  uint64_t pmrs;
  uint32_t nr_pmrs, pad;
};
_Static_assert(sizeof(struct submit_args) == 72, "GEM_SUBMIT");

struct submit_bo {
  uint32_t flags, handle;
  uint64_t presumed;
};

struct submit_reloc {
  uint32_t submit_offset, reloc_idx;
  uint64_t reloc_offset;
  uint32_t flags, pad;
};
_Static_assert(sizeof(struct submit_reloc) == 24 && sizeof(struct pm_request) == 20, "uapi");

static int refused(int error, const char *why) {
  log_line("refused", "submit: %s", why);
  return -error;
}

static int check_args(const struct node *node, const struct submit_args *args) {
  if (args->exec_state > 2) return refused(EINVAL, "exec_state is not 0, 1 or 2");
  if ((args->flags & ~(uint32_t)ALL_FLAGS) != 0) return refused(EINVAL, "unknown flags");
  if ((args->flags & SOFTPIN) != 0 && node->softpin == UINT64_MAX)
    return refused(EINVAL, "softpin without MMUv2");
  if (args->stream_size > LIMIT || args->nr_relocs > LIMIT || args->nr_bos > LIMIT ||
      args->nr_pmrs > MAX_REQUESTS)
    return refused(EINVAL, "beyond the size limits");
  // The kernel asks for words; the front end fetches pairs, and half a pair would be lost.
  if (args->stream_size % 8 != 0) return refused(EINVAL, "stream is not a multiple of 8 bytes");
  return 0;
}

/** Copies a list of the client; NULL only when memory or the client's pointer fails. */
static void *copied(uint64_t from, uint32_t items, size_t bytes, int *error) {
  void *list = malloc(items * bytes + 1);
  if (list == NULL) {
    *error = -ENOMEM;
  } else if (!copy_from_client(list, from, items * bytes)) {
    free(list);
    list = NULL;
    *error = refused(EFAULT, "a pointer cannot be read");
  }
  return list;
}

static int look_up(struct job *job, const struct submit_bo *list, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const struct submit_bo *entry = &list[i];
    if ((entry->flags & ~3u) != 0) return refused(EINVAL, "unknown flags of a buffer");
    struct bo *bo = bo_find(job->file, entry->handle);
    if (bo == NULL) return refused(EINVAL, "invalid handle");
    bo->refs++;
    job->bos[i] = (struct job_bo){bo, entry->flags, 0};
    job->bo_count = i + 1;
  }
  return 0;
}

/** Marks the buffers of the submit, which also finds those that are listed twice. */
static int stamp(struct job *job) {
  static uint64_t stamps;
  uint64_t mark = ++stamps;
  for (uint32_t i = 0; i < job->bo_count; i++) {
    struct bo *bo = job->bos[i].bo;
    if (bo->submit_stamp == mark) return refused(EALREADY, "a buffer is listed twice");
    bo->submit_stamp = mark;
  }
  return 0;
}

static int pin(struct job *job, const struct submit_bo *list, bool softpin) {
  uint64_t first = job->file->node->softpin;
  for (uint32_t i = 0; softpin && i < job->bo_count; i++)
    if (list[i].presumed < first) return refused(EINVAL, "an address below the softpin start");
  for (uint32_t i = 0; i < job->bo_count; i++) {
    struct bo *bo = job->bos[i].bo;
    int error = space_insert(bo, softpin ? list[i].presumed : 0);
    if (error != 0) return refused(error, "a buffer cannot have its address");
    bo->pin_stamp = bo->submit_stamp;
    job->bos[i].va = bo->va;
  }
  return 0;
}

static int relocate(struct job *job, const struct submit_reloc *list, uint32_t count) {
  uint32_t last = 0;
  for (uint32_t i = 0; i < count; i++) {
    const struct submit_reloc *reloc = &list[i];
    uint32_t word = reloc->submit_offset / 4;
    if (reloc->flags != 0) return refused(EINVAL, "flags of a relocation");
    if (reloc->submit_offset % 4 != 0 || word >= job->word_count || word < last)
      return refused(EINVAL, "offset of a relocation");
    if (reloc->reloc_idx >= job->bo_count) return refused(EINVAL, "buffer of a relocation");
    const struct job_bo *target = &job->bos[reloc->reloc_idx];
    if (reloc->reloc_offset > target->bo->size - 4)
      return refused(EINVAL, "a relocation points behind its buffer");
    job->words[word] = (uint32_t)(target->va + reloc->reloc_offset);
    last = word;
  }
  return 0;
}

static int check_requests(const struct job *job) {
  for (uint32_t i = 0; i < job->request_count; i++) {
    const struct pm_request *request = &job->requests[i];
    if (request->read_idx >= job->bo_count) return refused(EINVAL, "buffer of a counter");
    uint64_t size = job->bos[request->read_idx].bo->size;
    if ((request->flags & ~3u) != 0) return refused(EINVAL, "flags of a counter");
    // Offset 0 is where the sequence number goes.
    if (request->read_offset == 0 || (uint64_t)request->read_offset * 4 > size - 4)
      return refused(EINVAL, "offset of a counter");
    if (!valid_request(job->file->node, request)) return refused(EINVAL, "unknown counter");
  }
  return 0;
}

static int fences(struct job *job, struct submit_args *args) {
  if ((args->flags & FENCE_IN) != 0) {
    job->fence_in = libc()->fcntl(args->fence_fd, F_DUPFD_CLOEXEC, 0);
    if (job->fence_in < 0) return refused(EINVAL, "fence_fd");
  }
  if ((args->flags & FENCE_OUT) == 0) return 0;
  int client = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (client >= 0) job->fence_out = libc()->fcntl(client, F_DUPFD_CLOEXEC, 0);
  if (job->fence_out < 0) {
    if (client >= 0) libc()->close(client);
    return -EMFILE;
  }
  args->fence_fd = client;
  return 0;
}

static int prepare(struct job *job, struct submit_args *args) {
  int error = 0;
  struct submit_bo *bos = copied(args->bos, args->nr_bos, sizeof *bos, &error);
  struct submit_reloc *relocs = NULL;
  if (error == 0) relocs = copied(args->relocs, args->nr_relocs, sizeof *relocs, &error);
  if (error == 0) job->requests = copied(args->pmrs, args->nr_pmrs, 20, &error);
  if (error == 0) job->words = copied(args->stream, args->stream_size, 1, &error);
  if (error == 0) {
    job->word_count = args->stream_size / 4;
    job->request_count = args->nr_pmrs;
    job->bos = calloc(args->nr_bos + 1, sizeof *job->bos);
    error = job->bos == NULL ? -ENOMEM : look_up(job, bos, args->nr_bos);
  }
  bool softpin = (args->flags & SOFTPIN) != 0;
  if (error == 0) error = stamp(job);
  if (error == 0) error = pin(job, bos, softpin);
  if (error == 0 && softpin && args->nr_relocs != 0)
    error = refused(EINVAL, "relocations with softpin");
  if (error == 0) error = relocate(job, relocs, args->nr_relocs);
  if (error == 0) error = check_requests(job);
  if (error == 0) error = fences(job, args);
  free(bos);
  free(relocs);
  return error;
}

int ioctl_submit(struct file *file, void *data) {
  struct submit_args *args = data;
  struct fault fault = fault_for(6);
  if (fault.kind == FAULT_LOST) set_device_lost();
  if (device_lost()) return -ENODEV;
  if (fault.kind == FAULT_ERRNO) return -fault.value;
  struct core *core;
  int error = core_of(file->node, args->pipe, &core);
  if (error == 0) error = check_args(file->node, args);
  if (error != 0) return error;
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) return -ENOMEM;
  file->refs++;
  job->file = file;
  job->core = core;
  job->fault = fault;
  job->fence_in = job->fence_out = -1;
  error = prepare(job, args);
  if (error != 0) {
    job_free(job);
    return error;
  }
  args->fence = job_queue(job, (args->flags & NO_IMPLICIT) == 0);
  return 0;
}

// Ioctls of the mock: how the DRM core calls a driver; all commands but submit (spec/uapi.md 1).
// SPDX-License-Identifier: MIT
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mock.h"

enum { IOCTL_BASE = 'd', DRIVER = 0x40, KERNEL_BYTES = 128 };

bool copy_from_client(void *to, uint64_t from, size_t bytes) {
  if (bytes == 0) return true;
  struct iovec local = {to, bytes}, remote = {(void *)(uintptr_t)from, bytes};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

bool copy_to_client(uint64_t to, const void *from, size_t bytes) {
  if (bytes == 0) return true;
  struct iovec local = {(void *)(uintptr_t)from, bytes}, remote = {(void *)(uintptr_t)to, bytes};
  return process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

int core_of(struct node *node, uint32_t pipe, struct core **core) {
  if (pipe >= MAX_CORES) return -EINVAL;
  if (pipe >= node->core_count) return -ENXIO;
  *core = &node->cores[pipe];
  return 0;
}

struct text_field {
  uint64_t bytes, pointer;
};

struct version_args {
  int32_t major, minor, patch, pad;
  struct text_field name, date, desc;
};

/** As many bytes as there is room for, without a terminator; the length becomes the text's. */
static int give_text(struct text_field *field, const char *text) {
  uint64_t length = strlen(text), room = field->bytes;
  field->bytes = length;
  if (room > length) room = length;
  if (field->pointer == 0 || room == 0) return 0;
  return copy_to_client(field->pointer, text, room) ? 0 : -EFAULT;
}

static int ioctl_version(struct file *file, void *data) {
  struct version_args *args = data;
  const struct node *node = file->node;
  args->major = (int32_t)node->version[0];
  args->minor = (int32_t)node->version[1];
  args->patch = (int32_t)node->version[2];
  int error = give_text(&args->name, node->driver);
  if (error == 0) error = give_text(&args->date, "20151214");
  if (error == 0) error = give_text(&args->desc, config.desc);
  return error;
}

struct param_args {
  uint32_t pipe, param;
  uint64_t value;
};

/** Feature words and sizes, parameters 03 to 1A: the same for every core, of no use for an NPU. */
static uint64_t feature(uint32_t param) {
  // 03: 3D pipe; the others: a small shader core, for clients that print them.
  static const uint32_t VALUES[] = {0xe0287cad, 0xc1799eff, 0xfefbfad9, 0xeb9d4fbf, 0xedfffced,
                                    0xd30dafc7, 0x7b5ac333, 0xfc8ee200, 0x03fffa6f, 0x00fe0ef0,
                                    0x0088003c, 0x00108120, 0,          16,         64,
                                    1024,       16,         1,          1,          0,
                                    0,          512,        320,        16};
  return VALUES[param - 3];
}

static int ioctl_get_param(struct file *file, void *data) {
  struct param_args *args = data;
  const struct node *node = file->node;
  struct core *core;
  int error = core_of(file->node, args->pipe, &core);
  if (error != 0) return error;
  const struct core_ids *ids = &core->ids;
  uint32_t param = args->param;
  if ((param == 0x1b && version_below(node, 3)) || (param >= 0x1c && version_below(node, 4)))
    return -EINVAL;
  switch (param) {
    case 0x01: args->value = ids->model; return 0;
    case 0x02: args->value = ids->revision; return 0;
    case 0x1b: args->value = node->softpin; return 0;
    case 0x1c: args->value = ids->product; return 0;
    case 0x1d: args->value = ids->customer; return 0;
    case 0x1e: args->value = ids->eco; return 0;
    default: break;
  }
  if (param < 0x03 || param > 0x1a) return -EINVAL;
  args->value = feature(param);
  return 0;
}

struct gem_new_args {
  uint64_t size;
  uint32_t flags, handle;
};

static int ioctl_gem_new(struct file *file, void *data) {
  struct gem_new_args *args = data;
  uint32_t caching = args->flags & 0xf0000;
  if ((args->flags & ~0x170000u) != 0) return -EINVAL;
  if (caching != 0x10000 && caching != 0x20000 && caching != 0x40000) return -EINVAL;
  if (args->size == 0 || args->size > UINT64_MAX - PAGE) return -EINVAL;
  int error;
  uint64_t size = (args->size + PAGE - 1) / PAGE * PAGE;
  struct bo *bo = bo_new(file, size, args->flags, &error);
  if (bo == NULL) return -error;
  args->handle = bo->handle;
  return 0;
}

struct gem_info_args {
  uint32_t handle, pad;
  uint64_t offset;
};

static int ioctl_gem_info(struct file *file, void *data) {
  struct gem_info_args *args = data;
  if (args->pad != 0) return -EINVAL;
  struct bo *bo = bo_find(file, args->handle);
  if (bo == NULL) return -ENOENT;
  args->offset = bo_mmap_offset(bo);
  return 0;
}

struct prep_args {
  uint32_t handle, op;
  int64_t seconds, nanoseconds;
};

static int ioctl_cpu_prep(struct file *file, void *data) {
  struct prep_args *args = data;
  if ((args->op & ~7u) != 0) return -EINVAL;
  struct bo *bo = bo_find(file, args->handle);
  if (bo == NULL) return -ENOENT;
  struct timeout timeout = {(args->op & 4) != 0, args->seconds, args->nanoseconds};
  return wait_bo(bo, (args->op & ACCESS_WRITE) != 0, timeout);
}

static int ioctl_cpu_fini(struct file *file, void *data) {
  const uint32_t *args = data;
  if (args[1] != 0) return -EINVAL;
  return bo_find(file, args[0]) == NULL ? -ENOENT : 0;
}

struct wait_args {
  uint32_t pipe, fence_or_handle, flags, pad;
  int64_t seconds, nanoseconds;
};

static int ioctl_wait_fence(struct file *file, void *data) {
  struct wait_args *args = data;
  if ((args->flags & ~1u) != 0) return -EINVAL;
  struct core *core;
  int error = core_of(file->node, args->pipe, &core);
  if (error != 0) return error;
  struct timeout timeout = {args->flags != 0, args->seconds, args->nanoseconds};
  return wait_fence(core, args->fence_or_handle, timeout);
}

static int ioctl_gem_wait(struct file *file, void *data) {
  struct wait_args *args = data;
  if ((args->flags & ~1u) != 0) return -EINVAL;
  struct core *core;
  int error = core_of(file->node, args->pipe, &core);
  if (error != 0) return error;
  struct bo *bo = bo_find(file, args->fence_or_handle);
  if (bo == NULL) return -ENOENT;
  struct timeout timeout = {args->flags != 0, args->seconds, args->nanoseconds};
  return wait_bo(bo, true, timeout);
}

struct userptr_args {
  uint64_t pointer, size;
  uint32_t flags, handle;
};

/** Checked, but never granted: memory of the client cannot be shared with the executor. */
static int ioctl_userptr(void *data) {
  struct userptr_args *args = data;
  if (args->flags == 0 || (args->flags & ~3u) != 0) return -EINVAL;
  if (args->pointer % PAGE != 0 || args->size % PAGE != 0 || args->size > UINT32_MAX)
    return -EINVAL;
  return -ENOSYS;
}

static int ioctl_gem_close(struct file *file, void *data) {
  const uint32_t *args = data;
  struct bo *bo = bo_find(file, args[0]);
  if (bo == NULL) return -EINVAL;
  bo_close(bo);
  return 0;
}

static int driver_command(struct file *file, unsigned number, void *data) {
  switch (number) {
    case 0x0: return ioctl_get_param(file, data);
    case 0x2: return ioctl_gem_new(file, data);
    case 0x3: return ioctl_gem_info(file, data);
    case 0x4: return ioctl_cpu_prep(file, data);
    case 0x5: return ioctl_cpu_fini(file, data);
    case 0x6: return ioctl_submit(file, data);
    case 0x7: return ioctl_wait_fence(file, data);
    case 0x8: return ioctl_userptr(data);
    case 0x9: return ioctl_gem_wait(file, data);
    case 0xa: return version_below(file->node, 2) ? -EINVAL : ioctl_query_domain(file->node, data);
    case 0xb: return version_below(file->node, 2) ? -EINVAL : ioctl_query_signal(file->node, data);
    default: return -EINVAL;
  }
}

/** Size and direction of each driver command in the kernel; older clients' may differ. */
static const struct {
  uint8_t size, in, out;
} COMMANDS[12] = {{16, 1, 1}, {0, 0, 0}, {16, 1, 1}, {16, 1, 1}, {24, 1, 0}, {8, 1, 0},
                  {72, 1, 1}, {32, 1, 0}, {24, 1, 1}, {32, 1, 0}, {72, 1, 1}, {76, 1, 1}};

struct command {
  unsigned op;
  enum counter counter;
  bool in, out;
};

/** What a request's number means to this node, or false. */
static bool command_of(const struct node *node, unsigned long request, struct command *command) {
  unsigned number = request & 0xff;
  if (number == 0x00) {
    *command = (struct command){OP_VERSION, COUNT_VERSION, true, true};
  } else if (number == 0x09) {
    *command = (struct command){OP_GEM_CLOSE, COUNT_GEM_CLOSE, true, false};
  } else {
    unsigned driver = number - DRIVER;
    if (strcmp(node->driver, "etnaviv") != 0 || driver >= 12 || COMMANDS[driver].size == 0)
      return false;
    *command = (struct command){driver, COUNT_DRIVER + driver, COMMANDS[driver].in != 0,
                                COMMANDS[driver].out != 0};
  }
  return true;
}

static int run(struct file *file, const struct command *command, void *data) {
  struct fault fault = {FAULT_NONE, 0};
  // Faults of a submit belong to its job, unless they are errors of the call.
  if (command->op != 6) fault = fault_for(command->op);
  if (fault.kind == FAULT_LOST) set_device_lost();
  if (device_lost()) return -ENODEV;
  if (fault.kind == FAULT_ERRNO) return -fault.value;
  switch (command->op) {
    case OP_VERSION: return ioctl_version(file, data);
    case OP_GEM_CLOSE: return ioctl_gem_close(file, data);
    default: return driver_command(file, command->op, data);
  }
}

int drm_ioctl(struct file *file, unsigned long request, void *argument) {
  count(COUNT_IOCTLS);
  if ((request >> 8 & 0xff) != IOCTL_BASE) return -ENOTTY;
  struct command command;
  if (!command_of(file->node, request, &command)) {
    count(COUNT_OTHER);
    return device_lost() ? -ENODEV : -EINVAL;
  }
  count(command.counter);
  // The DRM core copies as much as the client's request says, and fills up with zeros.
  size_t size = request >> 16 & 0x3fff;
  bool in = (request >> 30 & 1) != 0 && command.in, out = (request >> 31 & 1) != 0 && command.out;
  union {
    uint8_t bytes[KERNEL_BYTES];
    uint64_t align;
  } data = {{0}};
  if (size > KERNEL_BYTES) size = KERNEL_BYTES;
  uint64_t client = (uint64_t)(uintptr_t)argument;
  if (in && !copy_from_client(data.bytes, client, size)) return -EFAULT;
  int result = run(file, &command, data.bytes);
  if (out && !copy_to_client(client, data.bytes, size)) return -EFAULT;
  return result;
}

// The thin native addon: open, close, ioctl, mmap and munmap for JavaScript, and nothing else.
// SPDX-License-Identifier: MIT
//
// Failed system calls return -errno; misuse (types, sizes, bounds, closed files) throws. Files and mappings are objects of
// their own, so that a number can never name a file that somebody else opened meanwhile, nor a page that is gone. JavaScript
// never sees mapped memory as an ArrayBuffer: bytes are copied in and out under a bounds check.
//
// Every call goes through the plain libc symbol (open, not open64 or __open_2), so that a preloaded library can stand in
// for a kernel; on 64-bit systems they are the same functions.
#undef _FILE_OFFSET_BITS
#undef _LARGEFILE_SOURCE
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <node_api.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef TILEWRIGHT_SOURCE_HASH
#define TILEWRIGHT_SOURCE_HASH "unknown"
#endif

_Static_assert(sizeof(void *) == 8 && sizeof(off_t) == 8, "64-bit systems only");

// An interrupted call is begun again; a kernel that interrupts for ever must not hang the event loop.
#define MAX_RESTARTS 10000
#define MAX_POINTERS 8
#define IOCTL_SIZE_SHIFT 16
#define IOCTL_SIZE_MASK 0x3fff

// ---- What JavaScript holds ------------------------------------------------------------------------------------------

typedef struct {
  int fd;
  // Calls on other threads that use fd now; it is closed when the last of them returns.
  uint32_t in_use;
  bool closed;
  // The JavaScript object is gone; freed with the last call.
  bool orphaned;
} file_t;

typedef struct {
  uint8_t *start;
  size_t length;
} mapping_t;

static const napi_type_tag FILE_TAG = {0x54696c6577726967, 0x68742066696c6531};
static const napi_type_tag MAPPING_TAG = {0x54696c6577726967, 0x6874206d61703031};

// ---- Errors and arguments -------------------------------------------------------------------------------------------

// Throws a RangeError unless an exception is on its way; returns NULL for the callback to return.
static napi_value range_error(napi_env env, const char *format, ...) {
  char message[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_range_error(env, NULL, message);
  return NULL;
}

static napi_value type_error(napi_env env, const char *message) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_type_error(env, NULL, message);
  return NULL;
}

static napi_value out_of_memory(napi_env env) {
  napi_throw_error(env, NULL, "no memory left for a system call");
  return NULL;
}

static napi_value number(napi_env env, int64_t value) {
  napi_value result = NULL;
  napi_create_int64(env, value, &result);
  return result;
}

static bool arguments_of(napi_env env, napi_callback_info info, size_t wanted, napi_value *values) {
  size_t count = wanted;
  if (napi_get_cb_info(env, info, &count, values, NULL, NULL) != napi_ok) return false;
  return true; // Missing ones are undefined and fail their own check.
}

// An integer of 0 to 2^53-1.
static bool integer_of(napi_env env, napi_value value, const char *what, uint64_t limit, uint64_t *result) {
  double given;
  if (napi_get_value_double(env, value, &given) != napi_ok) {
    type_error(env, "a number was expected");
    return false;
  }
  if (!(given >= 0 && given <= 9007199254740991.0) || given != (double)(uint64_t)given ||
      (uint64_t)given > limit) {
    range_error(env, "%s %g is not an integer of 0 to %" PRIu64, what, given, limit);
    return false;
  }
  *result = (uint64_t)given;
  return true;
}

// The bytes of a Uint8Array; a detached one has none.
static bool bytes_of(napi_env env, napi_value value, uint8_t **bytes, size_t *length) {
  napi_typedarray_type type;
  bool is_array = false;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array ||
      napi_get_typedarray_info(env, value, &type, length, (void **)bytes, NULL, NULL) != napi_ok ||
      type != napi_uint8_array) {
    type_error(env, "a Uint8Array was expected");
    return false;
  }
  return true;
}

static void *unwrap(napi_env env, napi_value value, const napi_type_tag *tag, const char *complaint) {
  bool matches = false;
  void *result = NULL;
  if (napi_check_object_type_tag(env, value, tag, &matches) != napi_ok || !matches ||
      napi_unwrap(env, value, &result) != napi_ok) {
    type_error(env, complaint);
    return NULL;
  }
  return result;
}

// A file that is open, or NULL with an exception.
static file_t *file_of(napi_env env, napi_value value) {
  file_t *file = unwrap(env, value, &FILE_TAG, "an opened file was expected");
  if (file != NULL && file->closed) {
    range_error(env, "the file was closed before");
    return NULL;
  }
  return file;
}

static mapping_t *mapping_of(napi_env env, napi_value value) {
  mapping_t *mapping = unwrap(env, value, &MAPPING_TAG, "a mapping was expected");
  if (mapping != NULL && mapping->start == NULL) {
    range_error(env, "the mapping was released before");
    return NULL;
  }
  return mapping;
}

static napi_value wrap(napi_env env, void *held, const napi_type_tag *tag, napi_finalize finalize) {
  napi_value object = NULL;
  if (napi_create_object(env, &object) != napi_ok) return NULL;
  if (napi_type_tag_object(env, object, tag) != napi_ok) return NULL;
  if (napi_wrap(env, object, held, finalize, NULL, NULL) != napi_ok) return NULL;
  return object;
}

// ---- open and close -------------------------------------------------------------------------------------------------

static void file_close(file_t *file) {
  if (!file->closed || file->in_use > 0 || file->fd < 0) return;
  // Not repeated after EINTR: Linux has released the number by then.
  close(file->fd);
  file->fd = -1;
}

static void file_finalize(napi_env env, void *held, void *hint) {
  (void)env;
  (void)hint;
  file_t *file = held;
  file->closed = true;
  file->orphaned = true;
  file_close(file);
  if (file->in_use == 0) free(file);
}

// open(path: string) -> file object, or -errno. Read and write, close on exec.
static napi_value js_open(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments_of(env, info, 1, values)) return NULL;
  char path[4096];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, values[0], NULL, 0, &length) != napi_ok)
    return type_error(env, "a path was expected");
  if (length == 0 || length >= sizeof path)
    return range_error(env, "the path has %zu bytes, not 1 to %zu", length, sizeof path - 1);
  napi_get_value_string_utf8(env, values[0], path, sizeof path, &length);
  if (strlen(path) != length) return range_error(env, "the path holds a zero byte");

  file_t *file = calloc(1, sizeof *file);
  if (file == NULL) return out_of_memory(env);
  int restarts = 0;
  do file->fd = open(path, O_RDWR | O_CLOEXEC);
  while (file->fd < 0 && errno == EINTR && ++restarts < MAX_RESTARTS);
  if (file->fd < 0) {
    int error = errno;
    free(file);
    return number(env, -error);
  }
  napi_value object = wrap(env, file, &FILE_TAG, file_finalize);
  if (object == NULL) {
    close(file->fd);
    free(file);
    return out_of_memory(env);
  }
  return object;
}

// close(file): the number is released at once, or when the last call on another thread returns. Closing twice is fine.
static napi_value js_close(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments_of(env, info, 1, values)) return NULL;
  file_t *file = unwrap(env, values[0], &FILE_TAG, "an opened file was expected");
  if (file == NULL) return NULL;
  file->closed = true;
  file_close(file);
  return NULL;
}

// ---- ioctl ----------------------------------------------------------------------------------------------------------

typedef struct {
  size_t offset;
  uint8_t *bytes;
  size_t length;
} pointer_t;

typedef struct {
  file_t *file;
  unsigned long request;
  uint8_t *argument;
  size_t length;
  pointer_t pointers[MAX_POINTERS];
  uint32_t pointer_count;
} call_t;

static void set_pointers(call_t *call, bool present) {
  for (uint32_t i = 0; i < call->pointer_count; i++) {
    const pointer_t *pointer = &call->pointers[i];
    uint64_t address = present && pointer->length > 0 ? (uint64_t)(uintptr_t)pointer->bytes : 0;
    memcpy(call->argument + pointer->offset, &address, sizeof address);
  }
}

// Runs the call; EINTR begins it again. EAGAIN is the caller's to judge. Addresses are in the argument only meanwhile.
static int run_ioctl(call_t *call, int fd) {
  set_pointers(call, true);
  int result;
  int restarts = 0;
  do result = ioctl(fd, call->request, call->length > 0 ? (void *)call->argument : NULL);
  while (result < 0 && errno == EINTR && ++restarts < MAX_RESTARTS);
  int error = errno;
  set_pointers(call, false);
  return result < 0 ? -error : result;
}

// The parts of a list of pointers. Reading them can run getters of the caller, which may do anything, so this comes first;
// nothing behind it runs code of the caller.
typedef struct {
  uint32_t count;
  napi_value offsets[MAX_POINTERS];
  napi_value buffers[MAX_POINTERS];
} pointer_values_t;

static bool pointer_values_of(napi_env env, napi_value list, pointer_values_t *values) {
  napi_valuetype type;
  values->count = 0;
  if (napi_typeof(env, list, &type) == napi_ok && type == napi_undefined) return true;
  uint32_t count = 0;
  if (napi_get_array_length(env, list, &count) != napi_ok) {
    type_error(env, "an array of pointers was expected");
    return false;
  }
  if (count > MAX_POINTERS) {
    range_error(env, "%u pointers are more than %d", count, MAX_POINTERS);
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    napi_value entry;
    if (napi_get_element(env, list, i, &entry) != napi_ok ||
        napi_get_named_property(env, entry, "offset", &values->offsets[i]) != napi_ok ||
        napi_get_named_property(env, entry, "buffer", &values->buffers[i]) != napi_ok) {
      type_error(env, "a pointer with offset and buffer was expected");
      return false;
    }
  }
  values->count = count;
  return true;
}

// [{ offset, buffer }, …]: the address of each buffer goes to its offset, a 64-bit field of the argument.
static bool pointers_of(napi_env env, const pointer_values_t *values, call_t *call) {
  for (uint32_t i = 0; i < values->count; i++) {
    pointer_t *pointer = &call->pointers[i];
    uint64_t offset;
    if (!integer_of(env, values->offsets[i], "pointer offset", UINT32_MAX, &offset)) return false;
    if (!bytes_of(env, values->buffers[i], &pointer->bytes, &pointer->length)) return false;
    if (offset % 8 != 0 || offset + 8 > call->length) {
      range_error(env, "pointer offset %" PRIu64 " is no 64-bit field of an argument of %zu bytes", offset,
                  call->length);
      return false;
    }
    for (uint32_t j = 0; j < i; j++)
      if (call->pointers[j].offset == offset) {
        range_error(env, "pointer offset %" PRIu64 " is given twice", offset);
        return false;
      }
    pointer->offset = (size_t)offset;
    call->pointer_count = i + 1;
  }
  return true;
}

// Checks (file, request, argument, pointers) of both forms of ioctl.
static bool call_of(napi_env env, napi_value *values, call_t *call) {
  pointer_values_t pointers;
  if (!pointer_values_of(env, values[3], &pointers)) return false;
  memset(call, 0, sizeof *call);
  call->file = file_of(env, values[0]);
  if (call->file == NULL) return false;
  uint64_t request;
  if (!integer_of(env, values[1], "ioctl request", UINT32_MAX, &request)) return false;
  call->request = (unsigned long)request;
  if (!bytes_of(env, values[2], &call->argument, &call->length)) return false;
  size_t size = (request >> IOCTL_SIZE_SHIFT) & IOCTL_SIZE_MASK;
  if (size != call->length) {
    range_error(env, "ioctl request 0x%08" PRIx64 " takes %zu bytes and was given %zu", request, size,
                call->length);
    return false;
  }
  return pointers_of(env, &pointers, call);
}

// ioctl(file, request, argument, pointers?) -> result, or -errno
static napi_value js_ioctl(napi_env env, napi_callback_info info) {
  napi_value values[4];
  call_t call;
  if (!arguments_of(env, info, 4, values)) return NULL;
  if (!call_of(env, values, &call)) return NULL;
  return number(env, run_ioctl(&call, call.file->fd));
}

typedef struct {
  call_t call;
  int fd;
  int result;
  napi_async_work work;
  napi_deferred deferred;
  // The caller's argument, which gets the answer; and the file object, which must live as long as the call.
  napi_ref argument;
  napi_ref file;
  // Copies of the argument and of what it points to: the caller may change or detach his meanwhile.
  uint8_t *copy;
} work_t;

static void work_execute(napi_env env, void *held) {
  (void)env;
  work_t *work = held;
  work->result = run_ioctl(&work->call, work->fd);
}

static void work_free(napi_env env, work_t *work) {
  if (work->argument != NULL) napi_delete_reference(env, work->argument);
  if (work->file != NULL) napi_delete_reference(env, work->file);
  if (work->work != NULL) napi_delete_async_work(env, work->work);
  free(work->copy);
  free(work);
}

static void work_complete(napi_env env, napi_status status, void *held) {
  work_t *work = held;
  file_t *file = work->call.file;
  file->in_use--;
  file_close(file);
  if (file->orphaned && file->in_use == 0) free(file);

  napi_value argument = NULL;
  uint8_t *bytes;
  size_t length;
  if (napi_get_reference_value(env, work->argument, &argument) == napi_ok && argument != NULL &&
      bytes_of(env, argument, &bytes, &length) && length == work->call.length && length > 0)
    memcpy(bytes, work->call.argument, length);
  napi_value result = number(env, status == napi_ok ? work->result : -ECANCELED);
  if (result != NULL) napi_resolve_deferred(env, work->deferred, result);
  work_free(env, work);
}

// Copies the argument and what it points to behind each other, each on an 8-byte boundary.
static bool work_copy(work_t *work) {
  call_t *call = &work->call;
  size_t total = (call->length + 7) & ~(size_t)7;
  for (uint32_t i = 0; i < call->pointer_count; i++)
    total += (call->pointers[i].length + 7) & ~(size_t)7;
  work->copy = malloc(total > 0 ? total : 8);
  if (work->copy == NULL) return false;
  uint8_t *next = work->copy;
  if (call->length > 0) memcpy(next, call->argument, call->length);
  call->argument = next;
  next += (call->length + 7) & ~(size_t)7;
  for (uint32_t i = 0; i < call->pointer_count; i++) {
    pointer_t *pointer = &call->pointers[i];
    if (pointer->length > 0) memcpy(next, pointer->bytes, pointer->length);
    pointer->bytes = next;
    next += (pointer->length + 7) & ~(size_t)7;
  }
  return true;
}

// ioctlAsync(file, request, argument, pointers?) -> Promise of the result, or of -errno. Runs on another thread. The
// argument gets the answer; buffers behind pointers are inputs only.
static napi_value js_ioctl_async(napi_env env, napi_callback_info info) {
  napi_value values[4];
  call_t call;
  if (!arguments_of(env, info, 4, values)) return NULL;
  if (!call_of(env, values, &call)) return NULL;

  work_t *work = calloc(1, sizeof *work);
  if (work == NULL) return out_of_memory(env);
  work->call = call;
  work->fd = call.file->fd;
  napi_value promise = NULL, name = NULL;
  if (!work_copy(work) || napi_create_reference(env, values[2], 1, &work->argument) != napi_ok ||
      napi_create_reference(env, values[0], 1, &work->file) != napi_ok ||
      napi_create_string_utf8(env, "tilewright ioctl", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, NULL, name, work_execute, work_complete, work, &work->work) != napi_ok ||
      napi_create_promise(env, &work->deferred, &promise) != napi_ok) {
    work_free(env, work);
    return out_of_memory(env);
  }
  call.file->in_use++;
  if (napi_queue_async_work(env, work->work) != napi_ok) {
    call.file->in_use--;
    work_free(env, work);
    return out_of_memory(env);
  }
  return promise;
}

// ---- mmap and munmap ------------------------------------------------------------------------------------------------

static void mapping_release(mapping_t *mapping) {
  if (mapping->start != NULL) munmap(mapping->start, mapping->length);
  mapping->start = NULL;
}

static void mapping_finalize(napi_env env, void *held, void *hint) {
  (void)env;
  (void)hint;
  mapping_release(held);
  free(held);
}

// mmap(file, length, offset) -> mapping object, or -errno. Shared, read and write.
static napi_value js_mmap(napi_env env, napi_callback_info info) {
  napi_value values[3];
  uint64_t length, offset;
  if (!arguments_of(env, info, 3, values)) return NULL;
  if (!integer_of(env, values[1], "mapping length", (uint64_t)1 << 40, &length)) return NULL;
  if (!integer_of(env, values[2], "mapping offset", INT64_MAX, &offset)) return NULL;
  if (length == 0) return range_error(env, "a mapping has at least 1 byte");
  file_t *file = file_of(env, values[0]);
  if (file == NULL) return NULL;

  mapping_t *mapping = calloc(1, sizeof *mapping);
  if (mapping == NULL) return out_of_memory(env);
  void *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, (off_t)offset);
  if (start == MAP_FAILED) {
    int error = errno;
    free(mapping);
    return number(env, -error);
  }
  mapping->start = start;
  mapping->length = length;
  napi_value object = wrap(env, mapping, &MAPPING_TAG, mapping_finalize);
  if (object == NULL) {
    mapping_release(mapping);
    free(mapping);
    return out_of_memory(env);
  }
  return object;
}

// munmap(mapping): releases it now instead of with its object. Releasing twice is fine.
static napi_value js_munmap(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments_of(env, info, 1, values)) return NULL;
  mapping_t *mapping = unwrap(env, values[0], &MAPPING_TAG, "a mapping was expected");
  if (mapping != NULL) mapping_release(mapping);
  return NULL;
}

// The mapped bytes and the caller's bytes of (mapping, offset, bytes), or false with an exception.
static bool span_of(napi_env env, napi_callback_info info, uint8_t **mapped, uint8_t **bytes, size_t *length) {
  napi_value values[3];
  uint64_t offset;
  if (!arguments_of(env, info, 3, values)) return false;
  if (!integer_of(env, values[1], "mapping offset", UINT64_MAX >> 11, &offset)) return false;
  mapping_t *mapping = mapping_of(env, values[0]);
  if (mapping == NULL || !bytes_of(env, values[2], bytes, length)) return false;
  if (offset > mapping->length || *length > mapping->length - offset) {
    range_error(env, "%zu bytes at %" PRIu64 " leave the mapping of %zu bytes", *length, offset, mapping->length);
    return false;
  }
  *mapped = mapping->start + offset;
  return true;
}

// read(mapping, offset, target: Uint8Array): copies mapped bytes out.
static napi_value js_read(napi_env env, napi_callback_info info) {
  uint8_t *mapped, *bytes;
  size_t length;
  if (span_of(env, info, &mapped, &bytes, &length) && length > 0) memcpy(bytes, mapped, length);
  return NULL;
}

// write(mapping, offset, source: Uint8Array): copies bytes in.
static napi_value js_write(napi_env env, napi_callback_info info) {
  uint8_t *mapped, *bytes;
  size_t length;
  if (span_of(env, info, &mapped, &bytes, &length) && length > 0) memcpy(mapped, bytes, length);
  return NULL;
}

// ---- Module ---------------------------------------------------------------------------------------------------------

// Readable in the file too: a test compares it with the source that lies beside it.
static const char SOURCE_MARK[] = "tilewright-addon-source:" TILEWRIGHT_SOURCE_HASH;

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback call;
  } FUNCTIONS[] = {
      {"open", js_open},   {"close", js_close},   {"ioctl", js_ioctl}, {"ioctlAsync", js_ioctl_async},
      {"mmap", js_mmap},   {"munmap", js_munmap}, {"read", js_read},   {"write", js_write},
  };
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
    napi_value function;
    if (napi_create_function(env, FUNCTIONS[i].name, NAPI_AUTO_LENGTH, FUNCTIONS[i].call, NULL, &function) !=
            napi_ok ||
        napi_set_named_property(env, exports, FUNCTIONS[i].name, function) != napi_ok)
      return NULL;
  }
  napi_value mark;
  if (napi_create_string_utf8(env, SOURCE_MARK, NAPI_AUTO_LENGTH, &mark) != napi_ok ||
      napi_set_named_property(env, exports, "source", mark) != napi_ok)
    return NULL;
  return exports;
}

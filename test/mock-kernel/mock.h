// The mock kernel: an etnaviv render node by interposing libc, for tests. Shared declarations.
// SPDX-License-Identifier: MIT
//
// Loaded with LD_PRELOAD it replaces /dev/dri by the nodes of TW_MOCK_NODES. README.md of this
// folder describes behaviour and limits. Environment:
//
//   TW_MOCK_NODES     nodes, separated by ';', each a number and words (default "128"):
//                       core=MODEL:REVISION:PRODUCT:ECO:CUSTOMER  a core, ids in hex; up to four
//                       driver=NAME      default etnaviv; any other answers VERSION only
//                       version=A.B.C    DRM version, default 1.4.0
//                       softpin=HEX|none start of the GPU addresses, default c00000; none: MMUv1
//                       perfmon=HI,MC|none  domains that exist, default all
//                       denied           open fails with EACCES
//                     "none": there is no /dev/dri; "empty": an empty one
//   TW_MOCK_DESC      VERSION's description, default "Tilewright mock kernel (simulated)"
//   TW_MOCK_EXECUTOR  path of the executor's unix socket; without one every job hangs
//   TW_MOCK_CONTROL   control file (control.c): faults, counters; without one a private area
//   TW_MOCK_FAULTS    faults without a control file: "name:fault[:skip[:times]];…" (control.c)
//   TW_MOCK_LOG       file to which lines of JSON are appended
//   TW_MOCK_WATCHDOG_MS  after this time a hung job is given up, default 500 as in the kernel
//   TW_MOCK_MEMORY    bytes of buffers that one file may have, default 1 GiB
//   TW_MOCK_FENCE_START  number before the first fence of every core, default 0
#ifndef TILEWRIGHT_MOCK_H
#define TILEWRIGHT_MOCK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MAX_NODES 8
#define MAX_CORES 4
#define PAGE 4096u
#define ADDRESS_END (UINT64_C(1) << 32)

enum { ACCESS_READ = 1, ACCESS_WRITE = 2 };

// ---- configuration (config.c)

struct core_ids {
  uint32_t model, revision, product, eco, customer;
};

struct job;
struct node;

struct core {
  struct node *node;
  unsigned index;
  struct core_ids ids;
  bool started;
  pthread_cond_t work;
  struct job *head, *tail;
  // Jobs of a core finish in order, so two numbers tell which are done.
  uint64_t issued, completed;
  // What the performance counters show; see perfmon.c.
  uint32_t cycles, idle_cycles, read_units, write_units;
};

struct node {
  unsigned number;
  char driver[32];
  uint32_t version[3];
  uint64_t softpin; // UINT64_MAX: none
  bool denied;
  uint32_t domains; // bit mask of perfmon.c's table
  unsigned core_count;
  struct core cores[MAX_CORES];
};

struct config {
  bool has_directory;
  unsigned node_count;
  struct node nodes[MAX_NODES];
  const char *desc, *executor, *log;
  uint32_t watchdog_ms, fence_start;
  uint64_t memory;
};

extern struct config config;
void config_load(void);
static inline bool version_below(const struct node *node, uint32_t minor) {
  return node->version[0] < 1 || (node->version[0] == 1 && node->version[1] < minor);
}

// ---- control file, counters, faults (control.c)

enum counter {
  COUNT_OPENS, COUNT_RELEASES, COUNT_BUFFERS_NEW, COUNT_BUFFERS_FREED, COUNT_MAPS, COUNT_UNMAPS,
  COUNT_SUBMITS, COUNT_JOBS_DONE, COUNT_JOBS_HUNG, COUNT_SIM_FAULTS, COUNT_INJECTED, COUNT_IOCTLS,
  // One for each ioctl number: 16 + driver command, 32 VERSION, 33 GEM_CLOSE, 34 any other.
  COUNT_DRIVER = 16, COUNT_VERSION = 32, COUNT_GEM_CLOSE, COUNT_OTHER, COUNT_END = 64
};

// What a process holds at the moment; in the control file one slot for each process.
enum level {
  LEVEL_FILES, LEVEL_BUFFERS, LEVEL_BYTES, LEVEL_MAPPINGS, LEVEL_MAPPED_BYTES, LEVEL_JOBS, LEVEL_END
};

enum fault_kind { FAULT_NONE, FAULT_ERRNO, FAULT_HANG, FAULT_LATE, FAULT_LOST };

// Operations that faults name: driver commands 0x00 to 0x0b, and these.
enum { OP_MMAP = 0x40, OP_VERSION = 0x41, OP_GEM_CLOSE = 0x42, OP_OPEN = 0x43, OP_NONE = 0xff };

struct fault {
  enum fault_kind kind;
  int32_t value; // errno or milliseconds
};

void control_load(void);
void control_after_fork(void);
void control_exit(void);
void count(enum counter counter);
void level(enum level level, int64_t change);
struct fault fault_for(unsigned op);
bool device_lost(void);
void set_device_lost(void);
void log_line(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

// ---- files, buffers, mappings (device.c); everything below needs the lock held

struct bo {
  struct bo *next; // of the file, closed ones too
  struct file *file;
  uint32_t handle; // 0: closed, kept by a mapping or a job
  uint32_t flags;
  uint64_t size, base; // base: in the file's memfd
  unsigned refs;
  bool in_space;
  uint64_t va;
  // Number of the last submit that listed it, and that gave it its address.
  uint64_t submit_stamp, pin_stamp;
  uint64_t last_read[MAX_CORES], last_write[MAX_CORES];
};

struct file {
  struct node *node;
  unsigned opens; // descriptors and mappings: as long as there are any, the kernel's file is open
  unsigned refs;  // opens, and jobs
  int memfd;
  uint64_t tail, bytes;
  struct bo *all;
  struct bo **handles;
  uint32_t handle_count;
  // Connections to the executor, one for each core used; only that core's worker touches them.
  int sockets[MAX_CORES];
};

extern pthread_mutex_t lock;
extern pthread_cond_t progress; // CLOCK_MONOTONIC; broadcast when a job is done

struct file *file_of(int fd);
int file_open(struct node *node, int flags);
int file_attach(int fd, struct file *file);
void file_detach(int fd);
void file_put(struct file *file);
void files_forget(void); // after fork

struct bo *bo_new(struct file *file, uint64_t size, uint32_t flags, int *error);
struct bo *bo_find(struct file *file, uint32_t handle);
void bo_close(struct bo *bo);
void bo_put(struct bo *bo);
uint64_t bo_mmap_offset(const struct bo *bo);
void *bo_mmap(struct file *file, void *address, size_t length, int prot, int flags,
              uint64_t offset);
void mappings_cut(void *address, size_t length);
extern atomic_uint mapping_count;
/** Gives the buffer a place in its file's address space. va 0: anywhere. Returns 0 or an errno. */
int space_insert(struct bo *bo, uint64_t va);

// ---- ioctls (ioctl.c, submit.c, perfmon.c, jobs.c): 0 or a negative errno

int drm_ioctl(struct file *file, unsigned long request, void *argument);
int ioctl_submit(struct file *file, void *args);
int ioctl_query_domain(struct node *node, void *args);
int ioctl_query_signal(struct node *node, void *args);
int core_of(struct node *node, uint32_t pipe, struct core **core);

/** Copies from and to memory of the client, which may be missing: false then. */
bool copy_from_client(void *to, uint64_t from, size_t bytes);
bool copy_to_client(uint64_t to, const void *from, size_t bytes);

// ---- jobs and fences (jobs.c)

struct pm_request {
  uint32_t flags;
  uint8_t domain, pad;
  uint16_t signal;
  uint32_t sequence, read_offset, read_idx;
};

struct job_bo {
  struct bo *bo;
  uint32_t access;
  uint64_t va;
};

struct job {
  struct job *next;
  struct file *file;
  struct core *core;
  uint64_t number;
  uint64_t after[MAX_CORES]; // numbers of jobs of other cores that must be done before
  uint32_t *words;
  uint32_t word_count, bo_count, request_count;
  struct job_bo *bos;
  struct pm_request *requests;
  struct fault fault;
  int fence_in, fence_out; // descriptors of our own, or -1
};

/** Takes the job over and returns its fence number. */
uint32_t job_queue(struct job *job, bool implicit_sync);
void job_free(struct job *job);
struct timeout {
  bool poll; // do not wait at all
  int64_t seconds, nanoseconds;
};
int wait_fence(struct core *core, uint32_t fence, struct timeout timeout);
int wait_bo(struct bo *bo, bool for_write, struct timeout timeout);
bool valid_request(const struct node *node, const struct pm_request *request);
void sample_requests(struct job *job, uint32_t flag);
void advance_counters(struct job *job);

/** Runs the job in the executor. False: fault or no executor, with the reason in text. */
bool execute(struct job *job, char *text, size_t text_bytes);

// ---- the real functions (preload.c)

struct libc {
  int (*open)(const char *, int, ...);
  int (*openat)(int, const char *, int, ...);
  int (*close)(int);
  int (*ioctl)(int, unsigned long, ...);
  int (*fcntl)(int, int, ...);
  int (*dup)(int);
  int (*dup2)(int, int);
  int (*dup3)(int, int, int);
  void *(*mmap)(void *, size_t, int, int, int, off_t);
  int (*munmap)(void *, size_t);
  long (*syscall)(long, ...);
};
const struct libc *libc(void);

enum place { PLACE_ELSEWHERE, PLACE_DIRECTORY, PLACE_NODE, PLACE_MISSING };
/** What a path means to the mock: node is set for PLACE_NODE. */
enum place place_of(const char *path, struct node **node);

#endif

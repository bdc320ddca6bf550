// The control file, shared with the test: counters, what each process holds, faults to inject.
// SPDX-License-Identifier: MIT
//
// Little endian, 8192 bytes; test/mock-kernel/control.ts has the same layout.
//      0  u32 magic "TWMK", u32 layout 1, u32 device lost
//     64  u64 counters[64] (enum counter)
//   1024  32 faults of 32 bytes: u32 active, op, kind, i32 value, u32 skip, times, fired
//   2048  64 slots of 64 bytes: u32 pid, pad, i64 levels[6] (enum level)
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mock.h"

enum { MAX_FAULTS = 32, MAX_SLOTS = 64, MAGIC = 0x4b4d5754 };

struct shared_fault {
  _Atomic uint32_t active;
  uint32_t op, kind;
  int32_t value;
  _Atomic uint32_t skip, times, fired;
  uint32_t pad;
};

struct slot {
  _Atomic uint32_t pid;
  uint32_t pad;
  _Atomic int64_t levels[LEVEL_END];
  uint64_t pad2;
};

struct control {
  uint32_t magic, layout;
  _Atomic uint32_t lost;
  uint8_t pad[52];
  _Atomic uint64_t counters[COUNT_END];
  uint8_t pad2[448];
  struct shared_fault faults[MAX_FAULTS];
  struct slot slots[MAX_SLOTS];
  uint8_t pad3[2048];
};
_Static_assert(sizeof(struct control) == 8192, "layout of the control file");
_Static_assert(offsetof(struct control, faults) == 1024, "layout of the control file");

static struct control private_control;
static struct slot private_slot;
static struct control *control = &private_control;
static struct slot *slot = &private_slot;

static const struct {
  const char *name;
  unsigned op;
} OPS[] = {{"getParam", 0},  {"gemNew", 2},    {"gemInfo", 3},   {"cpuPrep", 4},
           {"cpuFini", 5},   {"submit", 6},    {"waitFence", 7}, {"gemUserptr", 8},
           {"gemWait", 9},   {"queryDomain", 10}, {"querySignal", 11}, {"mmap", OP_MMAP},
           {"version", OP_VERSION}, {"gemClose", OP_GEM_CLOSE}, {"open", OP_OPEN}};

static const struct {
  const char *name;
  enum fault_kind kind;
  int value;
} KINDS[] = {{"ENOMEM", FAULT_ERRNO, ENOMEM}, {"EINTR", FAULT_ERRNO, EINTR},
             {"EAGAIN", FAULT_ERRNO, EAGAIN}, {"ENODEV", FAULT_ERRNO, ENODEV},
             {"EINVAL", FAULT_ERRNO, EINVAL}, {"EIO", FAULT_ERRNO, EIO},
             {"hang", FAULT_HANG, 0},         {"late", FAULT_LATE, 100},
             {"lost", FAULT_LOST, 0}};

static void parse_fault(struct shared_fault *fault, const char *text) {
  char op[32] = "", kind[32] = "";
  unsigned skip = 0, times = 1;
  sscanf(text, "%31[^:]:%31[^:]:%u:%u", op, kind, &skip, &times);
  for (size_t i = 0; i < sizeof OPS / sizeof *OPS; i++)
    for (size_t j = 0; j < sizeof KINDS / sizeof *KINDS; j++)
      if (strcmp(op, OPS[i].name) == 0 && strcmp(kind, KINDS[j].name) == 0) {
        fault->op = OPS[i].op;
        fault->kind = KINDS[j].kind;
        fault->value = KINDS[j].value;
        fault->skip = skip;
        fault->times = times;
        fault->active = 1;
        return;
      }
  fprintf(stderr, "mock kernel: TW_MOCK_FAULTS: %s\n", text);
  exit(70);
}

static void private_faults(const char *list) {
  char *copy = strdup(list), *rest = NULL;
  unsigned count = 0;
  for (char *text = strtok_r(copy, ";", &rest); text != NULL && count < MAX_FAULTS;
       text = strtok_r(NULL, ";", &rest))
    parse_fault(&control->faults[count++], text);
  free(copy);
}

/** A slot for this process; those of dead processes are taken over. */
static void claim_slot(void) {
  uint32_t pid = (uint32_t)getpid();
  for (unsigned i = 0; i < MAX_SLOTS; i++) {
    struct slot *candidate = &control->slots[i];
    uint32_t owner = candidate->pid;
    if (owner != 0 && (owner == pid || kill((pid_t)owner, 0) == 0 || errno != ESRCH)) continue;
    if (!atomic_compare_exchange_strong(&candidate->pid, &owner, pid)) continue;
    for (unsigned j = 0; j < LEVEL_END; j++) candidate->levels[j] = 0;
    slot = candidate;
    return;
  }
}

void control_load(void) {
  const char *path = getenv("TW_MOCK_CONTROL");
  if (path == NULL) {
    const char *faults = getenv("TW_MOCK_FAULTS");
    if (faults != NULL) private_faults(faults);
    return;
  }
  int fd = libc()->open(path, O_RDWR | O_CLOEXEC);
  void *memory = MAP_FAILED;
  if (fd >= 0)
    memory = libc()->mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED || ((struct control *)memory)->magic != MAGIC) {
    fprintf(stderr, "mock kernel: %s is not a control file\n", path);
    exit(70);
  }
  libc()->close(fd);
  control = memory;
}

void control_after_fork(void) {
  slot = &private_slot;
  memset(&private_slot, 0, sizeof private_slot);
}

void control_exit(void) {
  if (slot->levels[LEVEL_FILES] != 0 || slot->levels[LEVEL_BUFFERS] != 0)
    log_line("exit", "left behind: %lld files, %lld buffers, %lld mappings",
             (long long)slot->levels[LEVEL_FILES], (long long)slot->levels[LEVEL_BUFFERS],
             (long long)slot->levels[LEVEL_MAPPINGS]);
  // The kernel takes back whatever a process leaves.
  slot->pid = 0;
  slot = &private_slot;
}

void count(enum counter counter) { atomic_fetch_add(&control->counters[counter], 1); }

void level(enum level level, int64_t change) {
  if (slot == &private_slot && control != &private_control) claim_slot();
  atomic_fetch_add(&slot->levels[level], change);
}

static bool fires(struct shared_fault *fault) {
  uint32_t skip = fault->skip;
  while (skip > 0)
    if (atomic_compare_exchange_weak(&fault->skip, &skip, skip - 1)) return false;
  uint32_t times = fault->times;
  while (times > 0 && times != UINT32_MAX)
    if (atomic_compare_exchange_weak(&fault->times, &times, times - 1)) break;
  if (times == 0) return false;
  atomic_fetch_add(&fault->fired, 1);
  count(COUNT_INJECTED);
  return true;
}

/** The first fault for this operation whose turn it is; those behind it do not see the call. */
struct fault fault_for(unsigned op) {
  struct fault found = {FAULT_NONE, 0};
  for (unsigned i = 0; i < MAX_FAULTS; i++) {
    struct shared_fault *fault = &control->faults[i];
    if (fault->active == 0 || fault->op != op || !fires(fault)) continue;
    found = (struct fault){(enum fault_kind)fault->kind, fault->value};
    break;
  }
  return found;
}

bool device_lost(void) { return control->lost != 0; }

void set_device_lost(void) { control->lost = 1; }

static size_t escape(char *to, size_t room, const char *from) {
  size_t used = 0;
  for (; *from != 0 && used + 8 < room; from++) {
    unsigned char byte = (unsigned char)*from;
    if (byte == '"' || byte == '\\')
      used += (size_t)sprintf(to + used, "\\%c", byte);
    else if (byte < 0x20)
      used += (size_t)sprintf(to + used, "\\u%04x", byte);
    else
      to[used++] = (char)byte;
  }
  to[used] = 0;
  return used;
}

void log_line(const char *event, const char *format, ...) {
  if (config.log == NULL) return;
  char text[1024], escaped[1200], line[1400];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  escape(escaped, sizeof escaped, text);
  int length = snprintf(line, sizeof line, "{\"event\":\"%s\",\"pid\":%d,\"text\":\"%s\"}\n", event,
                        (int)getpid(), escaped);
  int fd = libc()->open(config.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (write(fd, line, (size_t)length) != length) perror("mock kernel: log");
  libc()->close(fd);
}

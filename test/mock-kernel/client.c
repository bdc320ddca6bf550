// A client of the kernel interface: does single calls for a test and says what came of them.
// SPDX-License-Identifier: MIT
//
// One command a line, numbers decimal or 0x…; one answer a line, "ok …" or "errno N …":
//   open PATH | close FD | dup FD | dup3 FD TARGET | number of a descriptor
//   ioctl FD REQUEST HEX        the argument's bytes, and in the answer what has become of them
//   bad FD REQUEST              an argument that cannot be read
//   mmap FD OFFSET LENGTH | mmapprivate … | munmap ADDRESS LENGTH
//   alloc BYTES | write ADDRESS HEX | read ADDRESS BYTES
//   list PATH | stat PATH | fstat FD | access PATH
//   fork FD                     a child opens the node for itself and looks at what it inherited
//   stress FD THREADS ROUNDS    creates, maps and frees buffers in threads
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

// Memory of alloc, which lives as long as the client.
static struct block {
  struct block *next;
  uint8_t bytes[];
} *blocks;

static void *new_block(size_t bytes) {
  struct block *block = calloc(1, sizeof *block + bytes);
  if (block == NULL) exit(2);
  block->next = blocks;
  blocks = block;
  return block->bytes;
}

static void answer(long result) {
  if (result < 0)
    printf("errno %d", errno);
  else
    printf("ok %ld", result);
}

static void print_hex(const uint8_t *bytes, size_t count) {
  putchar(' ');
  for (size_t i = 0; i < count; i++) printf("%02x", bytes[i]);
}

static unsigned nibble(char digit) {
  if (digit >= '0' && digit <= '9') return (unsigned)(digit - '0');
  if (digit >= 'a' && digit <= 'f') return (unsigned)(digit - 'a') + 10;
  exit(2);
}

static size_t parse_hex(const char *text, uint8_t *bytes, size_t room) {
  size_t count = strlen(text) / 2;
  if (count > room) exit(2);
  for (size_t i = 0; i < count; i++)
    bytes[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
  return count;
}

static void do_ioctl(int fd, unsigned long request, const char *hex) {
  uint8_t bytes[256];
  size_t count = parse_hex(hex, bytes, sizeof bytes);
  answer(ioctl(fd, request, bytes));
  print_hex(bytes, count);
}

static void do_list(const char *path) {
  DIR *directory = opendir(path);
  answer(directory == NULL ? -1 : 0);
  if (directory == NULL) return;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    printf(" %s:%d", entry->d_name, entry->d_type);
  closedir(directory);
}

static void do_stat(int result, const struct stat *of) {
  answer(result);
  if (result == 0) printf(" %o %u:%u", of->st_mode, major(of->st_rdev), minor(of->st_rdev));
}

static void do_fork(int fd) {
  int status = 0;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    uint8_t args[16] = {0, 0, 0, 0, 1};
    // What was inherited is not a node here (a limit of the mock); a new one is.
    int inherited = ioctl(fd, 0xc0106440ul, args);
    int own = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
    int fresh = ioctl(own, 0xc0106440ul, args);
    _exit((inherited == 0) | (fresh != 0) << 1);
  }
  waitpid(child, &status, 0);
  answer(WEXITSTATUS(status));
}

struct stress {
  pthread_t thread;
  int fd;
  long rounds;
  bool failed;
};

static bool stress_round(int fd) {
  struct {
    uint64_t size;
    uint32_t flags, handle;
  } created = {8192, 0x20000, 0};
  if (ioctl(fd, 0xc0106442ul, &created) != 0) return false;
  struct {
    uint32_t handle, pad;
    uint64_t offset;
  } info = {created.handle, 0, 0};
  if (ioctl(fd, 0xc0106443ul, &info) != 0) return false;
  uint32_t *memory =
      mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)info.offset);
  if (memory == MAP_FAILED) return false;
  bool clean = memory[0] == 0 && memory[2047] == 0;
  memory[0] = memory[2047] = created.handle;
  clean = clean && memory[0] == created.handle && memory[2047] == created.handle;
  uint32_t close_args[2] = {created.handle, 0};
  return ioctl(fd, 0x40086409ul, close_args) == 0 && munmap(memory, 8192) == 0 && clean;
}

static void *stress_thread(void *argument) {
  struct stress *stress = argument;
  for (long i = 0; i < stress->rounds; i++)
    if (!stress_round(stress->fd)) stress->failed = true;
  return NULL;
}

static void do_stress(int fd, long threads, long rounds) {
  struct stress all[16];
  long failed = 0;
  for (long i = 0; i < threads; i++) {
    all[i] = (struct stress){.fd = fd, .rounds = rounds};
    if (pthread_create(&all[i].thread, NULL, stress_thread, &all[i]) != 0) exit(2);
  }
  for (long i = 0; i < threads; i++) {
    pthread_join(all[i].thread, NULL);
    failed += all[i].failed;
  }
  answer(failed);
}

/** `text` is the first argument, a, b, c the arguments as numbers. */
static bool descriptor_command(const char *name, const char *text, long a, long b, long c) {
  struct stat of;
  if (strcmp(name, "open") == 0)
    answer(open(text, O_RDWR | O_CLOEXEC));
  else if (strcmp(name, "close") == 0)
    answer(close((int)a));
  else if (strcmp(name, "dup") == 0)
    answer(fcntl((int)a, F_DUPFD_CLOEXEC, 3));
  else if (strcmp(name, "dup3") == 0)
    answer(dup3((int)a, (int)b, O_CLOEXEC));
  else if (strcmp(name, "list") == 0)
    do_list(text);
  else if (strcmp(name, "stat") == 0)
    do_stat(stat(text, &of), &of);
  else if (strcmp(name, "fstat") == 0)
    do_stat(fstat((int)a, &of), &of);
  else if (strcmp(name, "access") == 0)
    answer(access(text, R_OK | W_OK));
  else if (strcmp(name, "fork") == 0)
    do_fork((int)a);
  else if (strcmp(name, "stress") == 0)
    do_stress((int)a, b, c);
  else
    return false;
  return true;
}

static bool memory_command(const char *name, long a, long b, long c, const char *hex) {
  int protection = PROT_READ | PROT_WRITE;
  if (strcmp(name, "bad") == 0) {
    answer(ioctl((int)a, (unsigned long)b, (void *)8));
  } else if (strcmp(name, "mmap") == 0 || strcmp(name, "mmapprivate") == 0) {
    int flags = name[4] == 0 ? MAP_SHARED : MAP_PRIVATE;
    void *start = mmap(NULL, (size_t)c, protection, flags, (int)a, b);
    answer(start == MAP_FAILED ? -1 : (long)start);
  } else if (strcmp(name, "munmap") == 0) {
    answer(munmap((void *)a, (size_t)b));
  } else if (strcmp(name, "alloc") == 0) {
    answer((long)new_block((size_t)a));
  } else if (strcmp(name, "write") == 0) {
    answer((long)parse_hex(hex, (uint8_t *)a, SIZE_MAX));
  } else if (strcmp(name, "read") == 0) {
    answer(b);
    print_hex((uint8_t *)a, (size_t)b);
  } else {
    return false;
  }
  return true;
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    char *rest = NULL, *word[5];
    for (int i = 0; i < 5; i++) {
      word[i] = strtok_r(i == 0 ? line : NULL, " \n", &rest);
      if (word[i] == NULL) word[i] = "";
    }
    long a = (long)strtoul(word[1], NULL, 0), b = (long)strtoul(word[2], NULL, 0);
    long c = (long)strtoul(word[3], NULL, 0);
    if (strcmp(word[0], "ioctl") == 0)
      do_ioctl((int)a, (unsigned long)b, word[3]);
    else if (!descriptor_command(word[0], word[1], a, b, c) &&
             !memory_command(word[0], a, b, c, word[2]))
      printf("unknown command %s", word[0]);
    putchar('\n');
    fflush(stdout);
  }
  free(line);
  for (struct block *next; blocks != NULL; blocks = next) {
    next = blocks->next;
    free(blocks);
  }
  return 0;
}

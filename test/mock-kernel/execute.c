// The mock's side of the executor's socket: a job goes out, its end comes back (README.md).
// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mock.h"

enum { HELLO = 0x314b4d54 };

struct hello {
  uint32_t magic;
  int32_t pid, memfd;
  uint32_t ids[5];
};

struct request {
  uint32_t word_count, bo_count;
};

struct listed {
  uint32_t address, access;
  uint64_t bytes, base;
};

struct answer {
  uint32_t fault, text_bytes;
};

static bool send_all(int fd, const void *data, size_t bytes) {
  const char *at = data;
  while (bytes > 0) {
    ssize_t sent = send(fd, at, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    bytes -= (size_t)sent;
  }
  return true;
}

static bool receive_all(int fd, void *data, size_t bytes) {
  char *at = data;
  while (bytes > 0) {
    ssize_t got = recv(fd, at, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= (size_t)got;
  }
  return true;
}

static int connected(struct job *job) {
  if (config.executor == NULL) return -1;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(config.executor) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, config.executor);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const struct core_ids *ids = &job->core->ids;
  struct hello hello = {HELLO, getpid(), job->file->memfd,
                        {ids->model, ids->revision, ids->product, ids->eco, ids->customer}};
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
      send_all(fd, &hello, sizeof hello))
    return fd;
  libc()->close(fd);
  return -1;
}

static bool send_job(int fd, const struct job *job) {
  size_t stream = job->word_count * sizeof *job->words;
  size_t bytes = sizeof(struct request) + stream + job->bo_count * sizeof(struct listed);
  char *message = malloc(bytes), *at = message;
  if (message == NULL) return false;
  struct request request = {job->word_count, job->bo_count};
  memcpy(at, &request, sizeof request);
  memcpy(at += sizeof request, job->words, stream);
  at += stream;
  for (uint32_t i = 0; i < job->bo_count; i++, at += sizeof(struct listed)) {
    const struct job_bo *entry = &job->bos[i];
    struct listed listed = {(uint32_t)entry->va, entry->access, entry->bo->size, entry->bo->base};
    memcpy(at, &listed, sizeof listed);
  }
  bool sent = send_all(fd, message, bytes);
  free(message);
  return sent;
}

static bool receive_text(int fd, uint32_t length, char *text, size_t room) {
  char piece[256];
  size_t kept = 0;
  while (length > 0) {
    uint32_t bytes = length < sizeof piece ? length : (uint32_t)sizeof piece;
    if (!receive_all(fd, piece, bytes)) return false;
    size_t keep = bytes < room - 1 - kept ? bytes : room - 1 - kept;
    memcpy(text + kept, piece, keep);
    kept += keep;
    length -= bytes;
  }
  text[kept] = 0;
  return true;
}

bool execute(struct job *job, char *text, size_t text_bytes) {
  int *fd = &job->file->sockets[job->core->index];
  if (*fd < 0) *fd = connected(job);
  struct answer answer;
  if (*fd < 0) {
    snprintf(text, text_bytes, "no executor at %s",
             config.executor == NULL ? "TW_MOCK_EXECUTOR" : config.executor);
    return false;
  }
  if (!send_job(*fd, job) || !receive_all(*fd, &answer, sizeof answer) ||
      !receive_text(*fd, answer.text_bytes, text, text_bytes)) {
    libc()->close(*fd);
    *fd = -1;
    snprintf(text, text_bytes, "the executor closed its connection");
    return false;
  }
  return answer.fault == 0;
}

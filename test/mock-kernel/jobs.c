// Jobs of the mock: one worker thread for each core, fences, and the waits for them.
// SPDX-License-Identifier: MIT
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "mock.h"

enum { SLICE_NS = 20 * 1000 * 1000, SECOND_NS = 1000 * 1000 * 1000 };

static bool reached(const struct core *core, uint64_t number) { return core->completed >= number; }

static void sleep_ms(uint32_t milliseconds) {
  struct timespec left = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

void job_free(struct job *job) {
  if (job->fence_in >= 0) libc()->close(job->fence_in);
  if (job->fence_out >= 0) libc()->close(job->fence_out);
  for (uint32_t i = 0; i < job->bo_count; i++) bo_put(job->bos[i].bo);
  free(job->bos);
  free(job->words);
  free(job->requests);
  file_put(job->file);
  free(job);
}

static bool dependencies_done(const struct job *job) {
  const struct node *node = job->core->node;
  for (unsigned i = 0; i < node->core_count; i++)
    if (i != job->core->index && !reached(&node->cores[i], job->after[i])) return false;
  return true;
}

/** Runs a job to its fence; without the lock. */
static void run_job(struct job *job) {
  char why[800];
  if (job->fence_in >= 0) {
    struct pollfd fence = {job->fence_in, POLLIN, 0};
    while (poll(&fence, 1, -1) < 0 && errno == EINTR) {
    }
  }
  sample_requests(job, 1);
  if (job->fault.kind == FAULT_HANG) {
    count(COUNT_JOBS_HUNG);
    log_line("hang", "job %llu of core %u hangs as told", (unsigned long long)job->number,
             job->core->index);
    sleep_ms(config.watchdog_ms);
  } else if (!execute(job, why, sizeof why)) {
    // A core that met a bad stream does nothing more until the watchdog resets it.
    count(COUNT_SIM_FAULTS);
    log_line("fault", "%s", why);
    sleep_ms(config.watchdog_ms);
  }
  advance_counters(job);
  sample_requests(job, 2);
  if (job->fault.kind == FAULT_LATE) sleep_ms((uint32_t)job->fault.value);
}

static void finish(struct job *job) {
  if (job->fence_out >= 0) {
    uint64_t one = 1;
    if (write(job->fence_out, &one, sizeof one) != sizeof one)
      log_line("error", "a fence descriptor could not be signalled");
  }
  job->core->completed = job->number;
  count(COUNT_JOBS_DONE);
  level(LEVEL_JOBS, -1);
  job_free(job);
  pthread_cond_broadcast(&progress);
}

static void *worker(void *argument) {
  struct core *core = argument;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (core->head == NULL) pthread_cond_wait(&core->work, &lock);
    struct job *job = core->head;
    while (!dependencies_done(job)) pthread_cond_wait(&progress, &lock);
    core->head = job->next;
    if (core->head == NULL) core->tail = NULL;
    pthread_mutex_unlock(&lock);
    run_job(job);
    pthread_mutex_lock(&lock);
    finish(job);
  }
  return NULL;
}

static void start_worker(struct core *core) {
  // Signals are the client's business, not this thread's.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  if (pthread_create(&thread, NULL, worker, core) != 0) abort();
  pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  core->started = true;
}

/** What the job must wait for on other cores, from the buffers it shares with their jobs. */
static void add_dependencies(struct job *job) {
  for (uint32_t i = 0; i < job->bo_count; i++) {
    const struct bo *bo = job->bos[i].bo;
    bool writes = (job->bos[i].access & ACCESS_WRITE) != 0;
    for (unsigned c = 0; c < MAX_CORES; c++) {
      uint64_t number = bo->last_write[c];
      if (writes && bo->last_read[c] > number) number = bo->last_read[c];
      if (number > job->after[c]) job->after[c] = number;
    }
  }
}

uint32_t job_queue(struct job *job, bool implicit_sync) {
  struct core *core = job->core;
  if (implicit_sync) add_dependencies(job);
  job->number = ++core->issued;
  for (uint32_t i = 0; i < job->bo_count; i++) {
    struct bo *bo = job->bos[i].bo;
    // Whatever is not written counts as read: it must stay until the job is done.
    uint64_t *last = (job->bos[i].access & ACCESS_WRITE) != 0 ? bo->last_write : bo->last_read;
    last[core->index] = job->number;
  }
  if (core->tail != NULL)
    core->tail->next = job;
  else
    core->head = job;
  core->tail = job;
  count(COUNT_SUBMITS);
  level(LEVEL_JOBS, 1);
  if (!core->started) start_worker(core);
  pthread_cond_signal(&core->work);
  return config.fence_start + (uint32_t)job->number;
}

// ---- waits

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

/** Absolute nanoseconds, limited to what fits. */
static int64_t deadline_ns(struct timeout timeout) {
  if (timeout.seconds > INT64_MAX / SECOND_NS - 8) return INT64_MAX;
  if (timeout.seconds < 0) return 0;
  int64_t extra = timeout.nanoseconds % (4 * (int64_t)SECOND_NS);
  return timeout.seconds * SECOND_NS + extra;
}

/** Sleeps until something is done, at most a slice: the loss of the device wakes nobody. */
static void wait_slice(int64_t deadline) {
  int64_t until = now_ns() + SLICE_NS;
  if (deadline < until) until = deadline;
  struct timespec at = {until / SECOND_NS, until % SECOND_NS};
  pthread_cond_timedwait(&progress, &lock, &at);
}

struct goal {
  const struct node *node;
  uint64_t numbers[MAX_CORES];
};

static int wait_goal(const struct goal *goal, struct timeout timeout) {
  int64_t deadline = deadline_ns(timeout);
  for (;;) {
    bool done = true;
    for (unsigned i = 0; i < goal->node->core_count; i++)
      done = done && reached(&goal->node->cores[i], goal->numbers[i]);
    if (done) return 0;
    if (timeout.poll) return -EBUSY;
    if (device_lost()) return -ENODEV;
    if (now_ns() >= deadline) return -ETIMEDOUT;
    wait_slice(deadline);
  }
}

int wait_fence(struct core *core, uint32_t fence, struct timeout timeout) {
  struct goal goal = {core->node, {0}};
  // Fence numbers wrap; their distance to the newest one does not, within 2^31 jobs.
  int32_t ahead = (int32_t)(fence - (config.fence_start + (uint32_t)core->issued));
  if (ahead > 0) {
    // The kernel takes fences it does not know for retired ones.
    log_line("warning", "wait for fence %u, which was never given out", fence);
    return 0;
  }
  uint64_t behind = (uint64_t)(-(int64_t)ahead);
  if (behind < core->issued) goal.numbers[core->index] = core->issued - behind;
  return wait_goal(&goal, timeout);
}

int wait_bo(struct bo *bo, bool for_write, struct timeout timeout) {
  struct goal goal = {bo->file->node, {0}};
  for (unsigned i = 0; i < MAX_CORES; i++) {
    goal.numbers[i] = bo->last_write[i];
    if (for_write && bo->last_read[i] > goal.numbers[i]) goal.numbers[i] = bo->last_read[i];
  }
  return wait_goal(&goal, timeout);
}

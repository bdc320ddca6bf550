// Performance monitor: domains and signals (spec/uapi.md 2.4), values made up from a job's sizes.
// SPDX-License-Identifier: MIT
#include <string.h>
#include <unistd.h>

#include "mock.h"
#include "perfmon.h"

// Where a signal's value comes from. Nothing here is a time.
enum source { ZERO, CYCLES, IDLE, READ, WRITE };

struct signal {
  const char *name;
  enum source source;
};

struct domain {
  const char *name;
  unsigned count;
  struct signal signals[7];
};

static const struct domain DOMAINS[] = {
    {"HI",
     7,
     {{"TOTAL_READ_BYTES8", READ},
      {"TOTAL_WRITE_BYTES8", WRITE},
      {"TOTAL_CYCLES", CYCLES},
      {"IDLE_CYCLES", IDLE},
      {"AXI_CYCLES_READ_REQUEST_STALLED", ZERO},
      {"AXI_CYCLES_WRITE_REQUEST_STALLED", ZERO},
      {"AXI_CYCLES_WRITE_DATA_STALLED", ZERO}}},
    {"PE", 1, {{"PIXELS_RENDERED_2D", ZERO}}},
    {"SH", 1, {{"SHADER_CYCLES", ZERO}}},
    {"PA", 1, {{"INPUT_VTX_COUNTER", ZERO}}},
    {"SE", 1, {{"CULLED_TRIANGLE_COUNT", ZERO}}},
    {"RA", 1, {{"VALID_PIXEL_COUNT", ZERO}}},
    {"TX", 1, {{"TOTAL_TEXTURE_REQUESTS", ZERO}}},
    {"MC",
     3,
     {{"TOTAL_READ_REQ_8B_FROM_PIPELINE", READ},
      {"TOTAL_READ_REQ_8B_FROM_IP", ZERO},
      {"TOTAL_WRITE_REQ_8B_FROM_PIPELINE", WRITE}}},
};
enum { DOMAIN_COUNT = sizeof DOMAINS / sizeof *DOMAINS };

bool perfmon_domains(const char *list, uint32_t *mask) {
  *mask = 0;
  if (strcmp(list, "none") == 0) return true;
  for (;;) {
    size_t length = strcspn(list, ",");
    unsigned i = 0;
    while (i < DOMAIN_COUNT &&
           (strlen(DOMAINS[i].name) != length || memcmp(DOMAINS[i].name, list, length) != 0))
      i++;
    if (i == DOMAIN_COUNT) return false;
    *mask |= 1u << i;
    if (list[length] == 0) return true;
    list += length + 1;
  }
}

/** The index-th domain that the node has, or NULL. */
static const struct domain *domain_at(const struct node *node, unsigned index) {
  for (unsigned i = 0; i < DOMAIN_COUNT; i++)
    if ((node->domains >> i & 1) != 0 && index-- == 0) return &DOMAINS[i];
  return NULL;
}

struct domain_args {
  uint32_t pipe;
  uint8_t iter, id;
  uint16_t nr_signals;
  char name[64];
};

int ioctl_query_domain(struct node *node, void *data) {
  struct domain_args *args = data;
  struct core *core;
  int error = core_of(node, args->pipe, &core);
  if (error != 0) return error;
  const struct domain *domain = domain_at(node, args->iter);
  if (domain == NULL) return -EINVAL;
  args->id = args->iter;
  args->nr_signals = (uint16_t)domain->count;
  memset(args->name, 0, sizeof args->name);
  memcpy(args->name, domain->name, strlen(domain->name));
  args->iter++;
  if (domain_at(node, args->iter) == NULL) args->iter = 0xff;
  return 0;
}

struct signal_args {
  uint32_t pipe;
  uint8_t domain, pad;
  uint16_t iter, id;
  char name[64];
  uint8_t pad2[2];
};

int ioctl_query_signal(struct node *node, void *data) {
  struct signal_args *args = data;
  struct core *core;
  int error = core_of(node, args->pipe, &core);
  if (error != 0) return error;
  const struct domain *domain = domain_at(node, args->domain);
  if (domain == NULL || args->iter >= domain->count) return -EINVAL;
  const char *name = domain->signals[args->iter].name;
  args->id = args->iter;
  memset(args->name, 0, sizeof args->name);
  memcpy(args->name, name, strlen(name));
  args->iter++;
  if (args->iter == domain->count) args->iter = 0xffff;
  return 0;
}

bool valid_request(const struct node *node, const struct pm_request *request) {
  const struct domain *domain = domain_at(node, request->domain);
  return domain != NULL && request->signal < domain->count;
}

static uint32_t value_of(const struct core *core, const struct pm_request *request) {
  switch (domain_at(core->node, request->domain)->signals[request->signal].source) {
    case CYCLES: return core->cycles;
    case IDLE: return core->idle_cycles;
    case READ: return core->read_units;
    case WRITE: return core->write_units;
    default: return 0;
  }
}

static void store(struct bo *bo, uint64_t offset, uint32_t value) {
  if (pwrite(bo->file->memfd, &value, sizeof value, (off_t)(bo->base + offset)) != sizeof value)
    log_line("error", "a counter could not be stored");
}

/** Stores the values of the job's requests with this flag; read_offset counts 32-bit words. */
void sample_requests(struct job *job, uint32_t flag) {
  for (uint32_t i = 0; i < job->request_count; i++) {
    const struct pm_request *request = &job->requests[i];
    if (request->flags != flag) continue;
    struct bo *bo = job->bos[request->read_idx].bo;
    store(bo, (uint64_t)request->read_offset * 4, value_of(job->core, request));
    // Word 0 tells the client that the values are there.
    if (flag == 2) store(bo, 0, request->sequence);
  }
}

/** One unit is 8 bytes of a listed buffer; cycles are the units and the words of the stream. */
void advance_counters(struct job *job) {
  struct core *core = job->core;
  uint32_t read = job->word_count / 2, write = 0;
  for (uint32_t i = 0; i < job->bo_count; i++) {
    uint32_t units = (uint32_t)(job->bos[i].bo->size / 8);
    if ((job->bos[i].access & ACCESS_READ) != 0) read += units;
    if ((job->bos[i].access & ACCESS_WRITE) != 0) write += units;
  }
  core->read_units += read;
  core->write_units += write;
  core->cycles += read + write + job->word_count;
  core->idle_cycles += 16;
}

// Reads the mock's configuration from the environment (mock.h lists it).
// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock.h"
#include "perfmon.h"

struct config config;

static void refuse(const char *what, const char *value) {
  fprintf(stderr, "mock kernel: %s: %s\n", what, value);
  exit(70);
}

static void parse_core(struct node *node, const char *text) {
  if (node->core_count == MAX_CORES) refuse("more than four cores", text);
  struct core *core = &node->cores[node->core_count];
  struct core_ids *ids = &core->ids;
  if (sscanf(text, "%x:%x:%x:%x:%x", &ids->model, &ids->revision, &ids->product, &ids->eco,
             &ids->customer) != 5)
    refuse("core is not model:revision:product:eco:customer", text);
  node->core_count++;
}

static void parse_word(struct node *node, char *word) {
  char *value = strchr(word, '=');
  if (value != NULL) *value++ = 0;
  if (strcmp(word, "denied") == 0) {
    node->denied = true;
  } else if (value == NULL) {
    refuse("unknown word in TW_MOCK_NODES", word);
  } else if (strcmp(word, "core") == 0) {
    parse_core(node, value);
  } else if (strcmp(word, "driver") == 0) {
    snprintf(node->driver, sizeof node->driver, "%s", value);
  } else if (strcmp(word, "version") == 0) {
    uint32_t *v = node->version;
    if (sscanf(value, "%u.%u.%u", &v[0], &v[1], &v[2]) != 3) refuse("version", value);
  } else if (strcmp(word, "softpin") == 0) {
    node->softpin = strcmp(value, "none") == 0 ? UINT64_MAX : strtoull(value, NULL, 16);
  } else if (strcmp(word, "perfmon") == 0) {
    if (!perfmon_domains(value, &node->domains)) refuse("perfmon", value);
  } else {
    refuse("unknown word in TW_MOCK_NODES", word);
  }
}

static void parse_node(char *text) {
  char *rest = NULL;
  char *word = strtok_r(text, " ", &rest);
  if (word == NULL) return;
  if (config.node_count == MAX_NODES) refuse("more than eight nodes", text);
  struct node *node = &config.nodes[config.node_count++];
  char *end;
  node->number = (unsigned)strtoul(word, &end, 10);
  if (*end != 0) refuse("node number", word);
  snprintf(node->driver, sizeof node->driver, "etnaviv");
  node->version[0] = 1;
  node->version[1] = 4;
  node->softpin = 0xc00000;
  node->domains = UINT32_MAX;
  while ((word = strtok_r(NULL, " ", &rest)) != NULL) parse_word(node, word);
  for (unsigned i = 0; i < node->core_count; i++) {
    struct core *core = &node->cores[i];
    core->node = node;
    core->index = i;
    pthread_cond_init(&core->work, NULL);
  }
}

static uint64_t number(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  if (text == NULL || *text == 0) return otherwise;
  char *end;
  uint64_t value = strtoull(text, &end, 0);
  if (*end != 0) refuse(name, text);
  return value;
}

void config_load(void) {
  const char *desc = getenv("TW_MOCK_DESC");
  config.desc = desc != NULL ? desc : "Tilewright mock kernel (simulated)";
  config.executor = getenv("TW_MOCK_EXECUTOR");
  config.log = getenv("TW_MOCK_LOG");
  config.watchdog_ms = (uint32_t)number("TW_MOCK_WATCHDOG_MS", 500);
  config.memory = number("TW_MOCK_MEMORY", UINT64_C(1) << 30);
  config.fence_start = (uint32_t)number("TW_MOCK_FENCE_START", 0);
  const char *nodes = getenv("TW_MOCK_NODES");
  if (nodes == NULL) nodes = "128";
  config.has_directory = strcmp(nodes, "none") != 0;
  if (!config.has_directory || strcmp(nodes, "empty") == 0) return;
  char *copy = strdup(nodes), *rest = NULL;
  for (char *text = strtok_r(copy, ";", &rest); text != NULL; text = strtok_r(NULL, ";", &rest))
    parse_node(text);
  free(copy);
}

// Performance monitor domains of the mock.
// SPDX-License-Identifier: MIT
#ifndef TILEWRIGHT_MOCK_PERFMON_H
#define TILEWRIGHT_MOCK_PERFMON_H
#include <stdbool.h>
#include <stdint.h>

/** Bit mask of the domains named in a comma separated list, or of none. False: unknown name. */
bool perfmon_domains(const char *list, uint32_t *mask);

#endif

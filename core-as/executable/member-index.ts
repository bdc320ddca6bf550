// Words of a closed list as numbers of a format.
// SPDX-License-Identifier: MIT
import { CoreBugError } from "../errors.ts";

/**
 * Place of a value in a format's list.
 * @throws CoreBugError for a value that is missing there: it would be written as a number that no reader takes
 */
export function memberIndex<T>(list: readonly T[], value: T): number {
  const index = list.indexOf(value);
  if (index < 0)
    throw new CoreBugError(
      `the format's list ${JSON.stringify(list)} has no ${JSON.stringify(value)}`,
    );
  return index;
}

// Which rules of the reference go with which chip.
// SPDX-License-Identifier: MIT
import type { Chip } from "../../hw/chips.ts";
import { RULES_V7 } from "./rules-v7.ts";
import { RULES_V8 } from "./rules-v8.ts";
import type { ReferenceRules } from "./rules.ts";

const RULES: Record<Chip["nnCoreVersion"], ReferenceRules> = { 7: RULES_V7, 8: RULES_V8 };

export const rulesOf = (chip: Chip): ReferenceRules => RULES[chip.nnCoreVersion];

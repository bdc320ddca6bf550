// Certificates from files. What holds none is refused: to Node it would mean that none was given, and the system's would count.
// SPDX-License-Identifier: MIT
import { createSecureContext } from "node:tls";
import { UsageError } from "../core-as/errors.ts";
import { readText } from "./files.ts";

const CERTIFICATE = /^-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/m;
const KEY = /^-----BEGIN ([A-Z]+ )*PRIVATE KEY-----/m;

/**
 * Reads the certificates to trust, PEM.
 * @throws UsageError TW_USAGE when the file holds none
 */
export function readTrusted(path: string): string {
  const ca = readText(path);
  check(CERTIFICATE.test(ca), { ca }, `--ca ${path} holds no certificate (PEM)`, "ca");
  return ca;
}

/**
 * Reads a server's certificate and its key, PEM.
 * @throws UsageError TW_USAGE when they are no pair
 */
export function readPair(certPath: string, keyPath: string): { cert: string; key: string } {
  const pair = { cert: readText(certPath), key: readText(keyPath) };
  const what = `${certPath} and ${keyPath} are no certificate with its key, both PEM`;
  check(CERTIFICATE.test(pair.cert) && KEY.test(pair.key), pair, what, "tls-cert");
  return pair;
}

function check(isPem: boolean, options: object, what: string, option: string): void {
  if (!isPem) throw new UsageError(what, option);
  try {
    createSecureContext(options);
  } catch (cause) {
    throw new UsageError(`${what}: ${(cause as Error).message}`, option);
  }
}

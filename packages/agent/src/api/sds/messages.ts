import { quoteGo } from '@mini-spire/runtime/go-quote'

/** Texts that proxies' logs show and scripts compare. */
export const messages = {
  deltaUnimplemented: 'Method is not implemented',
  notAuthorized: (names: readonly string[]): string =>
    `workload is not authorized for the requested identities [${names.map(quoteGo).join(' ')}]`,
  allNeedsSpiffeValidator: 'unable to use "SPIFFE validator" on Envoy below 1.17',
} as const

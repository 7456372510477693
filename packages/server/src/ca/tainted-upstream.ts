import type { Clock } from '@mini-spire/runtime/clock'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { parseCertificate, verifyChain, X509Error } from '@mini-spire/sdk/x509'
import type { OwnBundle } from '../bundle/own-bundle.ts'
import { subjectKeyId } from '../bundle/upstream-roots.ts'
import type { X509Authority } from '../model/trust-bundle.ts'
import type { AuthorityRotation } from './authority-rotation.ts'
import { caCause } from './journal.ts'
import type { X509Ca } from './x509-ca.ts'

/** What {@link leaveTaintedRoots} works on. */
export interface TaintedRootsOptions {
  readonly rotation: AuthorityRotation<X509Ca>
  readonly bundle: OwnBundle
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Stops signing below roots that the upstream authority has tainted, then marks them in the own bundle. In this order:
 * agents and downstream servers renew as soon as they see the mark, and must find an authority that is worth it.
 */
export async function leaveTaintedRoots(
  options: TaintedRootsOptions,
  tainted: readonly X509Authority[],
): Promise<void> {
  const { rotation, bundle, log } = options
  log.debug('Processing tainted keys on upstream authority')
  if (rotation.active && isBelow(rotation.active, tainted, options.clock)) {
    log.info('Current root CA is signed by a tainted upstream authority, preparing rotation')
    await prepareCleanNext(options, tainted)
    await rotation.rotate()
  }
  for (const root of tainted) {
    try {
      await bundle.taintX509(subjectKeyId(root), caCause('upstream authority tainted'))
    } catch (error) {
      // Somebody was faster: an operator, or another server on the same store.
      if (!isDone(error)) throw error
    }
  }
}

async function prepareCleanNext(
  { rotation, clock, log }: TaintedRootsOptions,
  tainted: readonly X509Authority[],
): Promise<void> {
  const { next } = rotation.slots
  if (next.authority && !next.isEmpty) {
    if (!isBelow(next.authority, tainted, clock)) return
    log.info('Next authority is tainted, prepare new X.509 authority')
  }
  await rotation.prepare()
}

/** Whether an authority's certificate leads to one of these roots. */
function isBelow(ca: X509Ca, roots: readonly X509Authority[], clock: Clock): boolean {
  try {
    verifyChain({
      chain: [ca.certificate, ...ca.upstreamChain.slice(1)].map(parseCertificate),
      roots: roots.map(({ certificate }) => parseCertificate(certificate)),
      now: clock.now(),
    })
    return true
  } catch (error) {
    if (error instanceof X509Error) return false
    throw error
  }
}

function isDone(error: unknown): boolean {
  return (
    isSpiffeError(error, 'ERR_BUNDLE_AUTHORITY_TAINTED') ||
    isSpiffeError(error, 'ERR_BUNDLE_AUTHORITY_NOT_FOUND')
  )
}

import type { Clock } from '@mini-spire/runtime/clock'
import {
  type GrpcChannel,
  openSvidChannel,
  type SvidChannelOptions,
} from '@mini-spire/runtime/grpc/client'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { verifyServerChain } from './server-identity.ts'

/** A channel to the server, and whether that is still trusted. */
export interface ServerLink {
  readonly channel: GrpcChannel
  /** Whether what the server showed when it was last connected to leads to a root of the bundle as it is now. */
  readonly isTrusted: () => boolean
}

/** Options of {@link openServerLink}. */
export interface ServerLinkOptions extends Omit<SvidChannelOptions, 'verifyServer'> {
  readonly trustDomain: TrustDomain
  /** The roots of the own trust domain, DER, as they are when asked. */
  readonly roots: () => readonly Uint8Array[]
  readonly clock: Clock
}

/**
 * Opens a channel to the server of our trust domain. A connection outlives what it was checked with, so it can be asked whether it would
 * be let in today. Only the roots count then: a certificate that has expired since is no reason to leave, for the server shows a new one
 * to every new connection, and has been who it was from the first.
 */
export function openServerLink(options: ServerLinkOptions): ServerLink {
  const { trustDomain, roots, clock } = options
  let shown: { readonly chain: readonly Uint8Array[]; readonly now: Date } | undefined
  const verify = (chain: readonly Uint8Array[], now: Date): void =>
    verifyServerChain(chain, { trustDomain, roots: roots(), now })
  const channel = openSvidChannel({
    ...options,
    verifyServer: (chain) => {
      const now = clock.now()
      verify(chain, now)
      shown = { chain, now }
    },
  })
  const isTrusted = (): boolean => {
    if (!shown) return true
    try {
      verify(shown.chain, shown.now)
      return true
    } catch (error) {
      if (isSpiffeError(error)) return false
      throw error
    }
  }
  return { channel, isTrusted }
}

import { openSocket } from '@mini-spire/runtime/cli/socket'
import { createClient, GrpcError } from '@mini-spire/runtime/grpc/client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { messageOf } from '@mini-spire/sdk/errors'
import { GrpcStatus } from '@mini-spire/sdk/grpc-status'
import type { TokenKey } from '../oidc/published-keys.ts'
import { tokenKeysOf } from '../oidc/token-keys.ts'
import type { KeySource } from './key-poller.ts'

const mask = {
  x509Authorities: false,
  jwtAuthorities: true,
  witAuthorities: false,
  refreshHint: false,
  sequenceNumber: false,
}

/** The keys of a server's own bundle, over its socket. */
export class ServerApiSource implements KeySource {
  readonly #target: string
  readonly #log: Logger

  /** @param target as gRPC names a socket: `unix:///path`, `unix:path` */
  constructor(target: string, log: Logger) {
    this.#target = target
    this.#log = log
  }

  async fetch(signal: AbortSignal): Promise<readonly TokenKey[] | undefined> {
    try {
      using channel = await openSocket(socketPath(this.#target), 'plain')
      const client = createClient(BundleService, channel)
      const { jwtAuthorities } = await client.getBundle({ outputMask: mask }, { signal })
      const encoded = jwtAuthorities.map(({ keyId, publicKey, expiresAt }) => ({
        keyId,
        publicKey,
        expiresAtSeconds: Number(expiresAt),
      }))
      return tokenKeysOf(encoded, this.#log)
    } catch (error) {
      this.#log.warn('Failed to fetch bundle', { error: messageOf(error) })
      return undefined
    }
  }
}

function socketPath(target: string): string {
  const path = target.slice('unix:'.length)
  if (!path.startsWith('//')) return path
  const [authority = '', ...rest] = path.slice(2).split('/')
  if (authority === '') return `/${rest.join('/')}`
  const statusMessage = `invalid (non-empty) authority: ${authority}`
  throw new GrpcError({ statusCode: GrpcStatus.Unavailable, statusMessage })
}

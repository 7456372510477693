import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { formatRfc3339 } from '@mini-spire/runtime/cli/time'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain, ttlSeconds } from '@mini-spire/runtime/cli/values'
import { writeOutputFile } from '@mini-spire/runtime/cli/write-files'
import { systemClock } from '@mini-spire/runtime/clock'
import { stringifyGoJson } from '@mini-spire/runtime/go-json'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import type { WITSVID } from '@mini-spire/runtime/proto/spire/api/types/witsvid'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { serverCommand } from '../server-command.ts'

/** `wit mint`: the key is made here, and does not leave this machine. */
export const command: AnyCommand = serverCommand({
  name: 'wit mint',
  flags: {
    spiffeID: { type: 'string', usage: 'SPIFFE ID of the WIT-SVID' },
    keyType: { type: 'string', usage: 'Key type of the WIT-SVID', value: 'ec-p256' },
    signingAlgorithm: {
      type: 'string',
      usage: 'Signing algorithm for the workload signing key',
      value: 'ES256',
    },
    ttl: { type: 'duration', usage: 'TTL of the WIT-SVID' },
    write: { type: 'string', usage: 'Directory to write output to instead of stdout' },
    output: { type: 'output', usage: 'Desired output format (pretty, json); default: pretty.' },
  },
  async run({ flags, terminal, client }) {
    if (flags.spiffeID === '') throw new CommandError('spiffeID must be specified')
    const { trustDomain, path } = SpiffeId.parse(flags.spiffeID)
    const ttl = ttlSeconds(flags.ttl)
    const { privateKey, publicKey } = generateKey(flags.keyType, flags.signingAlgorithm)
    const svids = await explain('unable to mint SVID: ', client(SVIDService))
    const { svid } = await explain(
      'unable to mint SVID: ',
      svids.mintWitsvid({
        id: { trustDomain: trustDomain.name, path },
        publicKey: publicKey.export({ format: 'der', type: 'spki' }),
        signingAlgorithm: flags.signingAlgorithm,
        ttl,
      }),
    )
    if (!svid || svid.token === '') throw new CommandError('server response missing token')
    warnWhenCapped(svid.expiresAt, flags.ttl, terminal)
    const key = privateJwk(privateKey)
    if (flags.write !== '') await writeFiles(svid.token, key, flags.write, terminal)
    else terminal.out(flags.output === 'json' ? json(svid, key) : `${svid.token}\n${key}\n`)
    return 0
  },
})

function generateKey(
  keyType: string,
  algorithm: string,
): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (/^[RP]S(256|384|512)$/.test(algorithm)) {
    if (keyType === 'rsa-2048') return generateKeyPairSync('rsa', { modulusLength: 2048 })
    if (keyType === 'rsa-4096') return generateKeyPairSync('rsa', { modulusLength: 4096 })
    throw new CommandError(`unsupported key type '${keyType}' for signing algorithm '${algorithm}'`)
  }
  if (algorithm !== 'ES256' && algorithm !== 'ES384')
    throw new CommandError(`unsupported signing algorithm: ${algorithm}`)
  const curve = algorithm === 'ES256' ? '256' : '384'
  if (keyType !== `ec-p${curve}`)
    throw new CommandError(`unsupported key type '${keyType}' for '${algorithm}' signing algorithm`)
  return generateKeyPairSync('ec', { namedCurve: `P-${curve}` })
}

/** The key as JSON, members in the order in which SPIRE writes them. */
function privateJwk(key: KeyObject): string {
  const { kty, crv, x, y, n, e, d, p, q, dp, dq, qi } = key.export({ format: 'jwk' })
  return JSON.stringify({ kty, crv, x, y, n, e, d, p, q, dp, dq, qi })
}

function warnWhenCapped(expiresAt: bigint, ttl: bigint, terminal: Terminal): void {
  const leftMs = expiresAt * 1000n - BigInt(systemClock.nowMs())
  if (leftMs * 1_000_000n >= ttl) return
  terminal.err(
    `WIT-SVID lifetime was capped shorter than specified ttl; expires "${formatRfc3339(Number(expiresAt))}"\n`,
  )
}

function json({ token, id, expiresAt, issuedAt }: WITSVID, key: string): string {
  return `${stringifyGoJson({
    private_key: key,
    svid: {
      token,
      id: { trust_domain: id?.trustDomain ?? '', path: id?.path ?? '' },
      expires_at: Number(expiresAt),
      issued_at: Number(issuedAt),
    },
  })}\n`
}

async function writeFiles(
  token: string,
  key: string,
  folder: string,
  terminal: Terminal,
): Promise<void> {
  const tokenPath = join(folder, 'token')
  await writeOutputFile({ path: tokenPath, content: token, isPrivate: true }, 'token')
  terminal.out(`WIT-SVID written to ${tokenPath}\n`)
  const keyPath = join(folder, 'key')
  await writeOutputFile({ path: keyPath, content: key, isPrivate: true }, 'key')
  terminal.out(`Private key written to ${keyPath}\n`)
}

import { generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import type { Terminal } from '@mini-spire/runtime/cli/terminal'
import { formatRfc3339 } from '@mini-spire/runtime/cli/time'
import { CommandError } from '@mini-spire/runtime/cli/usage-error'
import { explain, ttlSeconds } from '@mini-spire/runtime/cli/values'
import { writeOutputFile } from '@mini-spire/runtime/cli/write-files'
import { systemClock } from '@mini-spire/runtime/clock'
import { stringifyGoJson } from '@mini-spire/runtime/go-json'
import { quoteGo } from '@mini-spire/runtime/go-quote'
import { BundleService } from '@mini-spire/runtime/proto/spire/api/server/bundle/v1/bundle'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { pemEncode } from '@mini-spire/sdk/x509'
import { serverCommand } from '../server-command.ts'

interface Minted {
  readonly chain: readonly Uint8Array[]
  /** PKCS#8, DER. */
  readonly privateKey: Uint8Array
  readonly roots: readonly Uint8Array[]
}

/** `x509 mint`: the key is made here, and does not leave this machine. */
export const command: AnyCommand = serverCommand({
  name: 'x509 mint',
  flags: {
    spiffeID: { type: 'string', usage: 'SPIFFE ID of the X509-SVID' },
    ttl: { type: 'duration', usage: 'TTL of the X509-SVID' },
    dns: {
      type: 'strings',
      usage: 'DNS name that will be included in SVID. Can be used more than once.',
    },
    write: { type: 'string', usage: 'Directory to write output to instead of stdout' },
    output: { type: 'output', usage: 'Desired output format (pretty, json); default: pretty.' },
  },
  async run({ flags, terminal, client }) {
    if (flags.spiffeID === '') throw new CommandError('spiffeID must be specified')
    const id = SpiffeId.parse(flags.spiffeID)
    const ttl = ttlSeconds(flags.ttl)
    const odd = flags.dns.find((name) => /[^\0-\x7f]/.test(name))
    if (odd !== undefined)
      throw new CommandError(
        `unable to generate CSR: x509: ${quoteGo(odd)} cannot be encoded as an IA5String`,
      )
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const csr = await buildCsr({
      key: privateKey,
      uriSan: id.toString(),
      dnsNames: flags.dns,
    })
    const svids = await explain('unable to mint SVID: ', client(SVIDService))
    const { svid } = await explain('unable to mint SVID: ', svids.mintX509Svid({ csr, ttl }))
    if (!svid || svid.certChain.length === 0) {
      throw new CommandError('server response missing SVID chain')
    }
    const bundles = await client(BundleService)
    const bundle = await explain(
      'unable to get bundle: ',
      bundles.getBundle({ outputMask: undefined }),
    )
    if (bundle.x509Authorities.length === 0) {
      throw new CommandError('server response missing X509 Authorities')
    }
    warnWhenCapped(svid.expiresAt, flags.ttl, terminal)
    const minted: Minted = {
      chain: svid.certChain,
      privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }),
      roots: bundle.x509Authorities.map(({ asn1 }) => asn1),
    }
    if (flags.write !== '') await writeFiles(minted, flags.write, terminal)
    else terminal.out(flags.output === 'json' ? json(minted) : pretty(minted))
    return 0
  },
})

function warnWhenCapped(expiresAt: bigint, ttl: bigint, terminal: Terminal): void {
  const leftMs = expiresAt * 1000n - BigInt(systemClock.nowMs())
  if (leftMs * 1_000_000n >= ttl) return
  terminal.err(
    `X509-SVID lifetime was capped shorter than specified ttl; expires "${formatRfc3339(Number(expiresAt))}"\n`,
  )
}

function certificates(chain: readonly Uint8Array[]): string {
  return chain.map((der) => pemEncode('CERTIFICATE', der)).join('')
}

function pretty({ chain, privateKey, roots }: Minted): string {
  return (
    `X509-SVID:\n${certificates(chain)}\n` +
    `Private key:\n${pemEncode('PRIVATE KEY', privateKey)}\n` +
    `Root CAs:\n${certificates(roots)}\n`
  )
}

function json({ chain, privateKey, roots }: Minted): string {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return `${stringifyGoJson({
    x509_svid: chain.map(base64),
    private_key: base64(privateKey),
    root_cas: roots.map(base64),
  })}\n`
}

async function writeFiles(minted: Minted, folder: string, terminal: Terminal): Promise<void> {
  const { chain, privateKey, roots } = minted
  const svid = { path: join(folder, 'svid.pem'), content: certificates(chain), isPrivate: false }
  await writeOutputFile(svid, 'SVID')
  terminal.out(`X509-SVID written to ${svid.path}\n`)
  const key = {
    path: join(folder, 'key.pem'),
    content: pemEncode('PRIVATE KEY', privateKey),
    isPrivate: true,
  }
  await writeOutputFile(key, 'key')
  terminal.out(`Private key written to ${key.path}\n`)
  const bundle = {
    path: join(folder, 'bundle.pem'),
    content: certificates(roots),
    isPrivate: false,
  }
  await writeOutputFile(bundle, 'bundle')
  terminal.out(`Root CAs written to ${bundle.path}\n`)
}

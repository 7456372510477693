import { readFile } from 'node:fs/promises'
import { messageOf } from '@mini-spire/sdk/errors'
import type { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { pemDecode } from '@mini-spire/sdk/x509'
import type { BootstrapSource } from '../config/resolved-config.ts'
import type { BootstrapState } from './bootstrap-state.ts'
import { NodeAttestationError } from './node-attestation-error.ts'

/** What the first connection to a server is checked with. */
export type BootstrapTrust =
  | { readonly kind: 'roots'; readonly roots: readonly Uint8Array[] }
  | { readonly kind: 'insecure' }

/** What {@link loadBootstrapTrust} may use of the outside. */
export interface BootstrapAccess {
  /** Gets a document, over a Unix socket when one is named; throws for any status but 200. */
  readonly download: (
    url: string,
    options: { readonly unixSocket: string | undefined; readonly signal: AbortSignal },
  ) => Promise<string>
  /** Root certificates (DER) of a trust domain, from another agent's Workload API. */
  readonly fetchRoots: (address: string, signal: AbortSignal) => Promise<readonly Uint8Array[]>
  /** Root certificates (DER) in a SPIFFE bundle document. */
  readonly parseSpiffeBundle: (text: string) => readonly Uint8Array[]
}

/** Options of {@link loadBootstrapTrust}. */
export interface BootstrapOptions {
  readonly source: BootstrapSource
  readonly state: BootstrapState
  readonly access: BootstrapAccess
  readonly trustDomain: TrustDomain
  readonly server: { readonly address: string; readonly port: number }
  /** Ends the waiting for a source. */
  readonly signal: AbortSignal
}

/**
 * Asks the configured source for root certificates, anew at each attempt.
 *
 * @throws {NodeAttestationError} `ERR_BOOTSTRAP_BUNDLE` when it has none that can be used
 */
export async function loadBootstrapTrust(options: BootstrapOptions): Promise<BootstrapTrust> {
  const { source, state } = options
  await state.begin()
  if (source.kind === 'insecure') return { kind: 'insecure' }
  const roots = await loadRoots(source, options).catch((error: unknown) => {
    if (error instanceof NodeAttestationError) throw error
    throw new NodeAttestationError('ERR_BOOTSTRAP_BUNDLE', messageOf(error), { cause: error })
  })
  if (roots.length === 0) {
    throw new NodeAttestationError('ERR_BOOTSTRAP_BUNDLE', 'no certificates found in trust bundle')
  }
  return { kind: 'roots', roots }
}

async function loadRoots(
  source: Exclude<BootstrapSource, { kind: 'insecure' }>,
  options: BootstrapOptions,
): Promise<readonly Uint8Array[]> {
  const { access, signal } = options
  switch (source.kind) {
    case 'workload-api':
      return await access.fetchRoots(source.address, signal)
    case 'url': {
      const { unixSocket, format } = source
      const url = unixSocket ? await describedUrl(source.url, options) : source.url
      return parseRoots(await access.download(url, { unixSocket, signal }), format, access)
    }
    case 'file':
      return parseRoots(await readBundleFile(source.path), source.format, access)
    default:
      return source satisfies never
  }
}

async function readBundleFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new NodeAttestationError(
      'ERR_BOOTSTRAP_BUNDLE',
      `could not parse trust bundle: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

function parseRoots(
  text: string,
  format: 'pem' | 'spiffe',
  access: BootstrapAccess,
): readonly Uint8Array[] {
  if (format === 'pem') return pemDecode(text, 'CERTIFICATE')
  try {
    return access.parseSpiffeBundle(text)
  } catch (error) {
    throw new NodeAttestationError(
      'ERR_BOOTSTRAP_BUNDLE',
      `unable to parse SPIFFE trust bundle: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

/** A local helper on a Unix socket is told what it is asked for. */
async function describedUrl(url: string, options: BootstrapOptions): Promise<string> {
  const { state, server, trustDomain } = options
  const described = new URL(url)
  const parameters: Record<string, string> = {
    'spiffe-trust-domain': trustDomain.name,
    'spire-attest-mode': state.isRebootstrap ? 'rebootstrap' : 'bootstrap',
    'spire-attest-start-time': withoutFraction(await state.startTime()),
    'spire-connection-attempts': String(state.attempts),
    'spire-server-address': server.address,
    'spire-server-port': String(server.port),
  }
  for (const [name, value] of Object.entries(parameters)) described.searchParams.set(name, value)
  described.searchParams.sort()
  return described.toString()
}

function withoutFraction(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z')
}

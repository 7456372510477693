import { generateKeyPairSync } from 'node:crypto'
import type { ContractTools } from '@mini-spire/runtime/tools.contract'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { SpiffeError } from '@mini-spire/sdk/errors'
import { parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import type { JwtAuthority } from '../../model/trust-bundle.ts'
import type { UpstreamAuthority } from './upstream-authority.ts'

/** An upstream authority that answers, and what time it is there. */
export interface OpenedAuthority {
  readonly authority: UpstreamAuthority
  readonly now: Date
}

const preferredTtlSeconds = 600
const timeoutMs = 60_000

/** What every upstream authority does. `open` makes one that signs for the trust domain `example.org`. */
export function upstreamAuthorityContract(
  { describe, it, expect }: ContractTools,
  name: string,
  open: () => Promise<OpenedAuthority>,
): void {
  const signal = (): AbortSignal => new AbortController().signal
  const isUnimplemented = (error: unknown): boolean =>
    error instanceof SpiffeError && error.kind === 'unimplemented'

  describe(`upstream authority ${name}`, () => {
    it(
      'signs a CA of the key that asks, which leads to a root',
      async () => {
        const { authority, now } = await open()
        expect(authority.name).toBe(name)
        const { csr, publicKey } = await request()
        const minted = await authority.mintX509Ca({ csr, preferredTtlSeconds }, signal())
        const chain = minted.chain.map(parseCertificate)
        const roots = minted.roots.map(({ certificate }) => parseCertificate(certificate))
        verifyChain({ chain, roots, now })
        const [own] = chain
        expect(own?.isCa).toBe(true)
        expect(own?.uriSans).toEqual(['spiffe://example.org'])
        expect(publicKey.equals(own?.spki ?? Buffer.of())).toBe(true)
        expect(own && own.notAfter > now).toBe(true)
        expect(minted.roots.every(({ tainted }) => !tainted)).toBe(true)
        const serials = roots.map(({ serialNumber }) => serialNumber)
        for (const { serialNumber } of chain) expect(serials).not.toContain(serialNumber)
      },
      timeoutMs,
    )

    it(
      'signs anew each time',
      async () => {
        const { authority } = await open()
        const { csr } = await request()
        const serial = async (): Promise<string> => {
          const { chain } = await authority.mintX509Ca({ csr, preferredTtlSeconds }, signal())
          return parseCertificate(chain[0] ?? Buffer.of()).serialNumber
        }
        expect(await serial()).not.toBe(await serial())
      },
      timeoutMs,
    )

    it(
      'signs nothing that is no request, or is not of who holds the key',
      async () => {
        const { authority } = await open()
        const { csr } = await request()
        const changed = Buffer.from(csr)
        changed[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1
        for (const wrong of [
          Buffer.of(),
          Buffer.from('no request'),
          csr.subarray(0, -8),
          changed,
        ]) {
          const minting = authority.mintX509Ca({ csr: wrong, preferredTtlSeconds }, signal())
          await expect(minting).rejects.toThrow()
        }
      },
      timeoutMs,
    )

    it(
      'publishes a JWT authority, or says that it cannot',
      async () => {
        const { authority } = await open()
        const key = jwtAuthority()
        const published = await authority.publishJwtKey(key, signal()).catch((error: unknown) => {
          if (!isUnimplemented(error)) throw error
        })
        if (published) expect(published.keys.map(({ keyId }) => keyId)).toContain(key.keyId)
      },
      timeoutMs,
    )

    it(
      'tells its bundle until it is told to stop, or says that it cannot',
      async () => {
        const { authority } = await open()
        const stopping = new AbortController()
        try {
          for await (const { roots } of authority.subscribeToLocalBundle(stopping.signal)) {
            expect(roots.length).toBeGreaterThan(0)
            stopping.abort()
          }
          expect(stopping.signal.aborted).toBe(true)
        } catch (error) {
          if (!isUnimplemented(error)) throw error
        }
      },
      timeoutMs,
    )

    it(
      'has no updates of a call that was given up',
      async () => {
        const { authority } = await open()
        const { csr } = await request()
        const stopping = new AbortController()
        const minted = await authority.mintX509Ca({ csr, preferredTtlSeconds }, stopping.signal)
        stopping.abort()
        const updates: unknown[] = []
        const follow = async (): Promise<void> => {
          for await (const roots of minted.rootUpdates) updates.push(roots)
        }
        // It may end with an error or without one, but it ends.
        await follow().catch(() => {})
        expect(updates).toEqual([])
      },
      timeoutMs,
    )

    it(
      'can be let go of twice',
      async () => {
        const { authority } = await open()
        await authority[Symbol.asyncDispose]()
        await authority[Symbol.asyncDispose]()
      },
      timeoutMs,
    )
  })
}

async function request(): Promise<{ readonly csr: Uint8Array; readonly publicKey: Buffer }> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = { country: ['US'], organization: ['SPIFFE'] }
  const csr = await buildCsr({ key: privateKey, subject, uriSan: 'spiffe://example.org' })
  return { csr, publicKey: publicKey.export({ type: 'spki', format: 'der' }) }
}

function jwtAuthority(): JwtAuthority {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    keyId: 'contract-key',
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    expiresAtSeconds: Math.floor(Date.now() / 1000) + 3600,
    tainted: false,
  }
}

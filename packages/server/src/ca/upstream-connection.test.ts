import type { Clock } from '@mini-spire/runtime/clock'
import { encodeName } from '@mini-spire/runtime/x509/name'
import { SerialNumbers } from '@mini-spire/runtime/x509/serial-number'
import { X509Bundle } from '@mini-spire/sdk/bundle'
import { TestCa } from '@mini-spire/sdk/testing'
import { parseCertificate, parsePublicKey } from '@mini-spire/sdk/x509'
import { verifyX509Svid } from '@mini-spire/sdk/x509-svid'
import { describe, expect, it } from 'vitest'
import { FakeUpstreamAuthority } from '../plugins/upstream-authority/upstream-authority.test-kit.ts'
import type { AuthorityManager } from './authority-manager.ts'
import { TestState } from './ca.test-kit.ts'
import { signX509Svid } from './sign-x509-svid.ts'
import { UpstreamConnection } from './upstream-connection.ts'

const hourMs = 3_600_000

/** A server below a fake upstream authority. */
class Below {
  readonly state = new TestState()
  readonly upstream = new FakeUpstreamAuthority(this.state.clock)
  readonly connection: UpstreamConnection
  readonly manager: AuthorityManager
  readonly #ending = new AbortController()

  constructor(clock: Clock = this.#stateClock()) {
    const { state, upstream } = this
    this.connection = new UpstreamConnection({
      plugin: upstream,
      trustDomain: state.trustDomain,
      subject: { country: ['US'], organization: ['SPIFFE'] },
      ttlSeconds: 24 * 3600,
      bundle: state.bundle(),
      clock,
      log: state.log,
      chance: () => 0.5,
    })
    const { x509Issuer, publishJwtAuthority } = this.connection
    this.manager = state.manager({ x509Issuer, publishJwtAuthority })
  }

  #stateClock(): Clock {
    return this.state.clock
  }

  run(): void {
    void this.connection.run(this.manager, this.#ending.signal)
  }

  async end(): Promise<void> {
    this.#ending.abort()
    await this.connection[Symbol.asyncDispose]()
  }

  get bundle() {
    const bundle = this.state.bundle().get()
    if (!bundle) throw new Error('no bundle')
    return bundle
  }

  /** Lets what is under way go on until something holds; some of it is in other threads. */
  async until(holds: () => boolean): Promise<void> {
    for (let turn = 0; turn < 100_000 && !holds(); turn++)
      await new Promise((resolve) => setImmediate(resolve))
    expect(holds()).toBe(true)
  }

  /** The tainted marks of the bundle's X.509 authorities. */
  get marks(): readonly boolean[] {
    return this.bundle.x509Authorities.map(({ tainted }) => tainted)
  }

  hasLogged(message: string): boolean {
    return this.state.log.messages.includes(message)
  }
}

describe('a server below an upstream authority', () => {
  it('refuses a CA that does not lead to the roots that came with it, and its bundle stays', async () => {
    const below = new Below()
    const stranger = TestCa.create('example.org', { now: () => below.state.clock.now() })
    const mint = below.upstream.mintX509Ca.bind(below.upstream)
    below.upstream.mintX509Ca = async (request) => ({
      ...(await mint(request)),
      roots: [{ certificate: stranger.certificate.raw, tainted: false }],
    })
    await expect(below.manager.start()).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_CA_INVALID',
      message: expect.stringMatching(
        /^X509 CA minted by upstream authority is invalid: X509 CA produced an invalid X509-SVID chain: /,
      ),
    })
    expect(below.state.bundle().get()).toBeUndefined()
  })

  it('refuses a certificate for another key, for another trust domain, and a leaf', async () => {
    for (const wrong of [
      { uris: ['spiffe://other.org'], isCa: true },
      { uris: ['spiffe://example.org'], isCa: true },
      { uris: ['spiffe://example.org'], isCa: false, keyUsage: ['digitalSignature'] as const },
    ]) {
      const below = new Below()
      const [root] = below.upstream.cas
      const chain = root?.createIntermediate(wrong).certificate.raw
      const mint = below.upstream.mintX509Ca.bind(below.upstream)
      below.upstream.mintX509Ca = async (request) => ({
        ...(await mint(request)),
        chain: chain ? [chain] : [],
      })
      await expect(below.manager.start()).rejects.toMatchObject({
        code: 'ERR_UPSTREAM_CA_INVALID',
      })
    }
  })

  it('says which plugin failed, and starts no signing', async () => {
    const below = new Below()
    below.upstream.beforeAnswer = () => {
      throw new Error('out of order')
    }
    await expect(below.manager.start()).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_CALL',
      message: 'upstreamauthority(fake): out of order',
    })
    expect(() => below.manager.x509()).toThrow('X509 CA is not available for signing')
  })

  it('has the roots above in its bundle and not its own CA, which signs chains that lead there', async () => {
    const below = new Below()
    await below.manager.start()
    const ca = below.manager.x509()
    const [root] = below.upstream.cas
    expect(below.bundle.x509Authorities).toEqual(below.upstream.roots)
    expect(ca.upstreamAuthorityId).toBe(
      Buffer.from(root?.certificate.subjectKeyId ?? []).toString('hex'),
    )
    expect(ca.upstreamChain[0]).toEqual(ca.certificate)
    expect(below.upstream.minted[0]?.preferredTtlSeconds).toBe(24 * 3600)
    const prepared = below.state.log.lines.find(({ message }) => message === 'X509 CA prepared')
    expect(prepared?.fields).toMatchObject({
      self_signed: false,
      upstream_authority_id: ca.upstreamAuthorityId,
    })
  })

  it('keeps its CA across a restart, whatever became of the roots', async () => {
    const below = new Below()
    await below.manager.start()
    const before = below.manager.x509().authorityId
    const { x509Issuer } = below.connection
    const again = below.state.manager({ x509Issuer })
    await again.start()
    expect(again.x509().authorityId).toBe(before)
    expect(below.upstream.minted).toHaveLength(1)
  })

  it('takes up a new root at the next preparation, and keeps the old one', async () => {
    const below = new Below()
    await below.manager.start()
    below.upstream.rotate()
    below.state.clock.advance(13 * hourMs)
    await below.manager.tick()
    expect(below.bundle.x509Authorities).toEqual(below.upstream.roots)
  })

  it('publishes JWT authorities above and takes over all that are there', async () => {
    const below = new Below()
    const other = { keyId: 'other', publicKey: Buffer.of(1), expiresAtSeconds: 9, tainted: false }
    below.upstream.keys = [other]
    await below.manager.start()
    const own = below.manager.jwt().keyId
    expect(below.upstream.keys.map(({ keyId }) => keyId)).toEqual(['other', own])
    expect(below.bundle.jwtAuthorities.map(({ keyId }) => keyId)).toEqual(['other', own])
  })

  it('keeps JWT authorities to itself when they cannot be published, and says so once', async () => {
    const below = new Below()
    await below.manager.start()
    await below.manager.local.prepareJwt()
    expect(below.bundle.jwtAuthorities).toHaveLength(2)
    const warnings = below.state.log.lines.filter(({ message }) =>
      message.startsWith('UpstreamAuthority plugin does not support JWT-SVIDs.'),
    )
    expect(warnings.map(({ fields }) => fields)).toEqual([{ plugin_name: 'fake' }])
  })

  it('waits for publishing no longer than five seconds', async () => {
    const below = new Below()
    below.upstream.keys = []
    await below.manager.start()
    below.upstream.beforeAnswer = () => {
      below.state.clock.advance(5000)
      return new Promise(() => {})
    }
    await expect(below.manager.local.prepareJwt()).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_TIMEOUT',
      message: 'context deadline exceeded',
    })
  })

  it('asks five seconds after the start for the bundle above, and follows it', async () => {
    const below = new Below()
    below.upstream.keys = []
    await below.manager.start()
    below.run()
    below.upstream.rotate()
    expect(below.marks).toHaveLength(1)
    below.state.clock.advance(5000)
    await below.until(() => below.marks.length === 2)
    below.upstream.rotate()
    below.upstream.push()
    await below.until(() => below.marks.length === 3)
    await below.end()
    expect(below.upstream.isDisposed).toBe(true)
  })

  it('tries again when following fails', async () => {
    const below = new Below()
    below.upstream.keys = []
    await below.manager.start()
    below.run()
    below.upstream.beforeAnswer = () => {
      below.upstream.beforeAnswer = () => {}
      throw new Error('not now')
    }
    below.upstream.rotate()
    below.state.clock.advance(5000)
    const failed = 'Failed to follow the bundle of the upstream authority; trying again'
    await below.until(() => below.hasLogged(failed) && below.state.clock.timerCount > 0)
    below.state.clock.advance(5000)
    await below.until(() => below.marks.length === 2)
    await below.end()
  })
})

describe('a root above that is tainted', () => {
  async function following(): Promise<Below> {
    const below = new Below()
    below.upstream.keys = []
    await below.manager.start()
    below.run()
    below.state.clock.advance(5000)
    await below.until(() => below.upstream.followers > 0)
    return below
  }

  it('is left before it is marked', async () => {
    const below = await following()
    const before = below.manager.x509()
    const [old] = below.upstream.cas
    const fresh = below.upstream.rotate()
    if (old) below.upstream.taint(old)
    const marked: string[] = []
    below.state.beforeCommit = ([transaction]) => {
      marked.push(`${transaction?.cause.reason}: ${below.manager.x509().authorityId}`)
    }
    below.upstream.push()
    await below.until(() => below.marks.includes(true))
    const after = below.manager.x509()
    expect(after.authorityId).not.toBe(before.authorityId)
    expect(after.upstreamAuthorityId).toBe(
      Buffer.from(fresh.certificate.subjectKeyId ?? []).toString('hex'),
    )
    expect(marked.at(-1)).toBe(`upstream authority tainted: ${after.authorityId}`)
    expect(below.marks).toEqual([true, false])
    expect(below.state.log.messages).toEqual(
      expect.arrayContaining([
        'X.509 authority tainted',
        'Current root CA is signed by a tainted upstream authority, preparing rotation',
      ]),
    )
    await below.end()
  })

  it('that signed nothing here is only marked', async () => {
    const below = await following()
    below.upstream.rotate()
    below.upstream.push()
    await below.until(() => below.marks.length === 2)
    const before = below.manager.x509().authorityId
    const unused = below.upstream.cas.at(-1)
    if (unused) below.upstream.taint(unused)
    below.upstream.push()
    await below.until(() => below.marks.includes(true))
    expect(below.marks).toEqual([false, true])
    expect(below.manager.x509().authorityId).toBe(before)
    await below.end()
  })

  it('is left in the end when no new CA could be had at first', async () => {
    const below = await following()
    const before = below.manager.x509().authorityId
    const [old] = below.upstream.cas
    below.upstream.rotate()
    if (old) below.upstream.taint(old)
    let failures = 0
    below.upstream.beforeAnswer = () => {
      if (failures++ < 20) throw new Error('not yet')
    }
    below.upstream.push()
    for (let tries = 1; tries <= 20; tries++) {
      await below.until(() => failures === tries && below.state.clock.timerCount > 0)
      expect(below.manager.x509().authorityId).toBe(before)
      expect(below.marks).toEqual([false, false])
      below.state.clock.advance(70_000)
    }
    await below.until(() => below.marks.includes(true))
    expect(below.manager.x509().authorityId).not.toBe(before)
    expect(below.marks).toEqual([true, false])
    await below.end()
  })

  it('is gone when it is gone above; one that is untainted stays', async () => {
    const below = await following()
    const [old] = below.upstream.cas
    const extra = below.upstream.rotate()
    below.upstream.rotate()
    if (old) below.upstream.taint(old)
    below.upstream.push()
    await below.until(() => below.marks.includes(true))
    if (old) below.upstream.revoke(old)
    below.upstream.revoke(extra)
    below.upstream.push()
    await below.until(() => below.hasLogged('X.509 authority revoked'))
    const left = below.bundle.x509Authorities.map(({ certificate }) => certificate)
    expect(left.map((der) => Buffer.from(der).toString('hex'))).toEqual(
      [extra, ...below.upstream.cas].map(({ certificate }) =>
        Buffer.from(certificate.raw).toString('hex'),
      ),
    )
    const ca = below.manager.x509()
    const roots = new X509Bundle(below.state.trustDomain, left.map(parseCertificate))
    const { chain } = await signX509Svid(ca, {
      spiffeId: 'spiffe://example.org/w',
      publicKey: parsePublicKey(ca.key.publicKey),
      subject: encodeName({ organization: ['SPIRE'] }),
      dnsNames: [],
      ttlSeconds: 3600,
      nowMs: below.state.clock.nowMs(),
      serialNumbers: new SerialNumbers(),
    })
    expect(String(verifyX509Svid(chain, roots, { now: below.state.clock.now() }))).toBe(
      'spiffe://example.org/w',
    )
    await below.end()
  })
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { Daemon, freePort, ours, Scene } from '../kit/processes.ts'
import { root } from '../kit/repository.ts'

const relyingParty = join(root, 'test/interop/oidc/relying-party.mjs')
const spiffeId = 'spiffe://example.org/workload'
const keyTypes = ['ec-p256', 'ec-p384', 'rsa-2048'] as const

/** A server, and its discovery: its own, and that of the provider program beside it. */
class Issuer {
  readonly #scene = new Scene()
  #root = ''
  server!: ServerDeployment
  builtIn = ''
  program = ''

  async start(keyType: (typeof keyTypes)[number], way: 'built in' | 'program'): Promise<string> {
    const scene = this.#scene
    const { cert, key, root } = await issue('localhost')
    this.#root = scene.path('root.pem')
    writeFileSync(this.#root, root)
    writeFileSync(scene.path('cert.pem'), cert)
    writeFileSync(scene.path('cert.key'), key)
    const port = await freePort()
    const issuer = `https://localhost:${port}`
    const files = `serving_cert_file { cert_file_path = "${scene.path('cert.pem')}" key_file_path = "${scene.path('cert.key')}"`
    const builtIn = `oidc_discovery { address = "127.0.0.1" port = ${port} ${files} } }`
    this.server = await ServerDeployment.start(scene, {
      settings: `jwt_issuer = "${issuer}" jwt_key_type = "${keyType}" ${way === 'built in' ? builtIn : ''}`,
    })
    if (way === 'program') {
      writeFileSync(
        scene.path('oidc.conf'),
        `log_level = "debug" domains = ["localhost"] health_checks { bind_port = ${await freePort()} }
        server_api { address = "unix://${this.server.socket}" poll_interval = "50ms" }
        ${files} addr = "127.0.0.1:${port}" }`,
      )
      const provider = scene.start(ours.oidcProvider, ['-config', scene.path('oidc.conf')])
      await provider.waitFor('Serving HTTPS')
    }
    return issuer
  }

  mint(audience: string): string {
    return this.server.must('jwt', 'mint', '-spiffeID', spiffeId, '-audience', audience).trim()
  }

  /** What the relying party makes of a token. */
  async verify(issuer: string, audience: string, token: string): Promise<unknown> {
    const program = { command: process.execPath, args: [relyingParty] }
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: this.#root }
    const party = new Daemon(program, [issuer, audience, token], { env })
    await party.ended
    return JSON.parse(party.output)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scene[Symbol.asyncDispose]()
  }
}

describe.each(['built in', 'program'] as const)('openid-client and jose, discovery %s', (way) => {
  it.each(keyTypes)('accept tokens signed with %s', async (keyType) => {
    await using issuer = new Issuer()
    const url = await issuer.start(keyType, way)
    const verified = await verifyWhenKnown(issuer, url, issuer.mint('cloud'))
    expect(verified).toEqual({ subject: spiffeId, kid: expect.any(String) })
  })

  describe('refuse', () => {
    const issuer = new Issuer()
    const foreign = new Issuer()
    let url: string
    beforeAll(async () => {
      url = await issuer.start('ec-p256', way)
      await foreign.start('ec-p256', 'built in')
      await verifyWhenKnown(issuer, url, issuer.mint('cloud'))
    })
    afterAll(async () => {
      await issuer[Symbol.asyncDispose]()
      await foreign[Symbol.asyncDispose]()
    })

    it('a token for somebody else', async () => {
      expect(await issuer.verify(url, 'cloud', issuer.mint('Cloud'))).toMatchObject({
        code: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
      })
    })

    it('a token that was changed', async () => {
      const [header, payload, signature] = issuer.mint('cloud').split('.')
      const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString())
      const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'spiffe://example.org/admin' }))
      const token = `${header}.${changed.toString('base64url')}.${signature}`
      expect(await issuer.verify(url, 'cloud', token)).toMatchObject({
        code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
      })
    })

    it('a token of another issuer', async () => {
      expect(await issuer.verify(url, 'cloud', foreign.mint('cloud'))).toMatchObject({
        code: 'ERR_JWKS_NO_MATCHING_KEY',
      })
    })

    it('a token whose key was revoked', async () => {
      const token = issuer.mint('cloud')
      const ask = (...args: string[]): string =>
        issuer.server.must('localauthority', 'jwt', ...args)
      const former = JSON.parse(ask('show', '-output', 'json')).active.authority_id
      ask('prepare')
      const next = JSON.parse(ask('show', '-output', 'json')).prepared.authority_id
      ask('activate', '-authorityID', next)
      await verifyWhenKnown(issuer, url, issuer.mint('cloud'))
      expect(await issuer.verify(url, 'cloud', token)).toMatchObject({ subject: spiffeId })
      ask('taint', '-authorityID', former)
      ask('revoke', '-authorityID', former)
      const refused = { code: 'ERR_JWKS_NO_MATCHING_KEY' }
      await untilEqual(() => issuer.verify(url, 'cloud', token), refused)
    })

    it('an issuer that is not named as it names itself', async () => {
      expect(await issuer.verify(`${url}/tenant`, 'cloud', issuer.mint('cloud'))).toMatchObject({
        code: expect.stringMatching(/^OAUTH_/),
      })
    })
  })
})

/** Verifies a token; the provider program may not have asked for its key yet. */
async function verifyWhenKnown(issuer: Issuer, url: string, token: string): Promise<unknown> {
  return await untilEqual(() => issuer.verify(url, 'cloud', token), { subject: spiffeId })
}

/** Asks until the answer has these members; each try is a process, which paces the loop. */
async function untilEqual(ask: () => Promise<unknown>, wanted: object): Promise<unknown> {
  let last: unknown
  for (let tries = 0; tries < 20; tries++) {
    last = await ask()
    const seen = last as Readonly<Record<string, unknown>>
    if (Object.entries(wanted).every(([name, value]) => seen[name] === value)) return last
  }
  throw new Error(`not ${JSON.stringify(wanted)}: ${JSON.stringify(last)}`)
}

import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@mini-spire/runtime/clock'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { HttpClient } from '@mini-spire/runtime/http/http-client'
import type { Logger } from '@mini-spire/runtime/log/logger'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import { parseCertificate, verifyChain } from '@mini-spire/sdk/x509'
import { upstreamAuthorityContract } from '@mini-spire/server/plugins/upstream-authority/upstream-authority.contract'
import { VaultUpstreamAuthority } from '@mini-spire/server/plugins/upstream-authority/vault/vault-authority'
import { readVaultConfig } from '@mini-spire/server/plugins/upstream-authority/vault/vault-config'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { FakeVault, type FakeVaultOptions } from '../kit/fake-vault.ts'
import { Scene } from '../kit/processes.ts'

const token = 'token_auth { token = "root-token" }'
const approle = 'approle_auth { approle_id = "role" approle_secret_id = "secret" }'
const signal = new AbortController().signal
let folder: string
let vault: FakeVault
const authorities: VaultUpstreamAuthority[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vault-'))
})
afterEach(async () => {
  for (const authority of authorities.splice(0)) await authority[Symbol.asyncDispose]()
  await vault[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

async function start(options: FakeVaultOptions = {}): Promise<void> {
  vault = new FakeVault(options)
  await vault.start()
  writeFileSync(join(folder, 'ca.pem'), vault.tlsRoot)
}

function open(
  auth: string,
  options: { readonly clock?: FakeClock; readonly log?: Logger; readonly more?: string } = {},
): VaultUpstreamAuthority {
  const data = `vault_addr = "${vault.address}/" ca_cert_path = "${join(folder, 'ca.pem')}" ${auth} ${options.more ?? ''}`
  const { clock = systemClock, log = silentLogger } = options
  const authority = new VaultUpstreamAuthority({
    settings: readVaultConfig(parseConfig(data), {}),
    http: new HttpClient({ environment: {}, clock: systemClock }),
    clock,
    log,
  })
  authorities.push(authority)
  return authority
}

async function request(): Promise<{ csr: Uint8Array; preferredTtlSeconds: number }> {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const subject = { country: ['US'], organization: ['SPIFFE', 'x'], serialNumber: '1' }
  const csr = await buildCsr({ key, subject, uriSan: 'spiffe://example.org' })
  return { csr, preferredTtlSeconds: 600 }
}

upstreamAuthorityContract({ describe, it, expect }, 'vault', async () => {
  await start()
  return { authority: open(token), now: new Date() }
})

describe('upstream authority vault', () => {
  it('asks for a CA certificate as SPIRE does, and tells chain and root apart', async () => {
    await start()
    const wanted = await request()
    const { chain, roots } = await open(token).mintX509Ca(wanted, signal)
    const certificates = chain.map(parseCertificate)
    expect(certificates).toHaveLength(2)
    expect(roots).toEqual([{ certificate: vault.pki.certificate.raw, tainted: false }])
    verifyChain({ chain: certificates, roots: [vault.pki.certificate], now: new Date() })
    expect(vault.calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET auth/token/lookup-self',
      'PUT pki/root/sign-intermediate',
    ])
    const { csr, ...rest } = vault.calls.at(-1)?.body ?? {}
    expect(csr).toMatch(/^-----BEGIN CERTIFICATE REQUEST-----\n/)
    expect(rest).toEqual({
      common_name: '',
      organization: 'x,SPIFFE',
      country: 'US',
      uri_sans: 'spiffe://example.org',
      ttl: '600',
    })
  })

  it('takes the issuing CA for the root where Vault lists no chain', async () => {
    await start({ chain: 'root' })
    const { chain, roots } = await open(token).mintX509Ca(await request(), signal)
    expect(chain).toHaveLength(1)
    expect(roots[0]?.certificate).toEqual(vault.pki.certificate.raw)
  })

  it('logs in by AppRole, by Kubernetes and by certificate, in a namespace', async () => {
    await start({ namespace: 'team' })
    const { chain, key } = vault.clientCertificate()
    writeFileSync(join(folder, 'client.pem'), chain)
    writeFileSync(join(folder, 'client.key'), key)
    writeFileSync(join(folder, 'jwt'), 'service-account')
    for (const auth of [
      approle,
      `k8s_auth { k8s_auth_role_name = "server" token_path = "${join(folder, 'jwt')}" }`,
      `cert_auth { client_cert_path = "${join(folder, 'client.pem')}" client_key_path = "${join(folder, 'client.key')}" }`,
    ]) {
      const authority = open(auth, { more: 'namespace = "team"' })
      expect((await authority.mintX509Ca(await request(), signal)).chain).toHaveLength(2)
    }
    const logins = vault.calls.filter(({ path }) => path.endsWith('/login'))
    expect(logins.map(({ path }) => path)).toEqual([
      'auth/approle/login',
      'auth/kubernetes/login',
      'auth/cert/login',
    ])
    expect(logins.every((call) => call.token === undefined)).toBe(true)
  })

  it('is refused with Vault’s reason and no secret in the text', async () => {
    await start()
    const wrong = open('approle_auth { approle_id = "role" approle_secret_id = "hunter2" }')
    await expect(wrong.mintX509Ca(await request(), signal)).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_FAILED',
      message:
        'failed to prepare authenticated client: authentication failed auth/approle/login: 400 Bad Request: invalid role or secret ID',
    })
    const stranger = open('token_auth { token = "hunter2" }')
    const refusal = await stranger.mintX509Ca(await request(), signal).catch(String)
    expect(refusal).toContain('token lookup failed: 403 Forbidden: permission denied')
    expect(refusal).not.toContain('hunter2')
  })

  it('does not speak to a server that its roots do not vouch for', async () => {
    await start()
    writeFileSync(join(folder, 'ca.pem'), new FakeVault().tlsRoot)
    const clock = new FakeClock()
    const refused = open(token, { clock }).mintX509Ca(await request(), signal)
    const ended = refused.catch(() => {}).then(() => 'ended')
    while ((await Promise.race([ended, nextTurn()])) !== 'ended') clock.advance(2000)
    await expect(refused).rejects.toMatchObject({ code: 'ERR_UPSTREAM_UNAVAILABLE' })
    expect(vault.calls).toEqual([])
    const open2 = open(token, { more: 'insecure_skip_verify = true' })
    expect((await open2.mintX509Ca(await request(), signal)).chain).toHaveLength(2)
  })

  it('tries again while Vault is away, and gives up after the third time', async () => {
    await start({ leaseSeconds: 0 })
    const sealed = { status: 503, json: { errors: ['Vault is sealed'] } }
    const clock = new FakeClock()
    const authority = open(token, { clock })
    const minting = async (): Promise<unknown> => {
      const result = authority.mintX509Ca(await request(), signal)
      const ended = result.catch(() => {}).then(() => 'ended')
      while ((await Promise.race([ended, nextTurn()])) !== 'ended') clock.advance(2000)
      return await result
    }
    vault.instead.push(sealed, sealed)
    expect(await minting()).toMatchObject({ chain: [expect.anything(), expect.anything()] })
    vault.instead.push(sealed, sealed, sealed)
    await expect(minting()).rejects.toMatchObject({
      code: 'ERR_UPSTREAM_UNAVAILABLE',
      message: 'failed to sign intermediate: 503 Service Unavailable: Vault is sealed',
    })
  })

  it.each([
    ['no certificate', { data: {} }, 'certificate data is empty'],
    ['no JSON', 'x', 'certificate data is empty'],
    [
      'a certificate that is none',
      { data: { certificate: 'x', issuing_ca: 'y' } },
      'no PEM blocks',
    ],
  ])('refuses an answer with %s', async (_, json, text) => {
    await start()
    vault.instead.push({ status: 200, json: { data: { ttl: 0 } } }, { status: 200, json })
    await expect(open(token).mintX509Ca(await request(), signal)).rejects.toThrow(text)
  })

  it('renews its token at two thirds of its life, and logs in anew when that ends', async () => {
    await start({ leaseSeconds: 90 })
    const clock = new FakeClock()
    const messages: string[] = []
    const log = { ...silentLogger, debug: (message: string) => void messages.push(message) }
    const authority = open(approle, { clock, log })
    const count = (path: string): number =>
      vault.calls.filter((call) => call.path.endsWith(path)).length
    await authority.mintX509Ca(await request(), signal)
    await authority.mintX509Ca(await request(), signal)
    expect(count('login')).toBe(1)
    clock.advance(59_000)
    expect(count('renew-self')).toBe(0)
    clock.advance(2000)
    await until(() => messages.includes('Successfully renew auth token'))
    vault.revokeTokens()
    const ending = 'Going to re-authenticate to the Vault at the next signing request time'
    await until(() => {
      clock.advance(5000)
      return messages.includes(ending)
    })
    expect(count('renew-self')).toBeGreaterThan(1)
    await authority.mintX509Ca(await request(), signal)
    expect(count('login')).toBe(2)
  })

  it('logs in for each certificate when its token is not renewable', async () => {
    await start({ isRenewable: false })
    const lines: string[] = []
    const log = { ...silentLogger, debug: (line: string) => void lines.push(line) }
    const authority = open(approle, { log })
    for (let round = 1; round <= 2; round++) {
      await authority.mintX509Ca(await request(), signal)
      expect(vault.calls.filter(({ path }) => path.endsWith('login'))).toHaveLength(round)
    }
    expect(lines.slice(0, 2)).toEqual([
      'Token is not renewable',
      'Going to re-authenticate to the Vault at the next signing request time',
    ])
  })

  it.each([
    ['', 'must be configured one of these authentication method'],
    [`${token} ${approle}`, 'only one authentication method can be configured'],
    ['k8s_auth { token_path = "x" }', 'k8s_auth_role_name is required'],
    ['k8s_auth { k8s_auth_role_name = "x" }', 'token_path is required'],
    ['cert_auth { client_cert_path = "x" }', 'both client cert and client key are required'],
  ])('refuses the configuration %j', (data, text) => {
    expect(() => readVaultConfig(parseConfig(data), {})).toThrow(text)
  })

  it('lets Vault’s environment variables come before the file', () => {
    const settings = readVaultConfig(parseConfig(`vault_addr = "https://file.test" ${token}`), {
      VAULT_ADDR: 'https://environment.test/',
      VAULT_NAMESPACE: 'n',
      VAULT_CACERT: '/ca',
      VAULT_TOKEN: 't',
    })
    expect(settings).toMatchObject({
      address: 'https://environment.test',
      namespace: 'n',
      caPath: '/ca',
      pkiMount: 'pki',
      auth: { method: 'token', token: 't' },
    })
  })

  it('is what a whole server signs below', async () => {
    await start()
    await using scene = new Scene()
    const server = await ServerDeployment.start(scene, {
      morePlugins: `UpstreamAuthority "vault" { plugin_data {
        vault_addr = "${vault.address}" ca_cert_path = "${join(folder, 'ca.pem')}" ${approle}
      } }`,
    })
    const minted = server.must('x509', 'mint', '-spiffeID', 'spiffe://example.org/x')
    expect(minted.split('BEGIN CERTIFICATE')).toHaveLength(5)
    expect(server.daemon.output).toContain('UpstreamAuthority plugin does not support JWT-SVIDs.')
    expect(server.daemon.output).not.toContain('secret_id')
  })
})

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000 && !holds(); turn++) await nextTurn()
  expect(holds()).toBe(true)
}

import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { makeTestCertificate, testName } from '@mini-spire/sdk/testing'
import { pemEncode } from '@mini-spire/sdk/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attestationContext, type FakeAgent } from '../attestation-context.test-kit.ts'
import { type CloudAnswer, FakeCloud } from '../fake-cloud.test-kit.ts'
import { nodeAttestorContract } from '../node-attestor.contract.ts'
import { GcpIitAttestor } from './gcp-iit.ts'
import { readGcpIitConfig } from './gcp-iit-config.ts'

const clock = new FakeClock()
const nowSeconds = clock.nowMs() / 1000
const rsa = (): KeyObject => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const [googleKey, foreignKey, accountKey] = [rsa(), rsa(), rsa()]
const agentId = 'spiffe://example.org/spire/agent/gcp_iit/project-1/4242'

function certificateOf(privateKey: KeyObject): string {
  const issuer = { name: testName('federated-signon'), privateKey }
  const [notBefore, notAfter] = [new Date(0), new Date(4e12)]
  return pemEncode(
    'CERTIFICATE',
    makeTestCertificate(issuer, { publicKey: privateKey, notBefore, notAfter }),
  )
}
const certificates = JSON.stringify({ one: certificateOf(googleKey) })

const instance = {
  project_id: 'project-1',
  project_number: 123_456,
  zone: 'zone-a',
  instance_id: '4242',
  instance_name: 'vm-1',
  instance_creation_timestamp: 1_700_000_000,
}
const claims = {
  iss: 'https://accounts.google.com',
  aud: 'spire-gcp-node-attestor',
  email: 'vm@project-1.test',
  iat: nowSeconds,
  exp: nowSeconds + 3600,
  google: { compute_engine: instance },
}
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

function token(change: object = {}, header: object = {}, key: KeyObject = googleKey): string {
  const signed = `${encode({ alg: 'RS256', kid: 'one', ...header })}.${encode({ ...claims, ...change })}`
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}

/** What Google says. */
class FakeGoogle extends FakeCloud {
  constructor(answers: Readonly<Record<string, CloudAnswer>> = {}) {
    super({ 'https://www.googleapis.com/oauth2/v1/certs': { text: certificates }, ...answers })
  }
}

function attestor(config = '', http = new FakeGoogle(), environment = {}): GcpIitAttestor {
  const text = `projectid_allow_list = ["project-1"] ${config}`
  const options = readGcpIitConfig(parseConfig(text), { http, clock, environment })
  return new GcpIitAttestor({ ...options, trustDomain: TrustDomain.parse('example.org') })
}

const attest = (payload: string | Buffer, agent?: FakeAgent): Promise<unknown> =>
  attestor().attest(Buffer.from(payload), attestationContext(agent))
const error = (code: string, message: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(message) })

nodeAttestorContract({ describe, it, expect }, 'gcp_iit', () => ({
  attestor: attestor(),
  payload: Buffer.from(token()),
}))

describe('gcp_iit', () => {
  const expected = {
    agentId,
    selectorValues: [
      'project-id:project-1',
      'zone:zone-a',
      'instance-name:vm-1',
      'sa:vm@project-1.test',
    ],
    canReattest: false,
    isTrustedOnFirstUse: true,
  }

  it('attests an instance by a token of Google', async () => {
    expect(await attest(token())).toEqual(expected)
    expect(await attest(token({ aud: ['other', 'spire-gcp-node-attestor'] }))).toEqual(expected)
  })

  it('names the agent by its template', async () => {
    const fields =
      '{{ .Zone }}/{{ .ServiceAccount }}/{{ .ProjectNumber }}/{{ .ComputeEngine.InstanceName }}'
    const config = `agent_path_template = "/x/${fields}/{{ .InstanceCreationTimestamp }}"`
    const found = await attestor(config).attest(Buffer.from(token()), attestationContext())
    expect(found.agentId).toBe(
      'spiffe://example.org/spire/agent/x/zone-a/vm_project-1.test/123456/vm-1/1700000000',
    )
  })

  it('trusts an instance once, and looks it up no second time', async () => {
    const http = new FakeGoogle()
    const attesting = attestor('use_instance_metadata = true', http).attest(
      Buffer.from(token()),
      attestationContext({ attested: [agentId] }),
    )
    const text = 'attestation data has already been used to attest an agent'
    await expect(attesting).rejects.toThrow(error('ERR_NODE_EVIDENCE_REFUSED', text))
    expect(http.asked).toHaveLength(1)
  })

  const hmac = (): string => {
    const signed = `${encode({ alg: 'HS256', kid: 'one' })}.${encode(claims)}`
    const key = certificateOf(googleKey)
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
  }
  /** The same bytes by other letters: the last one has bits that nobody reads. */
  const otherEnd = (one: string): string => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    return one.slice(0, -1) + letters[letters.indexOf(one.slice(-1)) + 1]
  }
  const signature = 'failed to validate the identity token signature: go-jose/go-jose: '
  const unreadable = 'unable to parse the identity token: '
  it.each([
    ['nothing', '', 'missing attestation payload'],
    ['a word', 'token', `${unreadable}compact JWS format must have three parts`],
    ['four parts', `${token()}.x`, unreadable],
    ['10 MB', 'a.'.repeat(5_000_000), `${unreadable}token is too long`],
    ['a symmetric signature', hmac(), `${unreadable}unexpected signature algorithm`],
    ['no signature', `${encode({ alg: 'none' })}.${encode(claims)}.`, unreadable],
    ['another RSA algorithm', token({}, { alg: 'RS512' }), unreadable],
    ['a critical header', token({}, { crit: ['exp'] }), unreadable],
    ['a header that is a list', `W10.${encode(claims)}.AA`, unreadable],
    ['padding', `${token()}=`, `${unreadable}a part is not base64url`],
    ['a space', ` ${token()}`, `${unreadable}a part is not base64url`],
    [
      'a signature that ends in other bits',
      otherEnd(token()),
      `${unreadable}a part is not base64url`,
    ],
    ['no key ID', token({}, { kid: undefined }), `${signature}JWK with matching kid not found`],
    ['another key ID', token({}, { kid: 'two' }), `${signature}JWK with matching kid not found`],
    ['a key of its own', token({}, {}, foreignKey), `${signature}error in cryptographic primitive`],
  ])('cannot read or believe %s', async (_, payload, message) => {
    await expect(attest(payload)).rejects.toThrow(error('ERR_NODE_EVIDENCE_MALFORMED', message))
  })

  const wrongClaims = 'failed to validate the identity token claims: go-jose/go-jose/jwt: '
  const at = (seconds: number): number => nowSeconds + seconds
  it.each([
    ['another audience', { aud: 'other' }, `${wrongClaims}validation failed, invalid audience`],
    ['no audience', { aud: undefined }, `${wrongClaims}validation failed, invalid audience`],
    ['an old one', { exp: at(-61) }, `${wrongClaims}validation failed, token is expired (exp)`],
    ['one without end', { exp: undefined }, `${wrongClaims}validation failed, token is expired`],
    ['a time in words', { exp: 'never' }, `${wrongClaims}validation failed, claim exp is not`],
    ['one of later', { nbf: at(61) }, `${wrongClaims}validation failed, token not valid yet (nbf)`],
    [
      'a future one',
      { iat: at(61) },
      `${wrongClaims}validation failed, token issued in the future`,
    ],
    [
      'another project',
      { google: { compute_engine: { ...instance, project_id: 'other' } } },
      'identity token project ID "other" is not in the allow list',
    ],
    ['no instance', { google: undefined }, 'identity token project ID "" is not in the allow list'],
  ])('refuses a token of Google for %s', async (_, change, message) => {
    await expect(attest(token(change))).rejects.toThrow(error('ERR_NODE_EVIDENCE_REFUSED', message))
  })

  it('forgives clocks that are a minute apart', async () => {
    const change = { exp: at(-60), nbf: at(60), iat: at(60) }
    expect(await attest(token(change))).toEqual(expected)
  })

  it('cannot name an instance without a usable ID', async () => {
    for (const id of ['', '..', 'a/../b', 'a b']) {
      const change = { google: { compute_engine: { ...instance, instance_id: id } } }
      await expect(attest(token(change))).rejects.toThrow(
        error('ERR_NODE_ATTESTOR_FAILED', 'failed to create agent ID: invalid agent path suffix'),
      )
    }
  })

  const keptForLong = { text: certificates, expires: new Date(4e12).toUTCString() }
  it('refuses each change of each byte, and repeats nothing of the token', async () => {
    const whole = Buffer.from(token())
    const sut = attestor('', new FakeGoogle({ 'https://www.googleapis.com': keptForLong }))
    for (let index = 0; index < whole.length; index++) {
      const changed = Buffer.from(whole)
      changed[index] = (whole[index] ?? 0) === 65 ? 66 : 65
      const refusal = await sut.attest(changed, attestationContext()).catch((one: unknown) => one)
      expect(refusal).toMatchObject({ code: 'ERR_NODE_EVIDENCE_MALFORMED' })
      for (const part of changed.toString('latin1').split('.')) {
        if (part.length > 8) expect(String(refusal)).not.toContain(part.slice(0, 8))
      }
    }
  })

  it('refuses a token that is cut off anywhere', async () => {
    const whole = token()
    for (let length = 0; length < whole.length; length += 7) {
      await expect(attest(whole.slice(0, length))).rejects.toMatchObject({
        code: 'ERR_NODE_EVIDENCE_MALFORMED',
      })
    }
  })
})

describe('the keys of gcp_iit', () => {
  const url = 'https://www.googleapis.com/oauth2/v1/certs'
  const once = (sut: GcpIitAttestor): Promise<unknown> =>
    sut.attest(Buffer.from(token()), attestationContext())

  it('are asked for each time when Google does not say for how long they are good', async () => {
    const http = new FakeGoogle()
    const sut = attestor('', http)
    await once(sut)
    await once(sut)
    expect(http.asked).toHaveLength(2)
  })

  it('are kept for as long as Google says', async () => {
    const expires = new Date(clock.nowMs() + 5000).toUTCString()
    const http = new FakeGoogle({ [url]: { text: certificates, expires } })
    const own = new FakeClock(clock.now())
    const options = readGcpIitConfig(parseConfig('projectid_allow_list = ["project-1"]'), {
      http,
      clock: own,
      environment: {},
    })
    await options.keys.fetch()
    own.advance(5000)
    await options.keys.fetch()
    expect(http.asked).toHaveLength(1)
    own.advance(1)
    http.answers.set(url, { status: 503 })
    await expect(options.keys.fetch()).rejects.toThrow('unexpected status code: 503')
  })

  it('are asked for once by all who ask at the same time', async () => {
    const http = new FakeGoogle()
    const sut = attestor('', http)
    await Promise.all(Array.from({ length: 200 }, () => once(sut)))
    expect(http.asked).toHaveLength(1)
  })

  it('are not asked for by rubbish', async () => {
    const http = new FakeGoogle()
    const attesting = attestor('', http).attest(Buffer.from('rubbish'), attestationContext())
    await expect(attesting).rejects.toThrow('unable to parse the identity token')
    expect(http.asked).toEqual([])
  })

  it.each([
    [{ status: 502 }, 'unexpected status code: 502'],
    [{ text: 'x' }, 'unable to unmarshal certificate response: not JSON'],
    [{ text: '"x"' }, 'unable to unmarshal certificate response: not an object'],
    [{ text: '{"a":"x"}' }, 'unable to unmarshal certificate response: malformed certificate PEM'],
    [{ text: '{"a":5}' }, 'unable to unmarshal certificate response: malformed certificate PEM'],
  ])('must come: %j', async (answer, message) => {
    await expect(once(attestor('', new FakeGoogle({ [url]: answer })))).rejects.toThrow(
      error('ERR_NODE_ATTESTOR_FAILED', message),
    )
  })
})

describe('the instance metadata of gcp_iit', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gcp-iit-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const instanceUrl =
    'https://compute.googleapis.com/compute/v1/projects/project-1/zones/zone-a/instances/vm-1'
  const found = {
    tags: { items: ['web'] },
    labels: { app: 'x', secret: 'y' },
    metadata: {
      items: [{ key: 'role', value: 'db' }, { key: 'other', value: 'z' }, { key: 'bare' }],
    },
  }
  const metadataToken = 'http://metadata.google.internal/computeMetadata/v1/instance/'
  const google = (answers: Readonly<Record<string, CloudAnswer>> = {}): FakeGoogle =>
    new FakeGoogle({
      [metadataToken]: { text: '{"access_token":"t"}' },
      [instanceUrl]: { text: JSON.stringify(found) },
      ...answers,
    })
  const config = `use_instance_metadata = true allowed_label_keys = ["app", "absent"]
    allowed_metadata_keys = ["role", "bare"]`
  const run = (http: FakeGoogle, more = '', environment = {}) =>
    attestor(`${config} ${more}`, http, environment).attest(
      Buffer.from(token()),
      attestationContext(),
    )

  it('adds selectors of tags, and of the labels and metadata that are allowed', async () => {
    const http = google()
    const { selectorValues } = await run(http)
    expect(selectorValues.slice(4)).toEqual([
      'tag:web',
      'label:app:x',
      'metadata:role:db',
      'metadata:bare:',
    ])
    expect(http.asked[1]).toMatchObject({
      headers: { 'metadata-flavor': 'Google' },
      proxy: 'none',
    })
    expect(http.asked[2]).toMatchObject({
      url: instanceUrl,
      headers: { authorization: 'Bearer t' },
    })
  })

  it('adds none to an instance that has none', async () => {
    const { selectorValues } = await run(google({ [instanceUrl]: { text: '{}' } }))
    expect(selectorValues).toHaveLength(4)
  })

  it('refuses a value that is too long', async () => {
    await expect(run(google(), 'max_metadata_value_size = 1')).rejects.toThrow(
      error('ERR_NODE_ATTESTOR_FAILED', 'metadata "role" exceeded value limit (2 > 1)'),
    )
  })

  const tokenUrl = 'https://tokens.test/token'
  const account = {
    type: 'service_account',
    client_email: 'server@project-1.test',
    private_key_id: 'k1',
    private_key: accountKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: tokenUrl,
  }
  const write = (content: unknown): string => {
    const path = join(folder, 'credentials.json')
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }

  it('signs in as the service account of the file', async () => {
    const http = google({ [tokenUrl]: { text: '{"access_token":"of-file"}' } })
    await run(http, `service_account_file = "${write(account)}"`)
    const form = new URLSearchParams(String(http.asked[1]?.body))
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [, assertion = ''] = form.get('assertion')?.split('.') ?? []
    expect(JSON.parse(Buffer.from(assertion, 'base64url').toString())).toEqual({
      iss: 'server@project-1.test',
      scope: 'https://www.googleapis.com/auth/compute.readonly',
      aud: tokenUrl,
      iat: nowSeconds,
      exp: nowSeconds + 3600,
    })
    expect(http.asked[2]?.headers).toEqual({ authorization: 'Bearer of-file' })
  })

  it('signs in as the user of the environment', async () => {
    const user = { type: 'authorized_user', client_id: 'i', client_secret: 's', refresh_token: 'r' }
    const http = google({
      'https://oauth2.googleapis.com/token': { text: '{"access_token":"of-user"}' },
    })
    await run(http, '', { GOOGLE_APPLICATION_CREDENTIALS: write(user) })
    const expected = 'grant_type=refresh_token&client_id=i&client_secret=s&refresh_token=r'
    expect(http.asked[1]?.body).toBe(expected)
  })

  it('goes to the instance when the user has no credentials', async () => {
    expect((await run(google(), '', { HOME: folder })).selectorValues).toContain('tag:web')
  })

  const prefix = 'failed to fetch instance metadata: '
  it.each([
    [
      'no such instance',
      { [instanceUrl]: { status: 404, text: '{"error":{"message":"gone"}}' } },
      `${prefix}${prefix}googleapi: Error 404: gone`,
    ],
    ['no token', { [metadataToken]: { status: 403 } }, 'no access token: 403'],
    ['an empty token', { [metadataToken]: { text: '{}' } }, 'no access token in the answer'],
    [
      'a token that is two headers',
      { [metadataToken]: { text: '{"access_token":"a\\r\\nb"}' } },
      'no access token in the answer',
    ],
  ])('cannot decide with %s', async (_, answers, message) => {
    await expect(run(google(answers))).rejects.toThrow(error('ERR_NODE_ATTESTOR_FAILED', message))
  })

  const client = `${prefix}failed to create compute service client: `
  it.each([
    ['{ "private_key": "hush', 'is not a JSON object'],
    [{ type: 'authorized_user' }, 'credentials of type "authorized_user" are not supported'],
    [{ ...account, private_key: 'hush' }, 'the service account has no usable private key'],
  ])('does not repeat a file that it cannot use', async (content, message) => {
    const path = write(content)
    const refusal = await run(google(), `service_account_file = "${path}"`).catch((e: unknown) => e)
    expect(refusal).toEqual(error('ERR_NODE_ATTESTOR_FAILED', client))
    expect(String(refusal)).toContain(message)
    expect(String(refusal)).not.toContain('hush')
  })

  it('needs the file that it is told', async () => {
    await expect(run(google(), `service_account_file = "${folder}/none"`)).rejects.toThrow(
      `${client}open ${folder}/none: no such file or directory`,
    )
  })
})

describe('the configuration of gcp_iit', () => {
  const read = (text: string): unknown =>
    readGcpIitConfig(parseConfig(text), { http: new FakeGoogle(), clock, environment: {} })

  it.each([
    ['', 'projectid_allow_list is required'],
    [
      'projectid_allow_list = ["a"] agent_path_template = "{{"',
      'failed to parse agent path template: "{{"',
    ],
  ])('is refused: %s', (text, message) => {
    expect(() => read(text)).toThrow(error('ERR_NODE_ATTESTOR_CONFIG', message))
  })

  it('looks nobody up unless told to', () => {
    expect(read('projectid_allow_list = ["a"]')).toMatchObject({ maxMetadataValueBytes: 128 })
    expect(read('projectid_allow_list = ["a"]')).not.toHaveProperty('fetchInstance')
  })
})

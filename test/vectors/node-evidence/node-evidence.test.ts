import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { parseConfig } from '@mini-spire/runtime/config/parse'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { AgentPathTemplate } from '@mini-spire/server/plugins/node-attestor/agent-path-template'
import { attestationContext } from '@mini-spire/server/plugins/node-attestor/attestation-context.test-kit'
import { readAzureImdsConfig } from '@mini-spire/server/plugins/node-attestor/azure-imds/azure-imds-config'
import { AzureMsiAttestor } from '@mini-spire/server/plugins/node-attestor/azure-msi/azure-msi'
import { readAzureMsiConfig } from '@mini-spire/server/plugins/node-attestor/azure-msi/azure-msi-config'
import { FakeCloud } from '@mini-spire/server/plugins/node-attestor/fake-cloud.test-kit'
import { GcpIitAttestor } from '@mini-spire/server/plugins/node-attestor/gcp-iit/gcp-iit'
import { checkClaims, JsonWebToken } from '@mini-spire/server/plugins/node-attestor/json-web-token'
import { describe, expect, it } from 'vitest'

interface Jwk {
  readonly kid: string
}
interface TokenVector {
  readonly title: string
  readonly source: string
  readonly at: string
  readonly token: string
  readonly audience: string
  readonly keys: { readonly keys: readonly Jwk[] }
}
interface Vectors {
  readonly azureAttestedDocuments: readonly {
    readonly title: string
    readonly source: string
    readonly at: string
    readonly signature: string
    readonly says: object
    readonly issuer: { readonly url: string; readonly certificate: string }
  }[]
  readonly azureManagedIdentityTokens: readonly (TokenVector & {
    readonly tenantId: string
    readonly principalId: string
  })[]
  readonly googleIdentityTokens: readonly (TokenVector & {
    readonly says: {
      readonly projectId: string
      readonly zone: string
      readonly instanceId: string
      readonly instanceName: string
    }
  })[]
}

/** Evidence that clouds issued and others have published; each says where it is from. */
const vectors: Vectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8'))
const trustDomain = TrustDomain.parse('example.org')
const dayMs = 86_400_000

/** With one byte of its signature changed. */
const spoiled = (token: string): string => {
  const [header, claims, signature = ''] = token.split('.')
  const letter = signature[20] === 'A' ? 'B' : 'A'
  return `${header}.${claims}.${signature.slice(0, 20)}${letter}${signature.slice(21)}`
}

describe.each(vectors.azureAttestedDocuments)('an attested document of $title', (vector) => {
  const verify = (signature: string, at = new Date(vector.at)): Promise<object> => {
    const certificate = Buffer.from(vector.issuer.certificate, 'base64')
    const { documents } = readAzureImdsConfig(parseConfig('tenants = { "a" = {} }'), {
      http: new FakeCloud({ [vector.issuer.url]: { body: certificate } }),
      clock: new FakeClock(at),
      environment: {},
    })
    return documents.verify(signature)
  }

  it('verifies with the roots of Microsoft at its time', async () => {
    expect(await verify(vector.signature)).toEqual(vector.says)
  })

  it('does not years later, nor years before', async () => {
    for (const days of [-1000, 1000]) {
      const at = new Date(Date.parse(vector.at) + days * dayMs)
      await expect(verify(vector.signature, at)).rejects.toThrow(
        'certificate chain validation failed: x509: certificate has expired or is not yet valid',
      )
    }
  })

  it('does not when another machine is written into it', async () => {
    const document = Buffer.from(vector.signature, 'base64')
    document[document.indexOf('"vmId":"') + 10] = 0x30
    await expect(verify(document.toString('base64'))).rejects.toThrow(
      'signature verification failed: the signature is wrong',
    )
  })
})

describe.each(vectors.azureManagedIdentityTokens)('an access token of $title', (vector) => {
  const { tenantId, principalId, audience, keys } = vector
  const attest = (token: string, at = new Date(vector.at), resource = audience) => {
    const config = `tenants = { "${tenantId}" = { resource_id = "${resource}" } }`
    const machine =
      '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/m'
    const login = 'https://login.microsoftonline.com/common'
    const http = new FakeCloud({
      [`${login}/.well-known/openid-configuration`]: { json: { jwks_uri: `${login}/keys` } },
      [`${login}/keys`]: { json: keys },
      'http://169.254.169.254/metadata/instance': { json: { compute: { subscriptionId: 's' } } },
      'http://169.254.169.254/metadata/identity': { json: { access_token: 'a', expires_in: 1 } },
      'https://management.azure.com/subscriptions/s/resources': {
        json: { value: [{ id: machine }] },
      },
      'https://management.azure.com/': { json: {} },
    })
    const surroundings = { http, clock: new FakeClock(at), environment: {} }
    const options = readAzureMsiConfig(parseConfig(config), surroundings)
    const payload = Buffer.from(JSON.stringify({ token }))
    return new AzureMsiAttestor({ ...options, trustDomain }).attest(payload, attestationContext())
  }

  it('attests with the key of Microsoft at its time', async () => {
    const { agentId } = await attest(vector.token)
    expect(agentId).toBe(`spiffe://example.org/spire/agent/azure_msi/${tenantId}/${principalId}`)
  })

  it('does not later, for another audience, or changed', async () => {
    const later = new Date(Date.parse(vector.at) + 2 * dayMs)
    await expect(attest(vector.token, later)).rejects.toThrow('token is expired (exp)')
    await expect(attest(vector.token, undefined, 'api://own')).rejects.toThrow('(aud)')
    await expect(attest(spoiled(vector.token))).rejects.toThrow('unable to verify token: ')
  })
})

describe.each(vectors.googleIdentityTokens)('an identity token of $title', (vector) => {
  const keyOf = (): ReadonlyMap<string, KeyObject> =>
    new Map(
      vector.keys.keys.map((key) => [key.kid, createPublicKey({ key: { ...key }, format: 'jwk' })]),
    )
  const attest = (token: string) =>
    new GcpIitAttestor({
      trustDomain,
      clock: new FakeClock(new Date(vector.at)),
      keys: { fetch: async () => keyOf() },
      projectIds: new Set([vector.says.projectId]),
      agentPathTemplate: AgentPathTemplate.parse('/{{ .InstanceID }}'),
      labelKeys: [],
      metadataKeys: new Set(),
      maxMetadataValueBytes: 128,
    }).attest(Buffer.from(token), attestationContext())

  it('is signed by Google, for its audience and at its time', () => {
    const token = JsonWebToken.parse(Buffer.from(vector.token), ['RS256'])
    const key = keyOf().get(token.keyId)
    expect(key && token.isSignedBy(key)).toBe(true)
    const expected = { audience: vector.audience, leewayMs: 60_000 }
    checkClaims(token.claims(), { ...expected, now: new Date(vector.at) })
    const later = new Date(Date.parse(vector.at) + dayMs)
    expect(() => checkClaims(token.claims(), { ...expected, now: later })).toThrow('(exp)')
    const { projectId, zone, instanceId, instanceName } = vector.says
    expect(token.claims()).toMatchObject({
      google: {
        compute_engine: {
          project_id: projectId,
          zone,
          instance_id: instanceId,
          instance_name: instanceName,
        },
      },
    })
  })

  it('attests nobody here: it was issued for somebody else', async () => {
    await expect(attest(vector.token)).rejects.toThrow('invalid audience claim (aud)')
    await expect(attest(spoiled(vector.token))).rejects.toThrow(
      'failed to validate the identity token signature: ',
    )
  })
})

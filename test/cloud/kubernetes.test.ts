import { createPrivateKey, X509Certificate } from 'node:crypto'
import { parseJwtSvidInsecure } from '@mini-spire/sdk/jwt-svid'
import { certificateExecCredential, tokenExecCredential } from '@mini-spire/sdk/kubernetes'
import { TestCa } from '@mini-spire/sdk/testing'
import { describe, expect, it } from 'vitest'

const ca = TestCa.create('example.org')
const jwt = parseJwtSvidInsecure(ca.signJwtSvid('/web', { audience: ['kubernetes'] }))
const asked = (apiVersion: string, kind = 'ExecCredential'): Record<string, string> => ({
  KUBERNETES_EXEC_INFO: JSON.stringify({ apiVersion, kind, spec: { interactive: false } }),
})

describe('an ExecCredential', () => {
  it('carries a JWT-SVID and its end, in whole seconds', () => {
    const read = JSON.parse(tokenExecCredential(jwt, {}))
    expect(read).toEqual({
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: {
        token: jwt.token,
        expirationTimestamp: jwt.expiresAt.toISOString().replace('.000Z', 'Z'),
      },
    })
  })

  it('carries an X509-SVID with intermediates, and its key', () => {
    const svid = ca.createIntermediate().issueX509Svid('/web')
    const { status } = JSON.parse(certificateExecCredential(svid, {}))
    const [leaf, intermediate] = status.clientCertificateData
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((pem: string) => new X509Certificate(pem))
    expect(leaf.subjectAltName).toBe('URI:spiffe://example.org/web')
    expect(leaf.checkPrivateKey(createPrivateKey(status.clientKeyData))).toBe(true)
    expect(intermediate.ca).toBe(true)
    expect(Date.parse(status.expirationTimestamp)).toBe(svid.expiresAt.getTime())
  })

  it.each(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'])(
    'answers in the version it is asked in: %s',
    (version) => {
      expect(JSON.parse(tokenExecCredential(jwt, asked(version)))).toMatchObject({
        apiVersion: version,
      })
    },
  )

  it.each([
    asked('client.authentication.k8s.io/v1alpha1'),
    asked('client.authentication.k8s.io/v1', 'Pod'),
    { KUBERNETES_EXEC_INFO: 'garbage' },
    { KUBERNETES_EXEC_INFO: 'null' },
    { KUBERNETES_EXEC_INFO: `{"apiVersion":"${' '.repeat(2 ** 20)}"}` },
  ])('is refused to who asks otherwise', (environment) => {
    expect(() => tokenExecCredential(jwt, environment)).toThrow(
      expect.objectContaining({ code: 'ERR_EXCHANGE_OPTION' }),
    )
  })
})

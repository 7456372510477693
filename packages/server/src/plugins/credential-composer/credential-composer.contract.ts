import { generateKeyPairSync } from 'node:crypto'
import type { ContractTools } from '@mini-spire/runtime/tools.contract'
import { encodeName } from '@mini-spire/runtime/x509/name'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import type {
  ComposedIdentity,
  CredentialComposer,
  X509SvidAttributes,
} from './credential-composer.ts'

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const identityOf = (path: string): ComposedIdentity => ({
  spiffeId: SpiffeId.parse(`spiffe://example.org${path}`),
  publicKey: publicKey.export({ type: 'spki', format: 'der' }),
})
const svid: X509SvidAttributes = frozen({
  subject: { country: ['US'], organization: ['SPIRE'] },
  dnsNames: ['a.test', 'b.test'],
  extraExtensions: [{ oid: '1.2.3.4', critical: false, value: Buffer.from('0500', 'hex') }],
})
const claims = frozen({ sub: 'spiffe://example.org/web', aud: ['a'], exp: 2, iat: 1 })
/** What entries have, and as much as none has. */
const paths = ['/web', `/${'long/'.repeat(400)}end`]

/** What every credential composer does that changes the same thing in the same way each time. */
export function credentialComposerContract(
  { describe, it, expect }: ContractTools,
  name: string,
  open: () => CredentialComposer | Promise<CredentialComposer>,
): void {
  describe(`credential composer ${name}`, () => {
    it('has the name of the configuration', async () => {
      expect((await open()).name).toBe(name)
    })

    it('makes a subject that can be written, of whatever ID, and leaves the rest', async () => {
      const composer = await open()
      for (const identity of paths.map(identityOf)) {
        for (const compose of x509Hooks(composer, identity)) {
          const composed = await compose(svid)
          expect(encodeName(composed.subject).length).toBeGreaterThan(0)
          expect(composed.dnsNames).toEqual(svid.dnsNames)
          expect(composed.extraExtensions).toEqual(
            expect.arrayContaining([...svid.extraExtensions]),
          )
        }
      }
    })

    it('makes the same again, from what it was given and from what it made', async () => {
      const composer = await open()
      for (const compose of x509Hooks(composer, identityOf('/web'))) {
        const composed = await compose(svid)
        expect(await compose(svid)).toEqual(composed)
        expect(await compose(composed)).toEqual(composed)
      }
    })

    it('leaves the claims that say who a token is for', async () => {
      const composer = await open()
      const { spiffeId } = identityOf('/web')
      const composed = (await composer.composeWorkloadJwtSvid?.({ spiffeId }, claims)) ?? claims
      expect(composed).toMatchObject({ sub: claims.sub, aud: claims.aud })
    })

    it('leaves a CA its subject, but for more attributes', async () => {
      const composer = await open()
      const { subject, extraExtensions } = svid
      const ca = frozen({ subject, extraExtensions, policyIdentifiers: ['1.2.3'] })
      const composed = (await composer.composeServerX509Ca?.(ca)) ?? ca
      expect(composed.subject).toMatchObject(ca.subject)
    })
  })
}

type Compose = (attributes: X509SvidAttributes) => Promise<X509SvidAttributes>

/** The hooks for X509-SVIDs that a composer has. */
function x509Hooks(composer: CredentialComposer, identity: ComposedIdentity): readonly Compose[] {
  const all: readonly (Compose | undefined)[] = [
    composer.composeServerX509Svid?.bind(composer),
    composer.composeAgentX509Svid?.bind(composer, identity),
    composer.composeWorkloadX509Svid?.bind(composer, identity),
  ]
  return all.filter((hook) => hook !== undefined)
}

/** The same, which nobody can change; bytes stay as they are. */
function frozen<T extends object>(value: T): T {
  for (const inner of Object.values(value))
    if (typeof inner === 'object' && !ArrayBuffer.isView(inner)) frozen(inner as object)
  return Object.freeze(value)
}

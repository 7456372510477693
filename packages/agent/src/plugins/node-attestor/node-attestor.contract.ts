import type { ContractTools } from '@mini-spire/runtime/tools.contract'
import type { NodeAttestor } from './node-attestor.ts'
import { NodeAttestorError } from './node-attestor-error.ts'

const canary = 'canary-of-the-server'
/** What no server asks. */
const rubbish: readonly (readonly [string, Uint8Array])[] = [
  ['nothing', Buffer.alloc(0)],
  ['a word', Buffer.from(JSON.stringify(canary))],
  ['null', Buffer.from('null')],
  ['an open brace', Buffer.from('{')],
  ['a list', Buffer.from('[]')],
  ['a deep nest', Buffer.from('['.repeat(50_000))],
  ['no UTF-8', Buffer.alloc(64, 0xff)],
  ['a megabyte', Buffer.alloc(1024 * 1024, canary)],
]
/** As much as servers take. */
const largestPayloadBytes = 1024 * 1024
const longestText = 1024

/** What every node attestor of the agent does. `takesAnything`: the challenge is a word of the server's choice. */
export function nodeAttestorContract(
  { describe, it, expect }: ContractTools,
  name: string,
  open: () => NodeAttestor | Promise<NodeAttestor>,
  { takesAnything = false }: { readonly takesAnything?: boolean } = {},
): void {
  const signal = new AbortController().signal

  describe(`node attestor ${name}`, () => {
    it('shows something that a server takes, and again for another attestation', async () => {
      const attestor = await open()
      expect(attestor.name).toBe(name)
      for (let time = 0; time < 2; time++) {
        const { payload, end } = await attestor.begin({ signal })
        expect(payload.length).toBeGreaterThan(0)
        expect(payload.length).toBeLessThan(largestPayloadBytes)
        await end?.()
      }
    })

    it('answers nothing that no server asks, and does not repeat it', async () => {
      if (takesAnything) return
      const attestor = await open()
      for (const [what, challenge] of rubbish) {
        const attestation = await attestor.begin({ signal })
        const error = await attestation.answer(challenge).then(
          () => `${what} was answered`,
          (refusal: unknown) => refusal,
        )
        await attestation.end?.()
        expect(error).toBeInstanceOf(NodeAttestorError)
        const { message } = error as NodeAttestorError
        expect(message).toMatch(new RegExp(`^nodeattestor\\(${name}\\): `))
        expect(message.length).toBeLessThanOrEqual(longestText)
        expect(message).not.toContain(canary)
      }
    }, 30_000)

    it('may be told of the end twice', async () => {
      const attestation = await (await open()).begin({ signal })
      await attestation.end?.()
      await attestation.end?.()
    })
  })
}

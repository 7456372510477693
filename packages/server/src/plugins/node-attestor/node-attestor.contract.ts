import type { ContractTools } from '@mini-spire/runtime/tools.contract'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { attestationContext, type FakeAgent } from './attestation-context.test-kit.ts'
import type { NodeAttestation, NodeAttestor } from './node-attestor.ts'
import { NodeAttestorError } from './node-attestor-error.ts'

/** A node with good evidence, and an attestor that knows it. */
export interface AttestedNode {
  readonly attestor: NodeAttestor
  readonly payload: Uint8Array
  /** Answers challenges; left out where there are none. */
  readonly answer?: (challenge: Uint8Array) => Uint8Array | Promise<Uint8Array>
  /** The message of the node that says nothing, whatever stands in it. */
  readonly empty?: 'payload' | 'answer'
}

type Message = 'payload' | 'answer'
type Change = (bytes: Uint8Array) => Uint8Array

const canary = 'canary-of-the-node'
/** What is no evidence of anything. */
const rubbish: Readonly<Record<string, Change>> = {
  nothing: () => Buffer.alloc(0),
  null: () => Buffer.from('null'),
  'a list': () => Buffer.from('[]'),
  'an empty object': () => Buffer.from('{}'),
  'a word': () => Buffer.from(JSON.stringify(canary)),
  'an open brace': () => Buffer.from('{'),
  'a deep nest': () => Buffer.from('['.repeat(50_000)),
  'no UTF-8': () => Buffer.alloc(64, 0xff),
  'a megabyte': () => Buffer.alloc(1024 * 1024, canary),
  'its first half': (bytes) => bytes.subarray(0, bytes.length >> 1),
  'all but its last byte': (bytes) => bytes.subarray(0, -1),
  'itself, twice': (bytes) => Buffer.concat([bytes, bytes]),
}
/** How many places of a message are tried. */
const places = 64
const longestText = 1024

/** What every node attestor of the server does. `open` makes a node that is good, anew each time. */
export function nodeAttestorContract(
  { describe, it, expect }: ContractTools,
  name: string,
  open: () => AttestedNode | Promise<AttestedNode>,
): void {
  /** One attestation, with one message of the node changed. */
  async function attest(
    change: Partial<Record<Message, Change>> = {},
    agent: FakeAgent = {},
  ): Promise<NodeAttestation> {
    const { attestor, payload, answer } = await open()
    const { payload: changePayload = same, answer: changeAnswer = same } = change
    const changed = answer && (async (asked: Uint8Array) => changeAnswer(await answer(asked)))
    const context = attestationContext({ ...(changed && { answer: changed }), ...agent })
    return await attestor.attest(changePayload(payload), context)
  }

  /** The messages that the node sends, and that say something. */
  async function messages(): Promise<readonly Message[]> {
    const { answer, empty } = await open()
    const sent: readonly Message[] = answer ? ['payload', 'answer'] : ['payload']
    return sent.filter((message) => message !== empty)
  }

  function expectRefusal(error: unknown): void {
    expect(error).toBeInstanceOf(NodeAttestorError)
    const { message, code } = error as NodeAttestorError
    expect(code).not.toBe('ERR_NODE_ATTESTOR_CONFIG')
    expect(message.length).toBeLessThanOrEqual(longestText)
    expect(message).not.toContain(canary)
  }

  describe(`node attestor ${name}`, () => {
    it('finds the same every time: an agent of its trust domain, and selectors that can be typed', async () => {
      const found = await attest()
      expect(await attest()).toEqual(found)
      const { name: ownName } = (await open()).attestor
      expect(ownName).toBe(name)
      const id = SpiffeId.parse(found.agentId)
      expect(id.trustDomain.name).toBe('example.org')
      expect(id.path).toMatch(/^\/spire\/agent\/./)
      expect(new Set(found.selectorValues).size).toBe(found.selectorValues.length)
      for (const value of found.selectorValues) expect(value).toMatch(/^[^\p{Cc}]+$/u)
    })

    it('takes no rubbish, and does not repeat it', async () => {
      for (const message of await messages()) {
        for (const [what, change] of Object.entries(rubbish)) {
          const error = await attest({ [message]: change }).then(
            () => `${what} as ${message} was taken`,
            (refusal: unknown) => refusal,
          )
          expectRefusal(error)
        }
      }
    }, 30_000)

    it('is not led to another node by any bit that is changed', async () => {
      const found = await attest()
      for (const message of await messages()) {
        for (let place = 0; place < places; place++) {
          const flip: Change = (bytes) => flipped(bytes, place / places, place % 8)
          const result = await attest({ [message]: flip }).catch((error: unknown) => error)
          if (result instanceof Error) expectRefusal(result)
          else expect(result).toEqual(found)
        }
      }
    }, 60_000)

    it('gives up when the node goes away in the middle', async () => {
      if (!(await open()).answer) return
      const gone = new Error('the node has gone')
      const answer = (): Promise<never> => Promise.reject(gone)
      await expect(attest({}, { answer })).rejects.toThrow()
    })

    it('trusts what counts once no second time, and everything else again', async () => {
      const { agentId, isTrustedOnFirstUse, canReattest } = await attest()
      const again = attest({}, { attested: [agentId] })
      if (isTrustedOnFirstUse) {
        await expect(again).rejects.toMatchObject({
          code: 'ERR_NODE_EVIDENCE_REFUSED',
          message: 'attestation data has already been used to attest an agent',
        })
        expect(canReattest).toBe(false)
      } else {
        expect((await again).agentId).toBe(agentId)
      }
    })
  })
}

const same: Change = (bytes) => bytes

/** A copy with one bit changed, so far from its beginning (0 to 1). */
function flipped(bytes: Uint8Array, part: number, bit: number): Uint8Array {
  const copy = Buffer.from(bytes)
  const at = Math.floor(part * copy.length)
  copy[at] = (copy[at] ?? 0) ^ (1 << bit)
  return copy
}

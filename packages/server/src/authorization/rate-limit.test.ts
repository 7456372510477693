import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { createServerCall } from '@mini-spire/runtime/grpc/call'
import type { CallContext, Peer } from '@mini-spire/runtime/grpc/call-context'
import { silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
import { RateLimits } from './rate-limit.ts'

const attest = '/spire.api.server.agent.v1.Agent/AttestAgent'
const sign = '/spire.api.server.svid.v1.SVID/BatchNewX509SVID'
const renew = '/spire.api.server.agent.v1.Agent/RenewAgent'

const limitedMethods = [
  'agent.v1.Agent/AttestAgent',
  'agent.v1.Agent/RenewAgent',
  'agent.v1.Agent/PostStatus',
  'svid.v1.SVID/BatchNewX509SVID',
  'svid.v1.SVID/NewDownstreamX509CA',
  'svid.v1.SVID/NewJWTSVID',
  'svid.v1.SVID/BatchNewWITSVID',
  'bundle.v1.Bundle/PublishJWTAuthority',
].map((name) => `/spire.api.server.${name}`)

interface Setup {
  readonly limits: RateLimits
  readonly clock: FakeClock
  /** @param timeout what the caller says of how long it waits */
  call(
    method: string,
    address?: string,
    timeout?: string,
  ): { context: CallContext; abort(reason: unknown): void }
}

function setup(isEnabled = { attestation: true, signing: true }): Setup {
  const clock = new FakeClock()
  return {
    clock,
    limits: new RateLimits({ clock, isEnabled }),
    call: (method, address = '10.0.0.1', timeout?: string) => {
      const tls = { kind: 'tls', address, port: 1, chain: [], notAfterMs: 0 } as const
      const peer: Peer = { ...tls, spiffeId: undefined, serialNumber: undefined }
      const metadata = (name: string): readonly string[] =>
        name === 'grpc-timeout' && timeout !== undefined ? [timeout] : []
      return createServerCall({ peer, method, clock, log: silentLogger, metadata })
    },
  }
}

/** Whether a promise has settled, once everything that was due has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  promise.then(note, note)
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  return settled
}

describe('rate limits', () => {
  it('a second attestation from one address waits for its turn, another address does not', async () => {
    const { limits, clock, call } = setup()
    await limits.admit(call(attest).context)
    const waiting = limits.admit(call(attest).context)
    await limits.admit(call(attest, '10.0.0.2').context)
    expect(await isSettled(waiting)).toBe(false)
    clock.advance(999)
    expect(await isSettled(waiting)).toBe(false)
    clock.advance(1)
    await waiting
  })

  it('a count beyond the burst can never be had and is refused in the words of SPIRE', async () => {
    const { limits, call } = setup()
    await expect(limits.admit(call(sign).context, 501)).rejects.toMatchObject({
      kind: 'resource-exhausted',
      message: 'rate (501) exceeds burst size (500)',
    })
  })

  it('a turn that comes after the deadline of the caller is refused at once, and taken from nobody', async () => {
    const { limits, clock, call } = setup()
    await limits.admit(call(attest).context)
    await expect(limits.admit(call(attest, '10.0.0.1', '999m').context)).rejects.toMatchObject({
      kind: 'resource-exhausted',
      message: 'rate: Wait(n=1) would exceed context deadline',
    })
    const inTime = limits.admit(call(attest, '10.0.0.1', '1S').context)
    expect(await isSettled(inTime)).toBe(false)
    clock.advance(1000)
    await inTime
    await limits.admit(call(sign).context, 500)
    await expect(limits.admit(call(sign, '10.0.0.1', '5m').context, 3)).rejects.toThrow(
      'rate: Wait(n=3) would exceed context deadline',
    )
  })

  const csr = ['agent.v1.Agent/RenewAgent', 'svid.v1.SVID/BatchNewX509SVID']
  it.each([
    { share: ['agent.v1.Agent/AttestAgent'], burst: 1, isSwitched: true },
    { share: [...csr, 'svid.v1.SVID/NewDownstreamX509CA'], burst: 500, isSwitched: true },
    { share: ['svid.v1.SVID/NewJWTSVID'], burst: 500, isSwitched: true },
    { share: ['svid.v1.SVID/BatchNewWITSVID'], burst: 500, isSwitched: true },
    { share: ['bundle.v1.Bundle/PublishJWTAuthority'], burst: 500, isSwitched: false },
    { share: ['agent.v1.Agent/PostStatus'], burst: 10, isSwitched: false },
  ])(
    '$share have $burst a second together, and no others',
    async ({ share, burst, isSwitched }) => {
      const own = share.map((name) => `/spire.api.server.${name}`)
      const on = setup()
      // Nothing that others do is counted here.
      for (const method of limitedMethods.filter((one) => !own.includes(one)))
        await on.limits.admit(on.call(method).context)
      for (const [index, method] of own.entries()) {
        const part = index === 0 ? burst - own.length + 1 : 1
        await on.limits.admit(on.call(method).context, part)
      }
      for (const method of own) {
        const late = on.limits.admit(on.call(method, '10.0.0.1', '1m').context)
        await expect(late).rejects.toThrow('rate: Wait(n=1) would exceed context deadline')
      }
      const off = setup({ attestation: false, signing: false })
      const [first = ''] = own
      await off.limits.admit(off.call(first).context, burst)
      const next = off.limits.admit(off.call(first, '10.0.0.1', '1m').context)
      if (isSwitched) await next
      else await expect(next).rejects.toThrow('would exceed context deadline')
    },
  )

  it('renewals and signing share their tokens', async () => {
    const { limits, clock, call } = setup()
    await limits.admit(call(sign).context, 500)
    const waiting = limits.admit(call(renew).context)
    expect(await isSettled(waiting)).toBe(false)
    clock.advance(2)
    await waiting
  })

  it('who goes away while waiting gives the place back', async () => {
    const { limits, clock, call } = setup()
    await limits.admit(call(attest).context)
    const first = call(attest)
    const waiting = limits.admit(first.context)
    first.abort(new Error('gone'))
    await expect(waiting).rejects.toMatchObject({ kind: 'unknown', message: 'context canceled' })
    const second = limits.admit(call(attest).context)
    clock.advance(1000)
    await second
  })

  it('switched off, unlimited and local calls never wait', async () => {
    const { limits, call } = setup({ attestation: false, signing: false })
    for (let n = 0; n < 3; n++) await limits.admit(call(attest).context)
    await limits.admit(call(sign).context, 501)
    await limits.admit(call('/spire.api.server.entry.v1.Entry/ListEntries').context, 1e9)
  })

  it('an address that was quiet for two generations starts afresh', async () => {
    const { limits, clock, call } = setup()
    await limits.admit(call(sign).context, 500)
    clock.advance(120_000)
    await limits.admit(call(sign).context, 500)
  })
})

import { FakeClock } from '@mini-spire/runtime/clock.test-kit'
import { expect, it } from 'vitest'
import { FakeCloud } from '../../node-attestor/fake-cloud.test-kit.ts'
import type { VaultSettings } from './vault-config.ts'
import { VaultHttp } from './vault-http.ts'

const secret = 'hvs.CAESIJ'

it.each([secret, `{"auth":{"client_token":"${secret}`, `{"auth":${secret}}`])(
  'an answer that is not JSON is not told: %s [gate 15]',
  async (text) => {
    const address = 'https://vault.test'
    const settings = { address, namespace: '', auth: { method: 'token' } } as VaultSettings
    const http = new FakeCloud({ [`${address}/v1/auth/approle/login`]: { text } })
    const vault = new VaultHttp({ settings, http, clock: new FakeClock() })
    const call = vault.call(
      { method: 'PUT', path: 'auth/approle/login', body: {} },
      new AbortController().signal,
    )
    const error: unknown = await call.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ERR_UPSTREAM_FAILED' })
    expect(String((error as Error).stack)).not.toContain(secret.slice(0, 6))
  },
)

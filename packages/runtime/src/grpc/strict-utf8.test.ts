import { configureTextEncoding, getTextEncoding } from '@bufbuild/protobuf/wire'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../log/logger.ts'
import { HealthCheckRequest, HealthService } from '../proto/grpc/health/v1/health.ts'
import type { CallContext } from './call-context.ts'
import { openHooks } from './call-hooks.ts'
import { createClient, openUnixChannel } from './client.ts'
import { GrpcHost } from './host.ts'
import { installStrictUtf8 } from './strict-utf8.ts'

const notUtf8 = Uint8Array.of(0x0a, 0x02, 0xc3, 0x28)
const read = (): unknown => HealthCheckRequest.decode(notUtf8)

// The setting is one for the process, and whoever came before has made it strict.
beforeEach(() => {
  const lax = new TextDecoder('utf-8')
  configureTextEncoding({ ...getTextEncoding(), decodeUtf8: (bytes) => lax.decode(bytes) })
  expect(read()).toEqual({ service: '\ufffd(' })
})
afterEach(installStrictUtf8)

it('whoever makes a host reads no text that is not UTF-8 from then on', async () => {
  await using _ = new GrpcHost<CallContext>({
    services: [],
    hooks: openHooks,
    clock: systemClock,
    log: silentLogger,
  })
  expect(read).toThrow(TypeError)
})

it('whoever makes a client reads no text that is not UTF-8 from then on', () => {
  using channel = openUnixChannel('/nowhere')
  createClient(HealthService, channel)
  expect(read).toThrow(TypeError)
})

import { setTimeout as sleep } from 'node:timers/promises'
import {
  HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from '@mini-spire/runtime/proto/grpc/health/v1/health'
import { isListening } from '../kit/until-listening.ts'
import { WireClient } from './grpc-wire.ts'

const pauseMs = 5

/** Asks a server for its health over its socket until it says that it serves; a command that asks would be timed with it. */
export async function untilServing(socket: string, timeoutMs: number): Promise<void> {
  const givenUpAt = performance.now() + timeoutMs
  while (!(await isServing(socket))) {
    if (performance.now() > givenUpAt) throw new Error(`${socket}: nobody serves there`)
    await sleep(pauseMs)
  }
}

async function isServing(path: string): Promise<boolean> {
  if (!(await isListening({ path }))) return false
  const client = WireClient.unix(path)
  try {
    const { status } = await client.unary(HealthService.check, { service: '' })
    return status === Status.SERVING
  } catch {
    return false
  } finally {
    client.close()
  }
}

import { createClient } from '@mini-spire/runtime/grpc/client'
import { FederationService } from '@mini-spire/runtime/proto/minispire/api/server/federation/v1/federation'
import { expect, it } from 'vitest'
import { ApiScene } from '../api.test-kit.ts'
import { federationService } from './service.ts'

it('says how each relationship stands, or one', async () => {
  await using scene = new ApiScene()
  const at = new Date(1_800_000_000_123)
  const health = new Map([
    [
      'one.org',
      {
        isStatic: true,
        lastSuccess: at,
        lastFailure: { at, message: 'it was away' },
        failures: 2,
        nextTry: at,
      },
    ],
    [
      'two.org',
      {
        isStatic: false,
        lastSuccess: undefined,
        lastFailure: undefined,
        failures: 0,
        nextTry: undefined,
      },
    ],
  ])
  const channel = await scene.serve(() => federationService({ health: () => health }))
  const client = createClient(FederationService, channel)
  const two = {
    trustDomain: 'two.org',
    isStatic: false,
    lastSuccessMs: 0n,
    lastFailureMs: 0n,
    lastError: '',
    failures: 0,
    nextTryMs: 0n,
  }
  const ms = 1_800_000_000_123n
  expect((await client.listFederationHealth({ trustDomain: '' })).relationships).toEqual([
    {
      trustDomain: 'one.org',
      isStatic: true,
      lastSuccessMs: ms,
      lastFailureMs: ms,
      lastError: 'it was away',
      failures: 2,
      nextTryMs: ms,
    },
    two,
  ])
  const { relationships } = await client.listFederationHealth({ trustDomain: 'two.org' })
  expect(relationships).toEqual([two])
})

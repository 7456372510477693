import { expect, it } from 'vitest'
import {
  agentMessages,
  attestationFields,
  attestationLines,
  missingMessages,
  playOperatorScene,
  serverMessages,
} from '../kit/operator-scene.ts'
import { Scene } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

it.skipIf(isSpireMissing())('SPIRE writes the messages that ours are held to', async () => {
  if (!spire) return
  await using scene = new Scene()
  const logs = await playOperatorScene(scene, spire)
  expect(missingMessages(logs.server, serverMessages)).toEqual([])
  expect(missingMessages(logs.agent, agentMessages)).toEqual([])
  expect(attestationLines(logs.agent)).toEqual(attestationFields)
})

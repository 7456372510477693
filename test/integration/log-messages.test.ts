import { expect, it } from 'vitest'
import {
  agentMessages,
  attestationFields,
  attestationLines,
  missingMessages,
  playOperatorScene,
  serverMessages,
} from '../kit/operator-scene.ts'
import { ours, Scene } from '../kit/processes.ts'

// test/spire/log-messages.test.ts finds the same messages in the logs of SPIRE's programs.
it('what operators wait for in the logs is written as SPIRE writes it', async () => {
  await using scene = new Scene()
  const logs = await playOperatorScene(scene, ours)
  expect(missingMessages(logs.server, serverMessages)).toEqual([])
  expect(missingMessages(logs.agent, agentMessages)).toEqual([])
  expect(attestationLines(logs.agent)).toEqual(attestationFields)
})

import { describe, it } from 'vitest'
import { followKeys, type Pairing } from '../kit/oidc-provider-scenarios.ts'
import { type AllPrograms, ours } from '../kit/processes.ts'
import { isSpireMissing, spire } from './programs.ts'

const theirs: AllPrograms = spire ?? ours
const sides = [
  ['ours', ours],
  ["SPIRE's", theirs],
] as const

const ways: readonly (readonly [string, Pairing])[] = sides.flatMap(([providerName, provider]) =>
  sides.flatMap(([serverName, server]) => {
    const programs = { provider: provider.oidcProvider, server: server.server }
    return [
      [
        `provider ${providerName}, server ${serverName}`,
        { ...programs, agent: server.agent, way: 'server' as const },
      ] as const,
      ...sides.map(
        ([agentName, agent]) =>
          [
            `provider ${providerName}, agent ${agentName}, server ${serverName}`,
            { ...programs, agent: agent.agent, way: 'agent' as const },
          ] as const,
      ),
    ]
  }),
)

describe.skipIf(isSpireMissing())('keys are followed', () => {
  it.each(ways)('%s', async (_, pairing) => await followKeys(pairing))
})

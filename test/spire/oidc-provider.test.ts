import { describe, expect, it } from 'vitest'
import { OidcProviderDeployment } from '../kit/oidc-provider.ts'
import { followKeys, type Pairing } from '../kit/oidc-provider-scenarios.ts'
import { type AllPrograms, ours, type Program, Scene } from '../kit/processes.ts'
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

/** What a provider says from its start to its end, sorted: two of its tasks log side by side. */
async function linesOf(
  program: Program,
  settings: string,
  path: string,
): Promise<readonly string[]> {
  await using scene = new Scene()
  const { daemon, ...provider } = await startWith(scene, program, settings)
  await provider.get(path)
  await daemon.stop()
  return daemon.output
    .replaceAll(scene.folder, '<scene>')
    .replaceAll(/^time="[^"]*" /gm, '')
    .split('\n')
    .sort()
}

async function startWith(scene: Scene, program: Program, settings: string) {
  const source = 'file { path = "/nowhere" }'
  const made = await OidcProviderDeployment.start(scene, { program, source, settings })
  await made.daemon.waitFor('Failed to load SPIFFE trust bundle')
  return { daemon: made.daemon, get: (path: string) => made.get(path) }
}

describe.skipIf(isSpireMissing())('both log the same lines', () => {
  it.each([
    ['', '/keys'],
    ['log_requests = true', '/.well-known/openid-configuration?a=b'],
    ['allow_insecure_scheme = true', '/keys'],
  ])('with %s', async (settings, path) => {
    const [mine, others] = [ours.oidcProvider, theirs.oidcProvider]
    expect(await linesOf(mine, settings, path)).toEqual(await linesOf(others, settings, path))
  })
})

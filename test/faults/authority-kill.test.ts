import { expect, it } from 'vitest'
import { ServerDeployment } from '../kit/deployment.ts'
import { ForcedRotation } from '../kit/forced-rotation.ts'
import { Scene } from '../kit/processes.ts'

/** The IDs of a server's authorities by their states. */
function states(server: ServerDeployment, family: 'x509' | 'jwt'): Record<string, string> {
  const shown = JSON.parse(server.must('localauthority', family, 'show', '-output', 'json'))
  const entries = Object.entries<{ authority_id: string }>(shown)
  return Object.fromEntries(entries.map(([state, { authority_id }]) => [state, authority_id]))
}

it('a server killed after each step of a forced rotation goes on with the next', async () => {
  await using scene = new Scene()
  const server = await ServerDeployment.start(scene)
  await using rotation = new ForcedRotation(server, [])
  const killed = async (): Promise<void> => {
    await server.daemon.stop('SIGKILL')
    await server.restart()
  }
  for (const family of ['x509', 'jwt'] as const) {
    const { active: former = '' } = states(server, family)
    const current = await rotation.prepare(family)
    await killed()
    expect(states(server, family)).toEqual({ active: former, prepared: current })
    await rotation.change(family, 'activate', current)
    await killed()
    expect(states(server, family)).toEqual({ active: current, old: former })
    await rotation.change(family, 'taint', former)
    await killed()
    expect(states(server, family)).toEqual({ active: current, old: former })
    const again = server.cli('localauthority', family, 'taint', '-authorityID', former)
    expect(again.stderr).toContain('is already tainted')
    await rotation.change(family, 'revoke', former)
    await killed()
    expect(states(server, family)).toEqual({ active: current })
  }
})

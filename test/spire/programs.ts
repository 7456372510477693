import type { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import {
  type AllPrograms,
  type Finished,
  ours,
  type Program,
  runProgram,
  spirePrograms,
} from '../kit/processes.ts'

/** SPIRE's programs; the suites here are skipped aloud without them. */
export const spire: AllPrograms | undefined = spirePrograms()

/** Whether the suites must be skipped; says so aloud. */
export function isSpireMissing(): boolean {
  if (spire) return false
  process.stderr.write(
    '\n  SKIPPED ALOUD: SPIRE_BIN_DIR does not name a folder with spire-server and spire-agent\n',
  )
  return true
}

/** Every pairing of our daemons with SPIRE's, as [title, server, agent]. */
export function pairings(): readonly (readonly [string, Program, Program])[] {
  if (!spire) return []
  return [
    ["our server, SPIRE's agent", ours.server, spire.agent],
    ["SPIRE's server, our agent", spire.server, ours.agent],
    ['our server, our agent', ours.server, ours.agent],
  ]
}

/** Registers the user that runs the tests below an agent and returns the new SPIFFE ID. */
export function registerUser(
  server: ServerDeployment,
  parentId: string,
  path: string,
  ...more: readonly string[]
): string {
  const id = `spiffe://${server.trustDomain}${path}`
  const uid = process.getuid?.() ?? 0
  server.must(
    'entry',
    'create',
    '-parentID',
    parentId,
    '-spiffeID',
    id,
    '-selector',
    `unix:uid:${uid}`,
    ...more,
  )
  return id
}

/** The SPIFFE IDs of all attested agents. */
export function agentIds(server: ServerDeployment): readonly string[] {
  const { agents } = JSON.parse(server.must('agent', 'list', '-output', 'json'))
  return agents.map(
    (agent: { id: { trust_domain: string; path: string } }) =>
      `spiffe://${agent.id.trust_domain}${agent.id.path}`,
  )
}

/** Asks until it holds; each question is a process, which paces the loop. */
export function until(holds: () => boolean, what: string): void {
  for (let tries = 0; tries < 240; tries++) {
    if (holds()) return
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
  throw new Error(`never: ${what}`)
}

/** Fetches with an agent's command line until it has an identity; each try takes as long as the agent's own wait. */
export function fetchUntilServed(
  agent: AgentDeployment,
  program: Program,
  ...args: readonly string[]
): Finished {
  let last: Finished = { status: 1, stdout: '', stderr: '' }
  for (let tries = 0; tries < 40; tries++) {
    last = runProgram(program, ['api', 'fetch', ...args, '-socketPath', agent.socket])
    if (last.status === 0) return last
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
  }
  throw new Error(`no identity: ${last.stderr}\n${agent.daemon.output}`)
}

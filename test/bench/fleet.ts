import { EntryService } from '@mini-spire/runtime/proto/spire/api/server/entry/v1/entry'
import { SVIDService } from '@mini-spire/runtime/proto/spire/api/server/svid/v1/svid'
import type { ServerDeployment } from '../kit/deployment.ts'
import { attestAgent, type CsrKit, type SimulatedAgent } from './agents.ts'
import { makeEntries } from './entries.ts'
import type { WireClient } from './grpc-wire.ts'

/** An agent with entries that it may sign for. */
export interface FleetMember {
  readonly agent: SimulatedAgent
  readonly entryIds: readonly string[]
}

/** What a fleet is made with. */
export interface FleetOptions {
  readonly server: ServerDeployment
  readonly kit: CsrKit
  /** A connection to the server's socket. */
  readonly local: WireClient
  readonly agents: number
  readonly entriesEach: number
}

/** Attests agents and gives each entries of its own; there when the last of them may be signed. */
export async function makeFleet(options: FleetOptions): Promise<readonly FleetMember[]> {
  const { server, kit, local, agents, entriesEach } = options
  const fleet: FleetMember[] = []
  for (let index = 0; index < agents; index++) {
    const agent = await attestAgent(server, kit, index)
    const entries = makeEntries(entriesEach, { parentId: agent.id, prefix: `/fleet/${index}` })
    const request = { entries, outputMask: undefined }
    const { results } = await local.unary(EntryService.batchCreateEntry, request)
    fleet.push({ agent, entryIds: results.map((result) => result.entry?.id ?? '') })
  }
  await untilAuthorized(fleet.at(-1), kit.csr)
  return fleet
}

/** SPIRE learns of entries every five seconds: asks until one may be signed. */
async function untilAuthorized(member: FleetMember | undefined, csr: Uint8Array): Promise<void> {
  const params = [{ entryId: member?.entryIds[0] ?? '', csr }]
  for (let tries = 0; tries < 100; tries++) {
    const answer = await member?.agent.client.unary(SVIDService.batchNewX509Svid, { params })
    if (answer?.results[0]?.status?.code === 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the entry never became authorized')
}

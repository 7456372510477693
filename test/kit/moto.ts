import { join } from 'node:path'
import { pythonPeer } from './peers.ts'
import type { Scene } from './processes.ts'
import { root } from './repository.ts'

/** The account whose credentials everybody has. */
export const ownAccount = '123456789012'

/** An instance of EC2, with an ID of the test's choice. */
export interface MotoInstance {
  readonly accountId: string
  readonly region: string
  readonly instanceId: string
  readonly imageId: string
  readonly tags?: Readonly<Record<string, string>>
  /** Name of its instance profile, and the roles in it. */
  readonly profile?: string
  readonly roles?: readonly string[]
  /** @default running */
  readonly state?: 'running' | 'stopped'
}

/** What AWS knows in a scenario. */
export interface MotoScenario {
  readonly instances?: readonly MotoInstance[]
  /** Accounts of the organization, by name. */
  readonly accounts?: Readonly<Record<string, 'open' | 'closed'>>
  readonly cluster?: {
    readonly accountId: string
    readonly region: string
    readonly name: string
    readonly nodegroups: readonly string[]
  }
}

/** AWS as moto plays it. */
export interface Moto {
  /** For a process whose AWS this shall be. */
  readonly environment: Readonly<Record<string, string>>
  /** IDs of the accounts of the organization, by name. */
  readonly accounts: Readonly<Record<string, string>>
  /** IDs of the instances of the cluster, by node group. */
  readonly members: Readonly<Record<string, readonly string[]>>
  /** IDs of the security groups, by instance. */
  readonly groups: Readonly<Record<string, string>>
  /** What it was asked, a line per request. */
  readonly log: () => string
}

/** Starts moto for as long as the scene lasts. */
export async function startMoto(scene: Scene, scenario: MotoScenario): Promise<Moto> {
  const python = await pythonPeer()
  const script = join(root, 'test/interop/python/aws.py')
  const daemon = scene.start({ command: python, args: [script] }, [JSON.stringify(scenario)])
  await daemon.waitFor(/^AWS .*\n/m, { timeoutMs: 60_000 })
  const [, text = ''] = /^AWS (.*)$/m.exec(daemon.output) ?? []
  const told: { endpoint: string } & Partial<Moto> = JSON.parse(text)
  return {
    environment: {
      AWS_ENDPOINT_URL: told.endpoint,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    accounts: told.accounts ?? {},
    members: told.members ?? {},
    groups: told.groups ?? {},
    log: () => daemon.output,
  }
}

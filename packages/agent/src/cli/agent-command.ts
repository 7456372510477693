import { type ClientContext, clientCommand } from '@mini-spire/runtime/cli/client-command'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import type { DurationFlag, FlagsSchema, StringFlag } from '@mini-spire/runtime/cli/flags'
import type { SocketRules } from '@mini-spire/runtime/cli/socket'

/** The flag that chooses the output. */
export const outputFlag = {
  type: 'output',
  usage: 'Desired output format (pretty, json); default: pretty.',
} as const

const timeoutFlag = {
  type: 'duration',
  usage: 'Time to wait for a response',
  valueMs: 5000,
  isCustom: true,
} as const

const instanceFlag = {
  type: 'string',
  usage:
    'Instance name to substitute into socket templates (env SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE).',
} as const

const publicPath = '/tmp/spire-agent/public/api.sock'
const adminPath = '/tmp/spire-agent/private/admin.sock'

/** How the Workload API's socket is found. */
export const publicSocket: SocketRules = {
  defaultPath: publicPath,
  variable: 'SPIRE_AGENT_PUBLIC_SOCKET',
  templateVariable: 'SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE',
  missingTemplate:
    ' SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE environment variable must be defined when using the instance flag',
}

/** Flags that find the Workload API's socket. */
export const publicSocketFlags: {
  readonly socketPath: StringFlag
  readonly instance: StringFlag
} = {
  socketPath: {
    type: 'string',
    usage: 'Path to the SPIRE Agent API Unix domain socket',
    value: publicPath,
  },
  instance: instanceFlag,
}

/** The metadata without which a Workload API refuses a call. */
export const workloadMetadata: Readonly<Record<string, string>> = { 'workload.spiffe.io': 'true' }

/** The flags of every command that calls the Workload API once. */
export interface WorkloadFlagValues {
  readonly timeout: bigint
}

/** A command that talks to an agent. */
export interface AgentCommand<S extends FlagsSchema> {
  readonly name: string
  readonly flags: S
  readonly run: (context: ClientContext<S>) => Promise<number | undefined>
}

interface WorkloadFlags extends FlagsSchema {
  readonly timeout: DurationFlag
}

/** A command that calls the Workload API. */
export interface WorkloadCommand<S extends FlagsSchema> {
  readonly name: string
  readonly flags: S
  readonly run: (context: ClientContext<S & WorkloadFlags>) => Promise<number | undefined>
}

/** Makes a command that calls the Workload API, with `-timeout` for each call. */
export function workloadCommand<const S extends FlagsSchema>(
  command: WorkloadCommand<S>,
): AnyCommand {
  return clientCommand<FlagsSchema>({
    name: command.name,
    flags: { ...command.flags, ...publicSocketFlags, timeout: timeoutFlag },
    socket: publicSocket,
    pathStyle: 'plain',
    errorPrefix: '',
    afterHelp: '',
    repeatsUsageError: true,
    timeoutMsOf: (flags) => workloadCall(flags as unknown as WorkloadFlagValues).timeoutMs,
    run: (context) => command.run(context as unknown as ClientContext<S & WorkloadFlags>),
  })
}

/** Makes a command that talks to the admin socket. */
export function adminCommand<const S extends FlagsSchema>(command: AgentCommand<S>): AnyCommand {
  return clientCommand<FlagsSchema>({
    name: command.name,
    flags: {
      ...command.flags,
      socketPath: {
        type: 'string',
        usage: 'Path to the SPIRE Agent admin API socket',
        value: adminPath,
      },
      output: outputFlag,
    },
    socket: { defaultPath: adminPath },
    pathStyle: 'slashes',
    run: (context) => command.run(context as unknown as ClientContext<S>),
  })
}

/** How one call to the Workload API is made; a timeout of 0 is none. */
export function workloadCall({ timeout }: WorkloadFlagValues): {
  readonly metadata: Readonly<Record<string, string>>
  readonly timeoutMs?: number
} {
  const timeoutMs = Number(timeout) / 1_000_000
  return timeoutMs > 0 ? { metadata: workloadMetadata, timeoutMs } : { metadata: workloadMetadata }
}

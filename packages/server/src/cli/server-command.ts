import { type ClientContext, clientCommand } from '@mini-spire/runtime/cli/client-command'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import type { FlagsSchema } from '@mini-spire/runtime/cli/flags'

const socketFlags = {
  socketPath: {
    type: 'string',
    usage: 'Path to the SPIRE Server API socket',
    value: '/tmp/spire-server/private/api.sock',
  },
  instance: {
    type: 'string',
    usage:
      'Instance name to substitute into socket templates (env SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE).',
  },
} as const

const outputFlag = {
  output: { type: 'output', usage: 'Desired output format (pretty, json); default: pretty.' },
} as const

const socket = {
  defaultPath: socketFlags.socketPath.value,
  variable: 'SPIRE_SERVER_PRIVATE_SOCKET',
  templateVariable: 'SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE',
  missingTemplate: 'you must define SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE to use the instance flag',
} as const

/** A command that asks a server over its API socket. */
export interface ServerCommand<S extends FlagsSchema> {
  readonly name: string
  /** Its own flags; those that find the socket and choose the output are added. */
  readonly flags: S
  /** @default true */
  readonly hasOutput?: boolean
  /** Does the work; resolves to the exit code, 0 unless given. */
  readonly run: (context: ClientContext<S>) => Promise<number | undefined>
}

/** Makes a command that asks a server over its API socket. */
export function serverCommand<const S extends FlagsSchema>(command: ServerCommand<S>): AnyCommand {
  const { name, flags, hasOutput = true, run } = command
  return clientCommand<FlagsSchema>({
    name,
    flags: { ...flags, ...socketFlags, ...(hasOutput ? outputFlag : {}) },
    socket,
    pathStyle: 'slashes',
    run: (context) => run(context as unknown as ClientContext<S>),
  })
}

import { type ClientContext, clientCommand } from '@mini-spire/runtime/cli/client-command'
import type { AnyCommand } from '@mini-spire/runtime/cli/command'
import type { FlagsSchema } from '@mini-spire/runtime/cli/flags'
import { sleep, systemClock } from '@mini-spire/runtime/clock'
import { GrpcError } from '@mini-spire/runtime/grpc/grpc-error'
import { messageOf } from '@mini-spire/sdk/errors'
import { SpiffeWorkloadAPIService } from '@mini-spire/sdk/internal/spiffe/workload/workload'
import { publicSocket, publicSocketFlags, workloadMetadata } from '../agent-command.ts'
import { formatSvids, parseSvids } from './x509-response.ts'

/** The first pause before another attempt, and by how much each is longer. */
const pauseStepMs = 1000
const longestPauseMs = 30_000

/** The number of InvalidArgument, after which there is nothing to wait for. */
const invalidArgument = 3

/** `api watch`: prints every update until it is interrupted, and tries again for ever. */
export const command: AnyCommand = clientCommand({
  name: 'watch',
  flags: publicSocketFlags,
  socket: publicSocket,
  pathStyle: 'plain',
  errorPrefix: '',
  repeatsUsageError: true,
  async run(context) {
    const stop = new AbortController()
    const interrupt = (): void => stop.abort()
    process.once('SIGINT', interrupt)
    try {
      await watch(context, stop.signal)
    } finally {
      process.removeListener('SIGINT', interrupt)
    }
    return 1
  },
})

async function watch<S extends FlagsSchema>(
  context: ClientContext<S>,
  signal: AbortSignal,
): Promise<void> {
  const { terminal } = context
  let updatedAt = process.hrtime.bigint()
  for (let attempt = 1; ; attempt++) {
    try {
      const workload = await context.client(SpiffeWorkloadAPIService)
      const stream = workload.fetchX509Svid({}, { metadata: workloadMetadata, signal })
      for await (const response of stream) {
        const svids = parseSvids(response, systemClock.now()).map((svid) => ({
          ...svid,
          hint: '',
          federated: svid.federated.map(
            ([id, bundle]) => [id.replace('spiffe://', ''), bundle] as const,
          ),
        }))
        const now = process.hrtime.bigint()
        terminal.out(formatSvids(svids, now - updatedAt))
        updatedAt = now
        attempt = 0
      }
    } catch (error) {
      terminal.err(`${messageOf(error)}\n`)
      const isOver = error instanceof GrpcError && error.statusCode === invalidArgument
      if (isOver || signal.aborted) {
        terminal.err(`${messageOf(error)}\n`)
        return
      }
    }
    const pauseMs = Math.min(attempt * pauseStepMs, longestPauseMs)
    if (!(await waitOrStop(pauseMs, signal))) {
      terminal.err('context canceled\n')
      return
    }
  }
}

/** Waits while keeping the process alive, which the clock alone would not. */
async function waitOrStop(pauseMs: number, signal: AbortSignal): Promise<boolean> {
  const { port1, port2 } = new MessageChannel()
  port1.ref()
  try {
    return await sleep(systemClock, pauseMs, signal)
  } finally {
    port1.close()
    port2.close()
  }
}

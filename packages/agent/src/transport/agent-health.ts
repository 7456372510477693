import type { HealthCheck } from '@mini-spire/runtime/health/health-checks'
import { isSpiffeError } from '@mini-spire/sdk/errors'
import { WorkloadApiClient } from '@mini-spire/sdk/workload-api'

/** How long the own Workload API may take to answer. */
const timeoutMs = 5_000

/** Options of {@link agentHealthCheck} and {@link isWorkloadApiServing}. */
export interface AgentHealthOptions {
  /** Undefined: there is no public socket. */
  readonly socketPath: string | undefined
  readonly hasStarted: () => boolean
}

/** The agent is well when its own Workload API answers it; while it starts it is live already. */
export function agentHealthCheck(options: AgentHealthOptions): HealthCheck {
  return {
    name: 'agent',
    check: async () => {
      const isServing = await isWorkloadApiServing(options)
      return {
        isReady: isServing,
        isLive: isServing || !options.hasStarted(),
        isStarting: !options.hasStarted(),
        ...(!isServing && {
          details: { make_new_x509_err: 'workload api is unavailable' },
        }),
      }
    },
  }
}

/** Whether the Workload API answers at all: to have no identity is an answer. */
export async function isWorkloadApiServing(options: AgentHealthOptions): Promise<boolean> {
  const { socketPath, hasStarted } = options
  if (!hasStarted()) return false
  if (socketPath === undefined) return true
  try {
    using client = new WorkloadApiClient({ address: `unix://${socketPath}` })
    await client.fetchX509Bundles({ signal: AbortSignal.timeout(timeoutMs) })
    return true
  } catch (error) {
    return isSpiffeError(error) && error.kind === 'permission-denied'
  }
}

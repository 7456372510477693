import type { FederationHealth } from '@mini-spire/runtime/proto/minispire/api/server/federation/v1/federation'

/** How the fetching of a bundle goes, as people read it. */
export function formatHealth(health: FederationHealth): string {
  const { isStatic, lastSuccessMs, lastFailureMs, lastError, failures, nextTryMs } = health
  const lines = [
    `Configured                : ${isStatic ? 'in the configuration' : 'at run time'}`,
    `Bundle last seen          : ${timeOf(lastSuccessMs) ?? 'not since the server started'}`,
    `Next try                  : ${timeOf(nextTryMs) ?? 'now'}`,
  ]
  const failedAt = timeOf(lastFailureMs)
  if (failedAt !== undefined) {
    lines.push(`Failures since            : ${failures}`)
    lines.push(`Last failure              : ${failedAt}`)
    lines.push(`Last error                : ${lastError}`)
  }
  return `${lines.join('\n')}\n`
}

function timeOf(ms: bigint): string | undefined {
  return ms === 0n ? undefined : new Date(Number(ms)).toISOString()
}

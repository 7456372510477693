/**
 * How much processor time a step takes, in milliseconds: what a machine that stalls or is shared adds to the time on the
 * wall is not in it.
 */
export async function cpuMsOf(step: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await step()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

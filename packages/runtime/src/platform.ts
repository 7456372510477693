/** The first release of each line of Node whose HTTP/2 does not leak sessions (CVE-2026-21714). */
const safeReleases: ReadonlyMap<number, readonly [minor: number, patch: number]> = new Map([
  [20, [20, 2]],
  [22, [22, 2]],
  [24, [14, 1]],
])

/**
 * Why a daemon does not run on this platform, or undefined.
 *
 * Peers of Unix sockets are known by what Linux says of them; elsewhere nothing would be attested.
 */
export function platformRefusal(platform: NodeJS.Platform = process.platform): string | undefined {
  if (platform === 'linux') return undefined
  return `mini-spire does not run on ${platform}: workloads are attested by what Linux says of their processes; run it on Linux`
}

/** Why this release of Node should be replaced, or undefined. */
export function nodeWarning(release: string = process.versions.node): string | undefined {
  const [major = 0, minor = 0, patch = 0] = release.split('.').map(Number)
  const oldest = safeReleases.get(major)
  const isOld = oldest
    ? minor < oldest[0] || (minor === oldest[0] && patch < oldest[1])
    : major < Math.max(...safeReleases.keys())
  if (!isOld) return undefined
  return `Node ${release} leaks HTTP/2 sessions (CVE-2026-21714); use 20.20.2, 22.22.2, 24.14.1 or newer`
}

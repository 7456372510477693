/** What a cgroup path says of a container. */
export interface ContainerNames {
  /** 64 hexadecimal digits, as written; empty: none. */
  readonly containerId: string
  /** With dashes; empty: none. */
  readonly podUid: string
}

/** Nothing was found. */
export const noContainer: ContainerNames = { containerId: '', podUid: '' }

const containerIdPattern = /\b([0-9a-fA-F]{64})\b/
const podUidPattern =
  /\bpod([0-9a-fA-F]{8}[-_][0-9a-fA-F]{4}[-_][0-9a-fA-F]{4}[-_][0-9a-fA-F]{4}[-_][0-9a-fA-F]{12})\b/

/**
 * Finds the container in a cgroup path: segments are looked at from the last to the first, and the pod UID is looked for
 * only in front of the container ID. The systemd driver writes a pod's dashes as underscores.
 */
export function readContainerPath(path: string): ContainerNames {
  const segments = path.split('/')
  while (segments.length > 0) {
    const segment = segments.pop() ?? ''
    // A path is read backwards as long as its segments are not empty: `//` ends it, as does its beginning.
    if (segment === '') break
    const found = containerIdPattern.exec(segment)
    if (!found?.[1]) continue
    const rest = segment.slice(0, found.index)
    if (rest !== '') segments.push(rest)
    return { containerId: found[1], podUid: findPodUid(segments) }
  }
  return noContainer
}

function findPodUid(segments: readonly string[]): string {
  for (const segment of segments.toReversed()) {
    if (segment === '') break
    const uid = podUidPattern.exec(segment)?.[1]
    if (uid !== undefined) return uid.replaceAll('_', '-')
  }
  return ''
}

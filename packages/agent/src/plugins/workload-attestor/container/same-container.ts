import { type Cgroup, readCgroups } from './cgroups.ts'

/**
 * Whether a process may sit in a container whose main process is known: in each hierarchy in which both are placed in a
 * group of that container's name, it is the same group.
 *
 * A user to whom a control group is delegated can make groups of any name below it, another's container ID too, and move
 * into them. Only where the group is shows whose it is. What cannot be compared (a main process that has gone, or that
 * this machine does not show) does not speak against it.
 *
 * @param procPath `/proc`
 */
export function mayBeInContainer(
  procPath: string,
  pids: { readonly pid: number; readonly mainPid: number },
  containerId: string,
): boolean {
  const main = groupsNamed(`${procPath}/${pids.mainPid}`, containerId)
  if (main.size === 0) return true
  for (const [controllers, group] of groupsNamed(`${procPath}/${pids.pid}`, containerId)) {
    const expected = main.get(controllers)
    if (expected !== undefined && expected !== group) return false
  }
  return true
}

/** The container's group in each hierarchy: the path up to the segment that names the container. */
function groupsNamed(folder: string, containerId: string): ReadonlyMap<string, string> {
  const groups = new Map<string, string>()
  for (const { controllers, path } of cgroupsOf(folder)) {
    const segments = path.split('/')
    const last = segments.findLastIndex((segment) => segment.includes(containerId))
    if (last >= 0) groups.set(controllers, segments.slice(0, last + 1).join('/'))
  }
  return groups
}

function cgroupsOf(folder: string): readonly Cgroup[] {
  try {
    return readCgroups(folder)
  } catch {
    return []
  }
}

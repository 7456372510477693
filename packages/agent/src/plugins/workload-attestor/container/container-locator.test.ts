import { silentLogger } from '@mini-spire/runtime/log/logger'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ContainerLocator } from './container-locator.ts'
import { readContainerPath } from './container-path.ts'
import { FakeProc } from './proc.test-kit.ts'
import { mayBeInContainer } from './same-container.ts'

const one = '0123456789abcdef'.repeat(4)
const other = 'fedcba9876543210'.repeat(4)
const uid = '00000000-1111-2222-3333-444444444444'
const scope = `kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-${one}.scope`

let proc: FakeProc
beforeEach(() => {
  proc = new FakeProc()
})
afterEach(() => proc[Symbol.dispose]())

let lines: [string, unknown][]
beforeEach(() => {
  lines = []
})

function locate(findsPodUid = true): { containerId: string; podUid: string } {
  const log = {
    ...silentLogger,
    debug: (line: string, fields?: object) => void lines.push([line, fields]),
  }
  const options = { attestor: 'k8s', procPath: proc.path, isVerbose: true, log }
  return new ContainerLocator({ ...options, findsPodUid }).locate(7)
}

describe('a cgroup path', () => {
  it.each([
    [`/docker/${one}`, one, ''],
    [`/system.slice/docker-${one}.scope`, one, ''],
    [`/docker/${one}/init.scope`, one, ''],
    [`/../${one}`, one, ''],
    [`/kubepods/burstable/pod${uid}/${one}`, one, uid],
    [`/kubelet.slice/kubelet-kubepods.slice/kubelet-${scope}`, one, uid],
    [`/${scope.replace('/cri-containerd-', ':cri-containerd:').replace('.scope', '')}`, one, uid],
    [`/docker/${other}/kubepods/besteffort/pod${uid}/${one}`, one, uid],
    // The last segment decides, and a pod is only looked for in front of the container.
    [`/${one}/${other}`, other, ''],
    [`/${one}/pod${uid}`, one, ''],
    ['/user.slice/user-1000.slice/session-2.scope', '', ''],
    [`/docker/${one}0`, '', ''],
    [`/docker/x${one}`, '', ''],
    [`/docker/${one}/`, '', ''],
    ['/', '', ''],
    ['', '', ''],
  ])('%s names container %s of pod %s', (path, containerId, podUid) => {
    expect(readContainerPath(path)).toEqual({ containerId, podUid })
  })
})

describe('the container of a process', () => {
  it.each([
    ['cgroup v2', [`0::/system.slice/docker-${one}.scope`], one, ''],
    ['cgroup v1', [`12:pids:/docker/${one}`, `1:name=systemd:/docker/${one}`], one, ''],
    ['hybrid', [`4:cpu,cpuacct:/docker/${one}`, `0::/docker/${one}`], one, ''],
    [
      'a pod in a container that is a node',
      [`1:cpuset:/docker/${other}/kubepods/pod${uid}/${one}`, `0::/docker/${other}/system.slice`],
      one,
      uid,
    ],
    [
      'a pod after its node',
      [`0::/docker/${other}`, `1:cpu:/docker/${other}/pod${uid}/${one}`],
      one,
      uid,
    ],
    ['no container', ['0::/user.slice'], '', ''],
  ])('is found in %s', (_, cgroup, containerId, podUid) => {
    proc.put(7, cgroup)
    expect(locate()).toEqual({ containerId, podUid })
  })

  it('is none for a process that is not there', () => {
    expect(locate()).toEqual({ containerId: '', podUid: '' })
  })

  it('is refused when groups name two', () => {
    proc.put(7, [`2:pids:/docker/${one}`, `1:cpu:/docker/${other}`])
    expect(() => locate()).toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_CONTAINER_CONFLICT',
        kind: 'failed-precondition',
        message: `workloadattestor(k8s): multiple container IDs found ("${one}", "${other}")`,
      }),
    )
    proc.put(7, [`2:pids:/docker/${one}`, '1:cpu:/user.slice'])
    expect(() => locate()).toThrow(`multiple container IDs found ("${one}", "")`)
  })

  it('is refused when groups name two pods', () => {
    const second = uid.replace('4', '5')
    proc.put(7, [`2:pids:/pod${uid}/${one}`, `1:cpu:/pod${second}/${one}`])
    expect(() => locate()).toThrow(`multiple pod UIDs found ("${uid}", "${second}")`)
    expect(locate(false)).toEqual({ containerId: one, podUid: '' })
  })

  it('is refused when the account cannot be read', () => {
    proc.put(7, ['0:/docker'])
    expect(() => locate()).toThrow(
      expect.objectContaining({
        code: 'ERR_WORKLOAD_UNREADABLE',
        message:
          'workloadattestor(k8s): unable to obtain cgroups: invalid cgroup entry, contains 2 colon separated fields but expected at least 3: "0:/docker"',
      }),
    )
  })
})

describe('what a process sees mounted', () => {
  const mount = (root: string, type = 'cgroup2'): string =>
    `1543 1542 0:32 ${root} /sys/fs/cgroup ro,nosuid - ${type} cgroup rw,nsdelegate`

  it.each([
    ['cgroup v2', [mount(`/../../${scope}`)], one, uid],
    ['cgroup v1', [mount('/', 'tmpfs'), mount(`/docker/${one}`, 'cgroup')], one, ''],
    ['mounts of the whole tree beside', [mount('/'), mount(`/docker/${one}`)], one, ''],
    [
      'a mount without a source',
      [mount(`/docker/${one}`), '9 6 0:68 / /x rw - tmpfs  rw,size=8k'],
      one,
      '',
    ],
    ['no cgroup mount', [mount(`/docker/${one}`, 'ext4')], '', ''],
  ])('names the container of a process at the root of our view: %s', (_, mounts, id, pod) => {
    proc.put(7, ['0::/'], mounts)
    expect(locate()).toEqual({ containerId: id, podUid: pod })
    proc.put(7, undefined, mounts)
  })

  it('is logged when asked for, and so is the account of the kernel', () => {
    proc.put(7, ['0::/'], [mount(`/docker/${one}`), mount('/x', 'ext4')])
    locate()
    expect(lines).toEqual([
      ['PID cgroup enumerated', { pid: 7, index: 1, total: 1, path: '/' }],
      [
        'PID mount enumerated',
        { pid: 7, index: 1, total: 2, type: 'cgroup2', root: `/docker/${one}` },
      ],
      ['PID mount enumerated', { pid: 7, index: 2, total: 2, type: 'ext4', root: '/x' }],
    ])
  })

  it('does not count for a process that the kernel places elsewhere: it may have mounted it itself', () => {
    proc.put(7, ['0::/user.slice/user-1000.slice'], [mount(`/docker/${other}`)])
    expect(locate()).toEqual({ containerId: '', podUid: '' })
    proc.put(7, [`0::/docker/${one}`], [mount(`/docker/${other}`)])
    expect(locate().containerId).toBe(one)
  })

  it('is refused when it names two, or cannot be read', () => {
    proc.put(7, ['0::/'], [mount(`/docker/${one}`), mount(`/docker/${other}`)])
    expect(() => locate()).toThrow('multiple container IDs found')
    for (const line of ['1 2 3', '1 2 0:3 / /x - cgroup2', '1 2 0:3 / /x rw -']) {
      proc.put(7, ['0::/'], [line])
      expect(() => locate()).toThrow('failed to parse mount info at')
    }
  })
})

describe('a group of the same name', () => {
  const pids = { pid: 7, mainPid: 8 }

  it('is the container when it lies where the main process is', () => {
    proc.put(8, [`2:cpu:/docker/${one}`, `0::/docker/${one}/init.scope`])
    proc.put(7, [`2:cpu:/docker/${one}`, `0::/docker/${one}/system.slice/web.service`])
    expect(mayBeInContainer(proc.path, pids, one)).toBe(true)
  })

  it('is not when a user made it in a subtree of his own', () => {
    proc.put(8, [`0::/docker/${one}`])
    for (const path of [
      `/user.slice/user-1000.slice/${one}`,
      `/docker/${other}/${one}`,
      `/x/docker/${one}`,
    ]) {
      proc.put(7, [`0::${path}`])
      expect(mayBeInContainer(proc.path, pids, one)).toBe(false)
    }
  })

  it('is given the benefit of the doubt where nothing can be compared', () => {
    proc.put(7, [`0::/docker/${one}`])
    expect(mayBeInContainer(proc.path, pids, one)).toBe(true)
    proc.put(8, ['0::/system.slice'])
    expect(mayBeInContainer(proc.path, pids, one)).toBe(true)
    proc.put(8, [`3:cpu:/elsewhere/${one}`])
    expect(mayBeInContainer(proc.path, pids, one)).toBe(true)
  })
})

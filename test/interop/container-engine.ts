import { copyFileSync } from 'node:fs'
import { hasProgram, missingPeer } from '../kit/peers.ts'
import {
  type Daemon,
  type Finished,
  type Program,
  runProgram,
  type Scene,
} from '../kit/processes.ts'

/** What containers are run with. */
export type EngineName = 'docker' | 'podman'

const packages: Readonly<Record<EngineName, string>> = {
  docker: 'docker.io runc',
  podman: 'podman runc',
}

/** Whether an engine cannot be run here; says so aloud. */
export function isEngineMissing(name: EngineName): boolean {
  const install = `apt-get install ${packages[name]}, and run as root`
  const programs = name === 'docker' ? ['dockerd', 'docker', 'runc'] : ['podman', 'runc']
  const isRoot = process.geteuid?.() === 0
  if (isRoot && programs.every((program) => hasProgram(program, '--version'))) return false
  return missingPeer(`the ${name} engine`, install)
}

/** A container engine of one test, with storage and socket of its own; nothing of the machine's is touched. */
export class Engine {
  readonly socket: string
  #daemon: Daemon | undefined
  readonly #scene: Scene
  readonly #cli: Program
  readonly #runFlags: readonly string[]

  private constructor(scene: Scene, name: EngineName) {
    this.#scene = scene
    this.socket = scene.path(`${name}.sock`)
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000']
    this.#cli = name === 'docker' ? this.#docker() : this.#podman()
    this.#runFlags = name === 'docker' ? [] : limits
  }

  /** Starts an engine and waits until it answers. */
  static async start(scene: Scene, name: EngineName): Promise<Engine> {
    const engine = new Engine(scene, name)
    const daemon = engine.#serve(name)
    engine.#daemon = daemon
    for (let tries = 0; tries < 100; tries++) {
      if (hasProgram('curl', '-sf', '--unix-socket', engine.socket, 'http://x/_ping')) return engine
      if (daemon.hasEnded) break
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
    throw new Error(`${name} does not answer: ${daemon.lastWords}`)
  }

  /** Makes an image that holds one static program, `/program`, and returns the digest of its configuration. */
  importImage(tag: string, program: string): string {
    const folder = this.#scene.makeFolder(`image-${tag.replace(':', '-')}`)
    copyFileSync(program, `${folder}/program`)
    const archive = this.#scene.path('image.tar')
    this.#must(runProgram({ command: 'tar', args: [] }, ['-C', folder, '-cf', archive, '.']))
    const printed = this.#must(runProgram(this.#cli, ['import', archive, tag]))
    return /sha256:[0-9a-f]{64}/.exec(printed)?.[0] ?? ''
  }

  /** Runs a container to its end. */
  run(image: string, flags: readonly string[], args: readonly string[]): Finished {
    const common = ['run', '--rm', '--network', 'none', ...this.#runFlags]
    return runProgram(this.#cli, [...common, ...flags, image, '/program', ...args])
  }

  /** Ends the engine and lets it undo its mounts, without which its folder could not be removed. */
  async stop(): Promise<void> {
    await this.#daemon?.stop('SIGTERM')
  }

  #must(done: Finished): string {
    if (done.status !== 0) throw new Error(`${done.stderr}${done.stdout}`)
    return done.stdout
  }

  #docker(): Program {
    return { command: 'docker', args: ['-H', `unix://${this.socket}`] }
  }

  #podman(): Program {
    const storage = ['--root', this.#scene.makeFolder('podman')]
    const state = ['--runroot', this.#scene.makeFolder('podman-run')]
    const how = ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--storage-driver', 'vfs']
    return { command: 'podman', args: [...how, ...storage, ...state] }
  }

  #serve(name: EngineName): Daemon {
    if (name === 'podman') {
      return this.#scene.start(this.#cli, [
        'system',
        'service',
        '--time',
        '0',
        `unix://${this.socket}`,
      ])
    }
    const folders = ['--data-root', this.#scene.makeFolder('docker')]
    const state = ['--exec-root', this.#scene.makeFolder('docker-run')]
    const pid = ['--pidfile', this.#scene.path('docker.pid'), '-H', `unix://${this.socket}`]
    const network = ['--bridge=none', '--iptables=false', '--storage-driver=vfs']
    return this.#scene.start({ command: 'dockerd', args: [] }, [
      ...network,
      ...folders,
      ...state,
      ...pid,
    ])
  }
}

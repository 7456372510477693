import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { root } from './repository.ts'

/** A program and the arguments that always come first. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
}

/** The four daemons a scenario may be made of. */
export interface Programs {
  readonly server: Program
  readonly agent: Program
}

/** These, and what runs beside them. */
export interface AllPrograms extends Programs {
  readonly oidcProvider: Program
}

/** Our daemons, as built, on the Node that runs the tests. */
export const ours: AllPrograms = {
  server: {
    command: process.execPath,
    args: [join(root, 'packages/server/bin/mini-spire-server.js')],
  },
  agent: {
    command: process.execPath,
    args: [join(root, 'packages/agent/bin/mini-spire-agent.js')],
  },
  oidcProvider: {
    command: process.execPath,
    args: [join(root, 'packages/server/bin/mini-oidc-discovery-provider.js')],
  },
}

/** SPIRE's programs, when `SPIRE_BIN_DIR` names their folder. */
export function spirePrograms(): AllPrograms | undefined {
  const folder = process.env['SPIRE_BIN_DIR']
  if (folder === undefined || folder === '') return undefined
  return {
    server: { command: join(folder, 'spire-server'), args: [] },
    agent: { command: join(folder, 'spire-agent'), args: [] },
    oidcProvider: { command: join(folder, 'oidc-discovery-provider'), args: [] },
  }
}

/** No command takes so long, an installation from a slow registry apart; one that hangs ends nevertheless. */
const longestRunMs = 240_000

/** What a finished command left behind. */
export interface Finished {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. */
export function runProgram(program: Program, args: readonly string[], input?: string): Finished {
  const done = spawnSync(program.command, [...program.args, ...args], {
    encoding: 'utf8',
    timeout: longestRunMs,
    ...(input === undefined ? {} : { input }),
  })
  return { status: done.status, stdout: done.stdout, stderr: done.stderr }
}

/** Runs a program to its end, while everything else in this process goes on. */
export function finishProgram(program: Program, args: readonly string[]): Promise<Finished> {
  const child = spawn(program.command, [...program.args, ...args], { timeout: longestRunMs })
  const seen = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      seen[stream] += text
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, ...seen }))
  })
}

const longestPrintMs = 1_000
/** As many of a daemon's last lines belong to a failure: a reader of it sees its beginning only. */
const shownLines = 12
/** Daemons that ended by themselves, and not well, since the test file began. */
const fallen: Daemon[] = []

/** What daemons said at their end that nobody had told to end; expected or not, it is the reason when a caller of theirs fails. */
export function fallenDaemons(): readonly string[] {
  return fallen.map(({ lastWords }) => lastWords)
}

/** Where and with which further environment a process runs. */
export interface DaemonOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/**
 * A process that runs until it is told to stop. What it prints is kept, and can be waited for.
 */
export class Daemon {
  readonly process: ChildProcess
  readonly #name: string
  /** Resolves to the exit code, or to the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  #output = ''
  readonly #watchers = new Set<() => void>()
  #ending: number | NodeJS.Signals | undefined
  /** It has ended, and all that it printed has been read. */
  #isComplete = false

  constructor(program: Program, args: readonly string[], options: DaemonOptions = {}) {
    this.#name = basename(program.args.at(-1) ?? program.command)
    this.process = spawn(program.command, [...program.args, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    })
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.#output += data.toString('utf8')
        this.#notify()
      })
    }
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject)
      this.process.once('exit', (code, signal) => {
        const ending = signal ?? code ?? -1
        this.#ending = ending
        if (signal ? !this.process.killed : code !== 0) fallen.push(this)
        const finish = (): void => {
          clearTimeout(timer)
          this.#isComplete = true
          this.#notify()
          resolve(ending)
        }
        // What it printed last may still be on its way; a child of its own may keep the pipe open for long.
        this.process.once('close', finish)
        const timer = setTimeout(finish, longestPrintMs)
      })
    })
  }

  get output(): string {
    return this.#output
  }

  get hasEnded(): boolean {
    return this.#ending !== undefined
  }

  /** Whether and how it has ended, and what it printed last. */
  get lastWords(): string {
    const state = this.#ending === undefined ? 'runs' : `ended with ${this.#ending}`
    return `${this.#name} ${state}; its last lines:\n${this.#output.trimEnd().split('\n').slice(-shownLines).join('\n')}`
  }

  /**
   * Resolves when the output has the text (`times` times), fails when the process ends before or the time is up.
   */
  async waitFor(
    text: string | RegExp,
    options: { readonly times?: number; readonly timeoutMs?: number } = {},
  ): Promise<void> {
    const { times = 1, timeoutMs = 30_000 } = options
    const found = (): boolean => this.#output.split(text).length > times
    await this.waitUntil(found, timeoutMs, `${text}`)
  }

  /** Resolves when the condition holds; it is asked whenever the process prints. */
  async waitUntil(condition: () => boolean, timeoutMs: number, what: string): Promise<void> {
    if (condition()) return
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#watchers.delete(watch)
        if (error) reject(error)
        else resolve()
      }
      const watch = (): void => {
        if (condition()) finish()
        else if (this.#isComplete) finish(new Error(`no "${what}": ${this.lastWords}`))
      }
      const timer = setTimeout(
        () => finish(new Error(`no "${what}" in ${timeoutMs} ms: ${this.lastWords}`)),
        timeoutMs,
      )
      this.#watchers.add(watch)
      watch()
    })
  }

  /** Stops it as an operator does and returns how it ended. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    if (!this.hasEnded) this.process.kill(signal)
    return this.ended
  }

  #notify(): void {
    for (const watch of [...this.#watchers]) watch()
  }
}

/** A folder of its own for a scenario, and everything that must stop when it ends. */
export class Scene implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'mini-spire-test-'))
  readonly #daemons: Daemon[] = []
  readonly #closers: (() => Promise<void>)[] = []

  path(...names: readonly string[]): string {
    return join(this.folder, ...names)
  }

  makeFolder(...names: readonly string[]): string {
    const folder = this.path(...names)
    mkdirSync(folder, { recursive: true })
    return folder
  }

  start(program: Program, args: readonly string[], options: DaemonOptions = {}): Daemon {
    const daemon = new Daemon(program, args, options)
    this.#daemons.push(daemon)
    return daemon
  }

  /** Has something closed when the scenario ends, after its daemons. */
  defer(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons) await daemon.stop('SIGKILL')
    for (const close of this.#closers) await close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Below the ports that systems give to connections: one of those could be taken by a connection before a daemon listens there. */
const portsOfAll = { first: 10_000, ranges: 11, each: 2_000 }
const range = (Number(process.env['VITEST_POOL_ID'] ?? '1') - 1) % portsOfAll.ranges
/** Test processes that run at the same time have ports of their own, those that run one after the other begin at different ones. */
const firstPort = portsOfAll.first + range * portsOfAll.each
let portsGiven = process.pid * 487

/** A TCP port of the loopback address that was free a moment ago, and that this process did not give out lately. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + (portsGiven++ % portsOfAll.each)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false))
    probe.listen(port, () => probe.close(() => resolve(true)))
  })
}

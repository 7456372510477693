import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import type { Readable } from 'node:stream'
import { PluginError } from './plugin-error.ts'
import type { Program } from './program.ts'

/**
 * What runs between this process and a plugin: it asks the kernel to kill the plugin when this process ends in any way,
 * gives SIGPIPE its usual meaning back, unblocks signals, keeps every descriptor but the plugin's from it (Node keeps even
 * its standard streams), and becomes the plugin. Node can do none of it between fork and exec. Text, because it has to start from sources and from a bundle alike.
 */
const launcher = `
const [koffiPath, parent, path, ...argv] = process.argv.slice(1)
const koffi = require(koffiPath)
const fs = require('node:fs')
const libc = koffi.load(null)
libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')(1, 9, 0, 0, 0)
if (process.ppid !== Number(parent)) throw new Error('the host has ended')
libc.func('void *signal(int, void *)')(13, null)
libc.func('int sigprocmask(int, void *, void *)')(2, Buffer.alloc(128), null)
const fcntl = libc.func('int fcntl(int, int, int)')
for (const fd of fs.readdirSync('/proc/self/fd').map(Number)) {
  fcntl(fd, 2, fd <= 2 || path === '/proc/self/fd/' + fd ? 0 : 1)
}
const environment = Object.entries(process.env).map(([name, value]) => name + '=' + value)
libc.func('int execve(str, str *, str *)')(path, [...argv, null], [...environment, null])
fs.writeSync(3, koffi.errno() + '')
process.exitCode = 126
`

/** Which descriptors the launcher finds: how exec failed goes to one, the checked program is the other. */
const failureDescriptor = 3
const programDescriptor = 4

/** What a plugin's process is started with. */
export interface LaunchOptions {
  readonly program: Program
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** A started plugin: its process, and the two streams that it prints to. */
export interface LaunchedProcess {
  readonly child: ChildProcess
  readonly stdout: Readable
  readonly stderr: Readable
}

/** Names of variables that are about this program, not about its plugins. */
const ownVariables = ['NODE_OPTIONS', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE']

/**
 * Starts a plugin's program. It gets no standard input and none of our descriptors; it dies when this process does.
 *
 * @throws {PluginError} `ERR_PLUGIN_LAUNCH` when the system does not run it
 */
export async function launch({
  program,
  args,
  environment,
}: LaunchOptions): Promise<LaunchedProcess> {
  const koffi = createRequire(import.meta.url).resolve('koffi')
  const isCopy = program.descriptor !== undefined
  const path = isCopy ? `/proc/self/fd/${programDescriptor}` : program.path
  const env: Record<string, string> = { ...environment }
  for (const name of ownVariables) delete env[name]
  const child = spawn(
    process.execPath,
    ['-e', launcher, '--', koffi, String(process.pid), path, program.path, ...args],
    { env, stdio: ['ignore', 'pipe', 'pipe', 'pipe', isCopy ? program.descriptor : 'ignore'] },
  )
  const stdout = child.stdout as Readable
  const stderr = child.stderr as Readable
  for (const stream of [stdout, stderr]) stream.on('error', () => {})
  const errno = await failureOf(child)
  if (errno !== '') {
    throw new PluginError('ERR_PLUGIN_LAUNCH', `fork/exec ${program.path}: ${errnoText(errno)}`)
  }
  return { child, stdout, stderr }
}

/** The error number with which exec failed; empty when it did not. */
function failureOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const pipe = child.stdio[failureDescriptor] as Readable
    let text = ''
    child.once('error', (cause) => {
      const why = `could not start the launcher: ${cause.message}`
      reject(new PluginError('ERR_PLUGIN_LAUNCH', why, { cause }))
    })
    pipe.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    pipe.once('error', () => resolve(text))
    pipe.once('end', () => resolve(text))
  })
}

const errnoTexts: Readonly<Record<string, string>> = {
  '2': 'no such file or directory',
  '8': 'exec format error',
  '13': 'permission denied',
  '20': 'not a directory',
  '26': 'text file busy',
}

function errnoText(errno: string): string {
  return errnoTexts[errno] ?? `errno ${errno}`
}

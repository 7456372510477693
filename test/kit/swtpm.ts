import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hasProgram, missingPeer } from './peers.ts'
import type { Scene } from './processes.ts'

/** Whether a TPM cannot be played here; says so aloud. */
export function isSwtpmMissing(): boolean {
  const programs = ['swtpm', 'swtpm_setup', 'swtpm_localca', 'tpm2_create']
  if (programs.every((one) => hasProgram('sh', '-c', `command -v ${one}`))) return false
  return missingPeer('swtpm', 'apt-get install swtpm swtpm-tools tpm2-tools')
}

/** How the key of a DevID is made. */
export interface DevIdKeyOptions {
  /** As tpm2_create takes it. @default 'rsa2048:rsassa-sha256:null' */
  readonly algorithm?: string
  /** As tpm2_create takes them. @default the attributes that a DevID has */
  readonly attributes?: string
  /** @default none */
  readonly password?: string
}

/** A device identity in files; the blobs without their size in front, as SPIRE's agent takes them. */
export interface DevIdFiles {
  readonly certificate: string
  readonly privateBlob: string
  readonly publicBlob: string
}

const devIdAttributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'
const storageRootAttributes =
  'restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda'

/** A TPM 2.0 (the emulator swtpm) with an endorsement certificate of a manufacturer of its own, on a Unix socket. */
export class Swtpm {
  /** Where commands go. */
  readonly socket: string
  /** Who vouches for the TPM, PEM. */
  readonly endorsementRoots: string
  readonly #folder: string

  private constructor(folder: string) {
    this.#folder = folder
    this.socket = join(folder, 'tpm')
    this.endorsementRoots = join(folder, 'endorsement-roots.pem')
  }

  /** Makes a TPM, as its manufacturer does, and starts it. It stops with the scene. */
  static start(scene: Scene, name = 'tpm'): Swtpm {
    const folder = scene.makeFolder(name)
    const tpm = new Swtpm(folder)
    const state = manufacture(folder)
    const authority = (file: string): string => readFileSync(join(folder, 'ca', file), 'utf8')
    writeFileSync(
      tpm.endorsementRoots,
      authority('issuercert.pem') + authority('swtpm-localca-rootca-cert.pem'),
    )
    const pid = join(folder, 'pid')
    const server = `type=unixio,path=${tpm.socket}`
    const control = `type=unixio,path=${tpm.socket}.ctrl`
    run(
      'swtpm',
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${state}`,
      '--server',
      server,
      '--ctrl',
      control,
      '--flags',
      'not-need-init,startup-clear',
      '--daemon',
      '--pid',
      `file=${pid}`,
    )
    scene.defer(async () => {
      process.kill(Number(readFileSync(pid, 'utf8')))
    })
    return tpm
  }

  /** Runs one of tpm2-tools. */
  tool(name: string, ...args: readonly string[]): string {
    return execFileSync(name, args, {
      cwd: this.#folder,
      encoding: 'utf8',
      env: { ...process.env, TPM2TOOLS_TCTI: `swtpm:path=${this.socket}` },
    })
  }

  path(name: string): string {
    return join(this.#folder, name)
  }

  /** Keys and sessions that are loaded, by their handles. */
  loaded(): string {
    const parts = ['handles-transient', 'handles-loaded-session']
    return parts.map((one) => this.tool('tpm2_getcap', one)).join('')
  }

  /** Makes a DevID key in the TPM and has it certified, as the documentation tells operators to. */
  makeDevId(name: string, authority: DevIdAuthority, options: DevIdKeyOptions = {}): DevIdFiles {
    const { algorithm = 'rsa2048:rsassa-sha256:null', attributes = devIdAttributes } = options
    const root = algorithm.startsWith('rsa') ? 'rsa2048:aes128cfb' : 'ecc256:aes128cfb'
    const [privateBlob, publicBlob] = [this.path(`${name}.priv`), this.path(`${name}.pub`)]
    this.tool(
      'tpm2_createprimary',
      '-Q',
      '-C',
      'o',
      '-G',
      root,
      '-g',
      'sha256',
      '-a',
      storageRootAttributes,
      '-c',
      'srk.ctx',
    )
    this.tool(
      'tpm2_create',
      '-Q',
      '-C',
      'srk.ctx',
      '-G',
      algorithm,
      '-g',
      'sha256',
      '-a',
      attributes,
      '-u',
      publicBlob,
      '-r',
      privateBlob,
      ...(options.password ? ['-p', options.password] : []),
    )
    this.tool('tpm2_flushcontext', '-t')
    const publicKey = this.path(`${name}.pem`)
    writeFileSync(publicKey, this.tool('tpm2_print', '-t', 'TPM2B_PUBLIC', '-f', 'pem', publicBlob))
    for (const blob of [publicBlob, privateBlob])
      writeFileSync(blob, readFileSync(blob).subarray(2))
    const certificate = this.path(`${name}.crt`)
    authority.certify({ publicKey, subject: `/CN=${name}`, certificate })
    return { certificate, privateBlob, publicBlob }
  }
}

/** Who certifies devices. */
export class DevIdAuthority {
  /** PEM. */
  readonly certificate: string
  readonly #key: string

  constructor(scene: Scene, name = 'devid-ca') {
    this.certificate = scene.path(`${name}.pem`)
    this.#key = scene.path(`${name}.key`)
    run(
      'openssl',
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      this.#key,
      '-out',
      this.certificate,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    )
  }

  /** Certifies a public key, PEM. */
  certify(request: {
    readonly publicKey: string
    readonly subject: string
    readonly certificate: string
  }): void {
    const { publicKey, subject, certificate } = request
    run(
      'openssl',
      'x509',
      '-new',
      '-force_pubkey',
      publicKey,
      '-subj',
      subject,
      '-days',
      '2',
      '-CA',
      this.certificate,
      '-CAkey',
      this.#key,
      '-out',
      certificate,
    )
  }
}

/** Gives the TPM its seeds, endorsement keys and their certificates; returns where its state lies. */
function manufacture(folder: string): string {
  const at = (name: string): string => join(folder, name)
  const state = at('state')
  for (const one of [state, at('ca')]) mkdirSync(one)
  writeFileSync(at('localca.options'), '')
  writeFileSync(
    at('localca.conf'),
    [
      'statedir = ',
      'signingkey = /signkey.pem',
      'issuercert = /issuercert.pem',
      'certserial = /certserial',
    ]
      .map((line) => line.replace('= ', `= ${at('ca')}`))
      .join('\n'),
  )
  const tool = execFileSync('sh', ['-c', 'command -v swtpm_localca'], { encoding: 'utf8' }).trim()
  writeFileSync(
    at('setup.conf'),
    [
      `create_certs_tool = ${tool}`,
      `create_certs_tool_config = ${at('localca.conf')}`,
      `create_certs_tool_options = ${at('localca.options')}`,
    ].join('\n'),
  )
  run(
    'swtpm_setup',
    '--tpm2',
    '--tpmstate',
    state,
    '--create-ek-cert',
    '--config',
    at('setup.conf'),
  )
  return state
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'pipe' })
}

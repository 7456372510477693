import { writeFileSync } from 'node:fs'
import { issue } from '@mini-spire/runtime/http/http.test-kit'
import { AgentDeployment, ServerDeployment } from '../kit/deployment.ts'
import { freePort, ours, type Programs, type Scene } from '../kit/processes.ts'
import { agentIds, fetchUntilServed, registerUser, until } from '../spire/programs.ts'

/** How the endpoints of all domains of a scenario prove themselves. */
export type Profile = 'https_spiffe' | 'https_web'

/** A trust domain of a scenario, before it runs. */
export interface DomainPlan {
  readonly name: string
  readonly programs: Programs
  readonly endpointPort: number
  readonly profile: Profile
  /** How its endpoint's certificate of the web is configured. */
  readonly web: { readonly block: string; readonly roots: string }
}

/** Plans a domain: where its bundle endpoint will be, and a certificate of the web for it. */
export async function planDomain(
  scene: Scene,
  name: string,
  programs: Programs,
  profile: Profile,
): Promise<DomainPlan> {
  const { cert, key, root } = await issue('localhost')
  const at = (file: string): string => scene.path(`${name}.${file}`)
  writeFileSync(at('web.pem'), cert)
  writeFileSync(at('web.key'), key)
  const block = `serving_cert_file { cert_file_path = "${at('web.pem')}" key_file_path = "${at('web.key')}" file_sync_interval = "1h" }`
  return { name, programs, profile, endpointPort: await freePort(), web: { block, roots: root } }
}

/** A running trust domain: server, bundle endpoint, agent, and a workload that federates. */
export class FederatedDomain {
  readonly plan: DomainPlan
  readonly server: ServerDeployment
  #agent: AgentDeployment | undefined

  private constructor(plan: DomainPlan, server: ServerDeployment) {
    this.plan = plan
    this.server = server
  }

  /** Starts the server, related by configuration to the domains given. */
  static async start(
    scene: Scene,
    plan: DomainPlan,
    others: { readonly known: readonly DomainPlan[]; readonly all: readonly DomainPlan[] },
  ): Promise<FederatedDomain> {
    const roots = scene.path(`${plan.name}.roots.pem`)
    writeFileSync(roots, others.all.map(({ web }) => web.roots).join(''))
    const profile = plan.profile === 'https_web' ? plan.web.block : ''
    const server = await ServerDeployment.start(scene, {
      name: plan.name,
      program: plan.programs.server,
      trustDomain: plan.name,
      env: { ...process.env, SSL_CERT_FILE: roots, SSL_CERT_DIR: '/nowhere' },
      settings: `federation {
        bundle_endpoint {
          address = "127.0.0.1" port = ${plan.endpointPort} refresh_hint = "1m"
          profile "${plan.profile}" { ${profile} }
        }
        ${others.known.map(relationship).join('\n')}
      }`,
    })
    return new FederatedDomain(plan, server)
  }

  get name(): string {
    return this.plan.name
  }

  get agent(): AgentDeployment {
    if (!this.#agent) throw new Error('no agent was started')
    return this.#agent
  }

  get workloadId(): string {
    return `spiffe://${this.name}/workload`
  }

  /** Relates to another domain at run time, with its bundle of the moment. */
  relate(other: FederatedDomain): void {
    const { profile } = other.plan
    const bundle = ['-trustDomainBundlePath', other.server.writeBundle()]
    const endpoint = ['-endpointSpiffeID', `spiffe://${other.name}/spire/server`]
    const flags = profile === 'https_spiffe' ? [...endpoint, ...bundle] : []
    const path = ['-trustDomain', other.name, '-bundleEndpointURL', urlOf(other.plan)]
    this.server.must('federation', 'create', ...path, '-bundleEndpointProfile', profile, ...flags)
  }

  /** Hands in another domain's bundle, as an operator does before the first fetch. */
  bootstrap(other: FederatedDomain): void {
    const flags = ['-id', `spiffe://${other.name}`, '-path', other.server.writeBundle()]
    this.server.must('bundle', 'set', ...flags)
  }

  /** Whether this server holds the other's bundle as it is now. */
  holds(other: FederatedDomain): boolean {
    const done = this.server.cli('bundle', 'list', '-id', other.name, '-output', 'json')
    return done.status === 0 && keysOf(done.stdout) === other.keys()
  }

  /** The authorities of this domain. */
  keys(): string {
    return keysOf(this.server.must('bundle', 'show', '-output', 'json'))
  }

  untilHolds(other: FederatedDomain): void {
    until(() => this.holds(other), `${this.name} holds the bundle of ${other.name}`)
  }

  /** Starts an agent, and serves this user an identity that federates with the domains given. */
  async serve(scene: Scene, others: readonly FederatedDomain[]): Promise<void> {
    const { programs } = this.plan
    this.#agent = await AgentDeployment.start(scene, this.server, {
      name: `${this.name}-agent`,
      program: programs.agent,
    })
    const [parent = ''] = agentIds(this.server)
    const flags = others.flatMap(({ name }) => ['-federatesWith', `spiffe://${name}`])
    registerUser(this.server, parent, '/workload', ...flags)
    fetchUntilServed(this.#agent, ours.agent, 'x509')
  }
}

function urlOf({ profile, endpointPort }: DomainPlan): string {
  return `https://${profile === 'https_web' ? 'localhost' : '127.0.0.1'}:${endpointPort}/`
}

function relationship(other: DomainPlan): string {
  const endpoint = `endpoint_spiffe_id = "spiffe://${other.name}/spire/server"`
  return `federates_with "${other.name}" {
    bundle_endpoint_url = "${urlOf(other)}"
    bundle_endpoint_profile "${other.profile}" { ${other.profile === 'https_spiffe' ? endpoint : ''} }
  }`
}

interface PrintedBundle {
  readonly x509_authorities: readonly { readonly asn1: string }[]
  readonly jwt_authorities: readonly { readonly key_id: string; readonly public_key: string }[]
}

function keysOf(json: string): string {
  const bundle = JSON.parse(json) as PrintedBundle
  const x509 = bundle.x509_authorities.map(({ asn1 }) => asn1)
  const jwt = bundle.jwt_authorities.map((one) => `${one.key_id} ${one.public_key}`)
  return [...x509.sort(), ...jwt.sort()].join('\n')
}

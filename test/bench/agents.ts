import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import {
  AgentService,
  AttestAgentRequest,
  AttestAgentResponse,
} from '@mini-spire/runtime/proto/spire/api/server/agent/v1/agent'
import type { ServerDeployment } from '../kit/deployment.ts'
import { type ClientIdentity, frame, frames, pemChain, WireClient } from './grpc-wire.ts'

/** A key, and requests signed by it that stand for what a real agent would send. */
export interface CsrKit {
  readonly keyPem: string
  /** DER of a request without names. */
  readonly csr: Buffer
  /** DER of a request with a SPIFFE ID, for minting. */
  readonly namedCsr: Buffer
}

/** Makes a key and requests with openssl. */
export function makeCsrKit(folder: string, trustDomain: string): CsrKit {
  const key = `${folder}/bench.key`
  execFileSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key])
  const request = (...extra: readonly string[]): Buffer =>
    execFileSync('openssl', [
      'req',
      '-new',
      '-key',
      key,
      '-subj',
      '/C=US/O=SPIRE',
      '-outform',
      'DER',
      ...extra,
    ])
  return {
    keyPem: readFileSync(key, 'utf8'),
    csr: request(),
    namedCsr: request('-addext', `subjectAltName=URI:spiffe://${trustDomain}/bench/minted`),
  }
}

/** An agent that has attested and holds a connection of its own. */
export interface SimulatedAgent {
  readonly id: string
  readonly identity: ClientIdentity
  readonly client: WireClient
}

/** A loopback address per simulated agent: limits count by address. */
export function loopbackAddress(index: number): string {
  return `127.${1 + Math.floor(index / 60_000)}.${Math.floor(index / 250) % 240}.${1 + (index % 250)}`
}

/** Attests with a fresh join token from an address of its own and connects with the SVID it got. */
export async function attestAgent(
  server: ServerDeployment,
  kit: CsrKit,
  index: number,
): Promise<SimulatedAgent> {
  const localAddress = loopbackAddress(index)
  const anonymous = await WireClient.tls(server.port, { localAddress })
  const stream = anonymous.open(AgentService.attestAgent.path)
  const token = server.token()
  const request = AttestAgentRequest.encode({
    step: {
      $case: 'params',
      params: {
        data: { type: 'join_token', payload: Buffer.from(token) },
        params: { csr: kit.csr },
      },
    },
  }).finish()
  stream.write(frame(request))
  for await (const message of frames(stream)) {
    const { step } = AttestAgentResponse.decode(message)
    if (step?.$case !== 'result' || !step.result.svid?.id)
      throw new Error('attestation was not answered with an SVID')
    const { certChain, id } = step.result.svid
    stream.end()
    anonymous.close()
    const identity = { key: kit.keyPem, chain: pemChain(certChain) }
    const client = await WireClient.tls(server.port, { identity, localAddress })
    return { id: `spiffe://${id.trustDomain}${id.path}`, identity, client }
  }
  throw new Error('attestation ended without an answer')
}

import { generateKeyPair, type KeyObject } from 'node:crypto'
import { buildCsr } from '@mini-spire/runtime/x509/csr'
import type { SpiffeId } from '@mini-spire/sdk/spiffe-id'

/** What workload keys can be. */
export type WorkloadKeyType = 'rsa-2048' | 'ec-p256' | 'ec-p384'

/** A fresh key and the request for its certificate. */
export interface WorkloadKey {
  readonly key: KeyObject
  readonly csr: Uint8Array
}

/** Makes a key and a CSR that names the identity; servers look at its key only. */
export async function makeWorkloadKey(
  type: WorkloadKeyType,
  spiffeId: SpiffeId,
): Promise<WorkloadKey> {
  const key = await generate(type)
  return {
    key,
    csr: await buildCsr({
      key,
      subject: { country: ['US'], organization: ['SPIRE'] },
      uriSan: spiffeId.toString(),
    }),
  }
}

function generate(type: WorkloadKeyType): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _: KeyObject, privateKey: KeyObject): void =>
      error ? reject(error) : resolve(privateKey)
    if (type === 'rsa-2048') generateKeyPair('rsa', { modulusLength: 2048 }, done)
    else generateKeyPair('ec', { namedCurve: type === 'ec-p256' ? 'P-256' : 'P-384' }, done)
  })
}

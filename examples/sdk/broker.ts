import { BrokerClient } from '@mini-spire/sdk/broker'
import { TrustDomain } from '@mini-spire/sdk/spiffe-id'
import { authorizeMemberOf } from '@mini-spire/sdk/tls'
import { X509Source } from '@mini-spire/sdk/workload-api'

// Its own SVID lets a broker in; the address is SPIFFE_BROKER_SOCKET's.
await using source = await X509Source.create()
const authorize = authorizeMemberOf(TrustDomain.parse('example.org'))
using broker = new BrokerClient({ svids: source, bundles: source, authorize })
// Ends with not-found when the workload has ended: what was got for it is to be dropped then.
const workload = { kind: 'process', pid: Number(process.argv[2]) } as const
for await (const { svids } of broker.watchX509(workload)) {
  process.stdout.write(`${svids.map(({ spiffeId }) => spiffeId).join(' ') || 'nobody yet'}\n`)
}

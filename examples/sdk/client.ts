import { get } from 'node:https'
import { SpiffeId } from '@mini-spire/sdk/spiffe-id'
import { authorizeId, SvidHttpsAgent } from '@mini-spire/sdk/tls'
import { X509Source } from '@mini-spire/sdk/workload-api'

await using source = await X509Source.create()
const server = SpiffeId.parse('spiffe://example.org/server')
const agent = new SvidHttpsAgent({ svids: source, bundles: source, authorize: authorizeId(server) })
await new Promise((resolve, reject) => {
  get('https://127.0.0.1:8443/', { agent }, (response) => {
    response.pipe(process.stdout).on('error', reject)
    response.on('end', resolve)
  }).on('error', reject)
})

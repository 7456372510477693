import { FakeWorkloadApi, TestCa } from '@mini-spire/sdk/testing'
import { X509Source } from '@mini-spire/sdk/workload-api'

const ca = TestCa.create('example.org')
await using api = await FakeWorkloadApi.start()
api.serve({ ca, svids: [ca.issueX509Svid('/web')] })
await using source = await X509Source.create({ address: api.address })
process.stdout.write(`${source.getX509Svid().spiffeId}\n`)

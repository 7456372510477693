import { TokenFile } from '@mini-spire/sdk/token-file'
import { JwtSource } from '@mini-spire/sdk/workload-api'

const svids = await JwtSource.create()
const file = await TokenFile.start({ svids, audience: 'sts.amazonaws.com', path: '/run/app/token' })
process.once('SIGTERM', () => {
  file.close()
  svids.close()
})

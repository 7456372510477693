import type { BrokerName, BrokerScene } from './broker-scene.ts'

/** What the Go peer is told as each of the brokers, over the Unix socket and the port: lines without what differs from run to run. */
export async function brokerAnswers(scene: BrokerScene): Promise<string> {
  const { pids, local, remote } = scene
  const workloads = ['-pid', `web=${pids.web}`, '-pid', `nobody=${pids.nobody}`]
  const lines: string[] = []
  const ask = async (broker: BrokerName, target: string, ...args: readonly string[]) => {
    const done = await scene.ask(broker, '-broker', target, ...args)
    if (done.status !== 0) throw new Error(done.stderr)
    lines.push(`# ${broker}, ${target === local ? 'Unix socket' : 'TCP'}, ${args[1]}`, done.stdout)
  }
  for (const target of [local, remote]) {
    await ask('broker', target, '-ask', 'workload', ...workloads)
    await ask('broker', target, '-ask', 'texts')
    await ask('broker', target, '-ask', 'refusals')
    await ask('broker', target, '-ask', 'reflection')
    await ask('restricted', target, '-ask', 'workload', ...workloads.slice(0, 2))
    await ask('restricted', target, '-ask', 'refusals')
  }
  return lines.join('\n')
}

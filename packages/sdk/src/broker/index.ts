export { brokerSocketVariable, brokerTarget, defaultBrokerAddress } from './broker-address.ts'
export { BrokerClient, type BrokerClientOptions, type WorkloadX509 } from './client.ts'
export type { WorkloadReference } from './convert.ts'

export { Agent, type AgentOptions, type RunAgentOptions, runAgent } from './agent.ts'

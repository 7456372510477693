/** The YAML reader, in a file of its own so that only who reads a kubeconfig loads it. */
export { parse as parseYaml } from 'yaml'

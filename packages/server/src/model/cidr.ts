/** A network as `address/prefix`. */
export type Cidr = `${string}/${number}`

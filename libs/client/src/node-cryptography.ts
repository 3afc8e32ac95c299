import { webcrypto } from 'node:crypto'
import { CryptoEngine, setEngine } from 'pkijs'

type NodeCrypto = ConstructorParameters<typeof CryptoEngine>[0]['crypto']

/** Makes Node's own cryptography the one that pkijs uses, once. */
export function useNodeCryptography(): void {
  setEngine('node', new CryptoEngine({ name: 'node', crypto: webcrypto as NodeCrypto }))
}

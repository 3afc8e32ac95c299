import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** A port that is free now, for a program that does not tell which one it took. */
export async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

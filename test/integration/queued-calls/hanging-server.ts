/* A call server that says which call it handles, and never comes to an end of it. */
import type * as client from '@app/client'

const { CallServer, defineCallInterface } = (await import(
  new URL('../../../libs/client/src/index.ts', import.meta.url).href
)) as typeof client
const { z } = await import('zod')

const { url, trust, token, endpoint, interfaceId } = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>
const server = new CallServer({
  url: url ?? '',
  trust: trust ?? '',
  credentials: { token: token ?? '' },
  leaseSeconds: 5,
  waitSeconds: 1
})
const orders = defineCallInterface({
  id: interfaceId ?? '',
  version: '1.0',
  operations: { place: { in: z.strictObject({ item: z.string() }) } }
})
server.registerInterface(orders, {
  place: ({ item }) => {
    process.stdout.write(`${item}\n`)
    return new Promise(resolve => setTimeout(resolve, 600_000))
  }
})
await server.useProtseqEpEx('ncadg_mq', endpoint ?? '', { endpointFlags: ['PERMANENT'] })
server.listen()

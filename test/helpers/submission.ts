import { CertRequest, Transport, type RequestStatus } from '@app/client'
import { asId, type RequestId } from '@app/core'
import { ArchiveStore, RequestStore, type RequestRow, type SealedKey } from '@app/storage'
import type { TestPrincipal, TestServer } from './server.js'

/** A media type of a request that is sent as it is. */
export type RequestMediaType = 'application/pkcs7-mime' | 'application/pkcs10'

/** Sends the bytes of a request to the REST interface, as a client without this project's SDK does. */
export function submitBytes(
  server: TestServer,
  principal: TestPrincipal,
  bytes: Uint8Array,
  mediaType: RequestMediaType = 'application/pkcs7-mime'
): Promise<RequestStatus> {
  return withTransport(server, principal, transport =>
    transport.json<RequestStatus>({
      method: 'POST',
      path: `/api/v1/cas/${encodeURIComponent(server.ca.name)}/requests`,
      query: { wait: 20 },
      wait: 20,
      headers: { 'content-type': mediaType },
      body: bytes
    })
  )
}

/** Sends a message to the CMC interface and returns the full response, DER. */
export function exchangeCmc(server: TestServer, principal: TestPrincipal, message: Uint8Array): Promise<Uint8Array> {
  return withTransport(server, principal, async transport => {
    const answer = await transport.call({
      method: 'POST',
      path: `/cmc/${encodeURIComponent(server.ca.name)}`,
      wait: 20,
      headers: { 'content-type': 'application/pkcs7-mime; smime-type=CMC-Request' },
      body: message
    })
    return answer.body
  })
}

/** A client of the SDK that has looked at a request, so that its getters tell of that one. */
async function retrieve(server: TestServer, principal: TestPrincipal, requestId: number): Promise<CertRequest> {
  const request = server.connect(principal)
  await request.retrievePending(requestId)
  return request
}

/** The full response of a request, DER. */
export async function fullResponseOf(
  server: TestServer,
  principal: TestPrincipal,
  requestId: number
): Promise<Uint8Array> {
  await using request = await retrieve(server, principal, requestId)
  return await request.getFullResponse()
}

/** What the archive keeps of a request's key. Fails when there is none. */
export async function sealedKeyOf({ database }: TestServer, requestId: number): Promise<SealedKey> {
  const archive = new ArchiveStore((await database.open('archive')).dataSource)
  const sealed = await archive.findSealed(asId<RequestId>(requestId))
  if (sealed === undefined) throw new Error(`Request ${requestId} has no sealed key.`)
  return sealed
}

/** The row of a request. */
export async function requestRowOf({ database }: TestServer, requestId: number): Promise<RequestRow> {
  return new RequestStore((await database.open('owner')).dataSource).get(asId<RequestId>(requestId))
}

async function withTransport<T>(
  server: TestServer,
  { token }: TestPrincipal,
  work: (transport: Transport) => Promise<T>
): Promise<T> {
  const transport = new Transport({ url: server.url, trust: server.root, credentials: { token } })
  try {
    return await work(transport)
  } finally {
    await transport.close()
  }
}

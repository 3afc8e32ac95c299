import { decodeFullResponse, verifyFullResponse, type FullResponse } from '@app/cmc'
import type { RequestState } from '@app/core'
import type { CertRequest } from '@app/client'
import type { TestServer } from './server.js'

/** What the database holds of a request after it was answered. */
export interface Traces {
  readonly state: RequestState
  readonly failureCode: string | null
  /** Rows in the ledger: reserved, issued or abandoned. */
  readonly certificates: number
  readonly sealedKeys: number
  readonly envelopes: number
}

/** Looks at the rows themselves. */
export async function tracesOf(server: TestServer, requestId: number): Promise<Traces> {
  const [row] = await server.sql<Traces>(
    `SELECT r.state, r.failure_code AS "failureCode",
            (SELECT count(*)::int FROM certkeep.certificate WHERE request_id = r.id) AS certificates,
            (SELECT count(*)::int FROM certkeep.sealed_key WHERE request_id = r.id) AS "sealedKeys",
            (SELECT count(*)::int FROM certkeep.archived_key_envelope WHERE request_id = r.id) AS envelopes
     FROM certkeep.request AS r WHERE r.id = $1`,
    [requestId]
  )
  if (row === undefined) throw new Error(`There is no request ${requestId}.`)
  return row
}

/** The full response of the last request of a client, its signature verified with the CA's certificate. */
export async function verifiedResponse(server: TestServer, request: CertRequest): Promise<FullResponse> {
  const response = decodeFullResponse(await request.getFullResponse())
  verifyFullResponse(response, { caCertificate: server.ca.certificate })
  return response
}

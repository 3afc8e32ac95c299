import {
  CallBinding,
  CertificateDirectory,
  MessageQueues,
  type CallBindingSettings,
  type ConnectionSettings,
  type MessageSigner
} from '@app/client'
import type { PrincipalRow } from '@app/storage'
import type { TestPrincipal, TestServer } from './server.js'
import { buildSampleCertificate, sampleKey } from './x509-samples.js'

const VALIDITY = { notBefore: new Date('2025-01-01T00:00:00Z'), notAfter: new Date('2049-01-01T00:00:00Z') }
let serial = 1000

/** Somebody who sends messages: a principal with a certificate that is registered for it. */
export interface MessageParty {
  readonly principal: TestPrincipal
  readonly signer: MessageSigner
  /** Of the server as it is now: a restart has other ports. */
  settings(): ConnectionSettings
  /** A connection, closed with the others by {@link closeAll}. */
  queues(): MessageQueues
  binding(endpoint: string, more?: Partial<CallBindingSettings>): CallBinding
  closeAll(): Promise<void>
}

/** Adds a principal and registers a certificate for it. */
export async function addMessageParty(server: TestServer, changes: Partial<PrincipalRow> = {}): Promise<MessageParty> {
  const principal = await server.addPrincipal(changes)
  const settings = (): ConnectionSettings => ({
    url: server.url,
    trust: server.root,
    credentials: { token: principal.token }
  })
  const certificate = buildSampleCertificate(sampleKey('P-256'), {
    ...VALIDITY,
    serialNumber: Uint8Array.of(++serial >> 8, serial & 0xff)
  })
  await using directory = new CertificateDirectory(settings())
  await directory.registerCertificate({ certificate })
  const opened: MessageQueues[] = []
  const queues = (): MessageQueues => {
    const connection = new MessageQueues(settings())
    opened.push(connection)
    return connection
  }
  return {
    principal,
    signer: { certificate, privateKey: sampleKey('P-256').privateKey, sid: principal.row.sid },
    settings,
    queues,
    binding: (endpoint, more = {}) => new CallBinding({ endpoint, queues: more.queues ?? queues(), ...more }),
    closeAll: async () => {
      await Promise.all(opened.splice(0).map(connection => connection[Symbol.asyncDispose]()))
    }
  }
}

import type { CertRequest } from '@app/client'
import { builtInTemplates, type CertificateTemplate } from '@app/templates'
import { pkcs10Request } from './plain-requests.js'
import { tracesOf, type Traces } from './request-outcomes.js'
import type { TestServer } from './server.js'

/** A template of web servers whose requests wait for officers, under another name. */
export function heldTemplate(name: string, changes: Partial<CertificateTemplate> = {}): CertificateTemplate {
  const builtIn = builtInTemplates().find(template => template.name === 'WebServer')
  if (builtIn === undefined) throw new Error('There is no built-in template WebServer.')
  const oid = `2.25.${BigInt(`0x${Buffer.from(name).toString('hex')}`)}`
  return { ...builtIn, name, displayName: name, oid, ...changes }
}

/** Submits a request of a computer that waits for officers; gives its number. */
export async function submitPending(
  client: CertRequest,
  template = 'WebServer',
  name = 'www.example.org'
): Promise<number> {
  const disposition = await client.submit(await pkcs10Request({ template, subject: `CN=${name}`, dnsNames: [name] }))
  if (disposition !== 5) throw new Error(`The request was not held: ${client.dispositionMessage}`)
  return client.requestId
}

/** Waits until a request is in a state; gives what the database holds of it then. */
export async function reaching(server: TestServer, requestId: number, state: Traces['state']): Promise<Traces> {
  const deadline = Date.now() + 20_000
  for (;;) {
    const traces = await tracesOf(server, requestId)
    if (traces.state === state) return traces
    if (Date.now() > deadline) throw new Error(`Request ${requestId} is ${traces.state}, not ${state}.`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

import { randomBytes } from 'node:crypto'
import { Enrollment, type CertRequest, type RequestOptions, type SigningIdentity } from '@app/client'
import { OID } from '@app/oid'
import { AgentScopeStore } from '@app/storage'
import { builtInTemplates, type CertificateTemplate } from '@app/templates'
import { offerTemplate } from './administration.js'
import { decidePending } from './decisions.js'
import type { TestPrincipal, TestServer } from './server.js'

/** Gives a server a template like a built-in one, under another name and identifier. */
export async function offerVariant(
  server: TestServer,
  of: string,
  changes: Partial<CertificateTemplate> & { readonly name: string }
): Promise<CertificateTemplate> {
  const template = builtInTemplates().find(({ name }) => name === of)
  if (template === undefined) throw new Error(`There is no template ${of}.`)
  // An identifier of the arc that needs no registration (X.667, 7).
  const oid = `2.25.${BigInt(`0x${randomBytes(15).toString('hex')}`)}`
  const variant = { ...template, displayName: changes.name, oid, ...changes }
  await offerTemplate(server, variant)
  return variant
}

/** What came of a request. */
export interface Outcome {
  readonly request: CertRequest
  readonly enrollment: Enrollment
}

/** Makes a request with the SDK and submits it as a principal; CMC for a P-256 key unless told. */
export async function submitAs(
  server: TestServer,
  principal: TestPrincipal,
  options: Partial<RequestOptions>,
  settings: Partial<ConstructorParameters<typeof Enrollment>[0]> = {}
): Promise<Outcome> {
  const enrollment = new Enrollment({ trust: server.root, key: { algorithm: 'p-256' }, ...settings })
  const bytes = await enrollment.createRequest({ type: 'cmc', ...options })
  const request = server.connect(principal)
  try {
    await request.submit(bytes, { wait: 20 })
    return { request, enrollment }
  } finally {
    await request[Symbol.asyncDispose]()
  }
}

/** A certificate of a template with its key; approved by an officer where the template has it so. */
export async function identityOf(
  server: TestServer,
  principal: TestPrincipal,
  options: Partial<RequestOptions>
): Promise<SigningIdentity> {
  const { request, enrollment } = await submitAs(server, principal, options)
  if (request.status.dispositionName === 'under_submission') {
    await decidePending(server, request.requestId, 'approved')
  }
  await using again = server.connect(principal)
  await again.retrievePending(request.requestId, { wait: 20 })
  if (!again.isIssued) throw new Error(`Not issued: ${again.dispositionMessage}`)
  return enrollment.acceptResponse(await again.getFullResponse())
}

/** The name of the template whose certificates make enrollment agents. */
export const AGENT_TEMPLATE = 'EnrollmentAgent'

/** Gives a server a template for enrollment agents, whose certificates an officer approves. */
export function offerAgentTemplate(server: TestServer): Promise<CertificateTemplate> {
  return offerVariant(server, 'UserSignature', {
    name: AGENT_TEMPLATE,
    enrollmentFlags: 0x2,
    extendedKeyUsages: [OID.szOID_ENROLLMENT_AGENT]
  })
}

/** Lets an agent enroll the members of a group for a template. */
export async function allowAgent(
  server: TestServer,
  agent: TestPrincipal,
  templateName: string,
  subjectGroup = 'Domain Users'
): Promise<void> {
  const scopes = new AgentScopeStore((await server.database.open('console')).dataSource)
  const scope = { agentId: agent.row.id, caId: server.ca.id, templateName, subjectGroup }
  await scopes.grant(scope, { actor: 'EXAMPLE\\administrator' }, new Date())
}

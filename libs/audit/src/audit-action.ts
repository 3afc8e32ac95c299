import type { RequestState } from '@app/core'

/**
 * The id under which Windows logs what an action does (subcategory "Certification Services", 4868 to 4900); null for
 * what Active Directory Certificate Services has no event of. Where it depends on the state that a request left, by
 * that state.
 */
type WindowsEvent =
  number | null | { readonly from: Partial<Record<RequestState, number>>; readonly otherwise: number | null }

/** The moves of a request, each an action of its own. */
type RequestMoves = { readonly [State in Exclude<RequestState, 'received'> as `request.${State}`]: WindowsEvent }

/**
 * Every action that the audit log knows: the object, a dot, and what was done to it in the past tense. An action that
 * is not here does not compile, so that none comes without a Windows event or the word that there is none.
 */
export const AUDIT_ACTIONS = {
  'request.submitted': 4886,
  'request.pending': 4889,
  // To approve what is pending or denied is a call of ResubmitRequest (MS-CSRA 3.1.4.1.4).
  'request.approved': { from: { pending: 4869, denied: 4869 }, otherwise: null },
  'request.sealed': 4893,
  'request.issued': 4887,
  'request.denied': { from: { pending: 4868 }, otherwise: 4888 },
  'request.failed': 4888,
  'request.revoked': 4870,
  'request.withdrawn': null,
  // A certificate that was issued out of band gets a request of its own.
  'request.imported': 4884,
  'request.envelope_purged': 4896,
  'request.resubmitted': 4869,
  // One approval of several that are needed, and what an officer puts into a pending request.
  'request.approval_given': null,
  'request.extensions_set': 4873,
  'request.attributes_set': 4874,
  'certificate.reserved': null,
  'certificate.abandoned': null,
  'certificate.revoked': 4870,
  // To take off hold is a call of RevokeCertificate too (MS-CSRA 3.1.4.1.5).
  'certificate.unrevoked': 4870,
  'crl.intended': null,
  'crl.published': 4872,
  'ca.created': null,
  'ca.certificate_requested': null,
  'ca.certificate_added': null,
  'ca.certificate_reserved': null,
  'ca.activated': null,
  'ca.renewed': null,
  'ca.renewal_withdrawn': null,
  'ca.templates_changed': 4892,
  'ca.enrollment_changed': 4882,
  'ca.crl_ordered': 4871,
  'template.added': 4899,
  'template.activated': 4899,
  'template.retired': 4899,
  'principal.added': null,
  'principal.changed': null,
  'principal.disabled': null,
  'principal.enabled': null,
  'principal.member_added': null,
  'principal.member_removed': null,
  'principal.secret_added': null,
  'principal.secret_used': null,
  'principal.certificate_imported': null,
  'principal.certificate_registered': null,
  'principal.certificate_deregistered': null,
  'ldap_run.requested': null,
  'credential.added': null,
  'credential.revoked': null,
  'role_assignment.granted': 4882,
  'role_assignment.revoked': 4882,
  'agent_scope.granted': 4882,
  'agent_scope.revoked': 4882,
  'invitation.added': null,
  'invitation.redeemed': null,
  'invitation.revoked': null,
  'session.opened': null,
  'session.revoked': null,
  'agent.added': 4892,
  'agent.assigned': 4892,
  'agent.retired': 4892,
  'exchange_key.generated': null,
  'exchange_key.imported': null,
  'exchange_key.requested': null,
  'exchange_key.certified': null,
  'exchange_key.destroyed': null,
  'sealed_key.purged': 4896,
  'sealed_key.imported': 4894,
  'key_import.received': null,
  'key_drill.ordered': null,
  'key_drill.succeeded': null,
  'key_drill.failed': null,
  'key_hold.placed': null,
  'key_hold.lifted': null,
  'key_purge.proposed': null,
  'key_purge.approved': null,
  'key_purge.cancelled': null,
  'key_purge.completed': null,
  'retention_policy.set': null,
  'retention_policy.removed': null,
  'key_import.failed': null,
  'recovery.requested': null,
  // The archive puts the agents' shares beside a recovery; an agent is given its own.
  'recovery.prepared': null,
  'recovery.share_given': null,
  // One approval of several that are needed, or beyond those.
  'recovery.approval_given': null,
  'recovery.approved': null,
  'recovery.refused': null,
  'recovery.withdrawn': null,
  'recovery.expired': null,
  'recovery.released': null,
  'recovery.package_prepared': null,
  'recovery.package_intended': null,
  'recovery.package_signed': null,
  // GetArchivedKey (MS-CSRA 3.1.4.2.9).
  'recovery.delivered': 4883,
  'recovery.owner_told': null,
  'sealed_key.resealed': 4893,
  // What an agent hands on to a successor: by batches; each key's own event is when its new form takes effect.
  'reseal.started': null,
  'reseal.prepared': null,
  'reseal.parts_given': null,
  'reseal.handed_on': null,
  'reseal.stored': null,
  'reseal.verified': null,
  'reseal.completed': null,
  'reseal.cancelled': null,
  'webhook.stopped': null,
  'webhook.resumed': null,
  'webhook.retried': null,
  'registration.received': null,
  'registration.registered': null,
  'registration.renewed': null,
  'registration.rejected': null,
  'registration.merged': null,
  'registration.approved': null,
  'registration.unapproved': null,
  'registration.blocked': null,
  'registration.unblocked': null,
  'registration_conflict.found': null,
  'registration_conflict.resolved': null,
  'registration_proxy.imported': null,
  'registration_proxy.removed': null,
  'configmgr_site.changed': null,
  'management_point.added': null,
  'message_key.generated': null,
  'message_key.destroyed': null,
  'delegation.granted': null,
  'delegation.revoked': null,
  'delegation.exchanged': null,
  'security_context.obtained': null,
  'security_context.freed': null,
  'message_queue.created': null,
  'message_queue.changed': null,
  'message_queue.deleted': null,
  'message_queue.purged': null,
  'audit_key.generated': null,
  'access.unauthenticated': null,
  'access.denied': null,
  'installation.started': 4880,
  'installation.stopped': 4881
} as const satisfies RequestMoves & Readonly<Record<`${string}.${string}`, WindowsEvent>>

/** An action of {@link AUDIT_ACTIONS}. */
export type AuditAction = keyof typeof AUDIT_ACTIONS

/** What an event is about: the part of an action before the dot. */
export type AuditObject = AuditAction extends infer Action
  ? Action extends `${infer Name}.${string}`
    ? Name
    : never
  : never

/** What may be done to an object: the part of its actions after the dot. */
export type AuditVerb<Name extends AuditObject> = AuditAction extends infer Action
  ? Action extends `${Name}.${infer Verb}`
    ? Verb
    : never
  : never

/** Whether a text names an action of this version of the program; an older or newer one may have written others. */
export function isAuditAction(text: string): text is AuditAction {
  return Object.hasOwn(AUDIT_ACTIONS, text)
}

/** The Windows event id of an event, or null when there is none. `from` is the state that a request left. */
export function windowsEventOf(action: string, from?: unknown): number | null {
  if (!isAuditAction(action)) return null
  const event: WindowsEvent = AUDIT_ACTIONS[action]
  if (event === null || typeof event === 'number') return event
  const named = typeof from === 'string' ? event.from[from as RequestState] : undefined
  return named ?? event.otherwise
}

/** What Windows says of each event (Microsoft, "Audit Certification Services"). */
export const WINDOWS_EVENTS: Readonly<Record<number, string>> = {
  4868: 'The certificate manager denied a pending certificate request',
  4869: 'Certificate Services received a resubmitted certificate request',
  4870: 'Certificate Services revoked a certificate',
  4871: 'Certificate Services received a request to publish the certificate revocation list (CRL)',
  4872: 'Certificate Services published the certificate revocation list (CRL)',
  4873: 'A certificate request extension changed',
  4874: 'One or more certificate request attributes changed',
  4880: 'Certificate Services started',
  4881: 'Certificate Services stopped',
  4882: 'The security permissions for Certificate Services changed',
  4883: 'Certificate Services retrieved an archived key',
  4884: 'Certificate Services imported a certificate into its database',
  4886: 'Certificate Services received a certificate request',
  4887: 'Certificate Services approved a certificate request and issued a certificate',
  4888: 'Certificate Services denied a certificate request',
  4889: 'Certificate Services set the status of a certificate request to pending',
  4892: 'A property of Certificate Services changed',
  4893: 'Certificate Services archived a key',
  4894: 'Certificate Services imported and archived a key',
  4896: 'One or more rows have been deleted from the certificate database',
  4899: 'A Certificate Services template was updated'
}
